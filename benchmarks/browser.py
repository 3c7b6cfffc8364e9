"""A headless Chromium that loads pages with the network shut, for what a page does in a browser.

Needs selenium and Debian's `chromium` and `chromium-driver`, or their likes on the PATH; where they
are missing, `missing` says which.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_BROWSERS, _DRIVER = ("chromium", "chromium-browser", "google-chrome"), "chromedriver"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def missing() -> str:
    """What has to be installed before a browser can be started; empty when nothing has."""
    if importlib.util.find_spec("selenium") is None:
        return "selenium is not installed: pip install 'selfplay-engine[dev]'"
    if _browser() is None or shutil.which(_DRIVER) is None:
        return "no Chromium: apt-get install chromium chromium-driver"
    return ""


def _browser() -> str | None:
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


@contextmanager
def chromium(width: int = 1280, height: int = 900, *, dark: bool = False) -> Iterator[Any]:
    """A selenium driver with an empty profile, closed at the end of the block."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = _browser() or ""
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(shutil.which(_DRIVER)))
        try:
            show_as(driver, width, height, dark=dark)
            yield driver
        finally:
            driver.quit()


def show_as(driver: Any, width: int, height: int, *, dark: bool) -> None:
    """Sets the window, a phone's below 600 pixels, and the colour scheme."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def open_file(driver: Any, path: Path) -> None:
    """Loads a page from its file."""
    driver.get(path.resolve().as_uri())


def console(driver: Any) -> list[str]:
    """What the page's console said since it was last asked: errors, refusals, warnings."""
    return [str(entry["message"]) for entry in driver.get_log("browser")]


def requests(driver: Any) -> list[str]:
    """Addresses that were asked for since the last time, the browser's own pages left out."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [str(params["request"]["url"]) for params in sent]
