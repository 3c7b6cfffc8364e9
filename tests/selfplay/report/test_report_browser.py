"""The page in headless Chromium: quiet, offline, harmless, and usable by clicks and by keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from benchmarks.browser import chromium, console, missing, open_file, requests, show_as
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.report import (
    ReportOptions,
    compare,
    report_server,
    write_comparison,
    write_report,
)
from tests.selfplay.report.report_runs import APPLES, FIGS, PEARS, play, write_run

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is a browser"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NO_MAP = ReportOptions(embedder=None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(scope="module")
def path(run: Path) -> Path:
    return write_report(run, None, NO_MAP)


@pytest.fixture
def page(browser: Any, path: Path) -> Any:
    show_as(browser, 1280, 900, dark=False)
    console(browser), requests(browser)
    open_file(browser, path)
    return browser


def one(driver: Any, css: str) -> Any:
    return driver.find_element("css selector", css)


def every(driver: Any, css: str) -> list[Any]:
    found: list[Any] = driver.find_elements("css selector", css)
    return found


def test_the_page_is_quiet_and_asks_the_network_for_nothing(page: Any) -> None:
    assert len(every(page, "main section")) == 10
    assert console(page) == []
    assert [url for url in requests(page) if not url.startswith(("file:", "data:"))] == []


def test_texts_of_models_are_shown_and_never_run(page: Any) -> None:
    for summary in every(page, "summary"):
        page.execute_script("arguments[0].click()", summary)
    for button in range(len(every(page, ".hits .pick"))):
        page.execute_script(
            "document.querySelectorAll('.hits .pick')[arguments[0]].click()", button
        )
    assert page.execute_script("return window.harmed") is None
    assert every(page, "main img") == []
    assert "onerror=" in one(page, "main").text
    assert console(page) == []


def test_a_search_and_clicks_lead_through_a_family(page: Any) -> None:
    one(page, "#query").send_keys("figs")
    (hit,) = every(page, ".hits .pick")
    hit.click()
    assert FIGS.id in one(page, "#prompt h3").text
    assert page.execute_script("return document.activeElement.id") == "prompt"
    kin = {button.get_attribute("data-id") for button in every(page, "#prompt .tree .pick")}
    assert {PEARS.id, APPLES.id} <= kin
    one(page, f"#prompt .tree [data-id='{PEARS.id}']").click()
    panel = one(page, "#prompt").text
    assert PEARS.id in panel
    assert "Estimates" in panel
    assert "0.75" in panel
    assert "answer 0" in panel
    assert "breaks" in panel


def test_the_rubric_shows_what_changed_and_why(page: Any) -> None:
    added = one(page, "#part-rubric ins")
    assert added.is_displayed()
    assert "calm" in added.text
    assert "better" in one(page, "#part-rubric .events").text
    assert every(page, "#part-rubric del")


def test_a_chart_is_read_by_keys_and_as_a_table(page: Any) -> None:
    plot = one(page, "#part-curves .plot")
    page.execute_script("arguments[0].focus()", plot)
    plot.send_keys("\ue010")  # End
    tip = one(page, "#part-curves .tip")
    assert "Round 3" in tip.text
    assert "greedy: 0.75" in tip.text
    assert tip.get_attribute("role") == "status"
    one(page, "#part-curves figure summary").click()
    assert "0.75" in one(page, "#part-curves figure table").text


def test_the_first_tab_leads_past_the_head(page: Any) -> None:
    one(page, "body").send_keys("\ue004")  # Tab
    assert page.execute_script("return document.activeElement.className") == "skip"
    page.switch_to.active_element.send_keys("\ue007")  # Enter
    assert page.execute_script("return document.activeElement.id") == "main"


def test_all_that_can_be_used_has_a_name(page: Any) -> None:
    nameless = page.execute_script(
        "return [...document.querySelectorAll('button, input, select, [tabindex=\"0\"], section')]"
        ".filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label')"
        " || e.closest('label'))).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert nameless == []
    assert len(every(page, "main")) == len(every(page, "nav")) == len(every(page, "h1")) == 1


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_needs_no_sideways_scrolling(page: Any, dark: bool) -> None:
    show_as(page, 390, 800, dark=dark)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    ground = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(22, 22, 21)") is dark


def test_a_comparison_is_quiet_too(browser: Any, run: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "two", "seed=5", right=38)
    open_file(browser, write_comparison(compare([run, other]), tmp_path / "page.html"))
    assert "+0.200" in one(browser, "#part-figures table").text
    assert one(browser, "#part-settings tbody").text.split() == ["seed", "0", "5"]
    assert console(browser) == []


def test_a_live_page_grows_and_keeps_the_place(browser: Any, tmp_path: Path) -> None:
    show_as(browser, 1280, 900, dark=False)
    directory = write_run(tmp_path / "run", "rounds=9")
    with report_server(directory, 0, NO_MAP) as server:
        server.seconds, server.follower.heavy_seconds = 0.3, 0.0
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            browser.get(server.url)
            one(browser, "#query").send_keys("pears")
            one(browser, f".hits [data-id='{PEARS.id}']").click()
            one(browser, "#query").click()
            place = browser.execute_script("return window.scrollY")
            with Ledger.open(directory / LEDGER) as ledger:
                play(ledger, 4, (FIGS, PEARS))
            wait_for(browser, "4 of 9")
            assert browser.execute_script("return document.activeElement.id") == "query"
            assert one(browser, "#query").get_attribute("value") == "pears"
            assert PEARS.id in one(browser, "#prompt h3").text
            assert abs(browser.execute_script("return window.scrollY") - place) < 60
            assert console(browser) == []
        finally:
            browser.get("about:blank")
            server.shutdown()
            thread.join()


def wait_for(driver: Any, text: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 20, 0.1).until(lambda d: text in one(d, "#part-story").text)
