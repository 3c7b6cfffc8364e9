"""The page in headless Chromium: quiet, offline, harmless, and usable by clicks and by keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.browser import chromium, console, missing, open_file, requests, show_as
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.report import ReportOptions, compare, report_server, write_comparison
from selfplay.report.prompt_map import Mapper
from selfplay.report.writing import payload, write_page
from tests.selfplay.report.browsing import (
    DOWN,
    END,
    ENTER,
    ESCAPE,
    HOME,
    LEFT,
    RIGHT,
    SPACE,
    TAB,
    active,
    every,
    faults,
    one,
    press,
    tab_to,
    too_wide,
    unfold,
    wait_until,
)
from tests.selfplay.report.report_runs import APPLES, FIGS, PEARS, PLUMS, play, write_run

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is a browser"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NO_MAP = ReportOptions(embedder=None)
PHONE = 390


class PlacedMapper(Mapper):
    """Places prompts without a model, which takes seconds to load."""

    def _embedded(self, texts: dict[str, str]) -> NDArray[np.float32]:
        return np.array([[len(text), text.count("u")] for text in texts.values()], np.float32)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(scope="module")
def path(run: Path) -> Path:
    return write_page(payload(run, NO_MAP, PlacedMapper("placed")), run / "report.html")


@pytest.fixture(scope="module")
def compared(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("compared")
    runs = [run, *(write_run(place / f"s{n}", f"seed={n}", right=30 + n) for n in (5, 8))]
    return write_comparison(compare(runs), place / "page.html")


@pytest.fixture
def page(browser: Any, path: Path) -> Any:
    return opened(browser, path)


def opened(browser: Any, path: Path, width: int = 1280, *, dark: bool = False) -> Any:
    """The page, drawn anew, with an empty record of what it said and asked for."""
    show_as(browser, width, 900, dark=dark)
    browser.get("about:blank")
    console(browser), requests(browser)
    open_file(browser, path)
    wait_until(browser, lambda d: every(d, "main section svg text"), "the charts are drawn")
    return browser


def search(page: Any, words: str) -> list[Any]:
    one(page, "#query").send_keys(words)
    return every(page, ".hits .pick")


def opened_id(page: Any) -> str:
    return str(one(page, "#prompt h3").text.removeprefix("Prompt "))


def test_the_page_is_quiet_and_asks_the_network_for_nothing(page: Any) -> None:
    assert len(every(page, "main section")) == 10
    unfold(page)
    assert console(page) == []
    assert [url for url in requests(page) if not url.startswith(("file:", "data:"))] == []


def test_texts_of_models_are_shown_and_never_run(page: Any) -> None:
    for button in range(len(every(page, ".hits .pick"))):
        script = "document.querySelectorAll('.hits .pick')[arguments[0]].click()"
        page.execute_script(script, button)
        unfold(page)
    assert page.execute_script("return window.harmed") is None
    assert every(page, "main img") == []
    assert "onerror=" in one(page, "main").text
    assert console(page) == []


def test_a_search_and_clicks_lead_through_a_family(page: Any) -> None:
    (hit,) = search(page, "figs")
    hit.click()
    assert opened_id(page) == FIGS.id
    assert active(page).get_attribute("id") == "prompt"
    kin = {button.get_attribute("data-id") for button in every(page, "#prompt .tree .pick")}
    assert kin == {PLUMS.id, PEARS.id, APPLES.id}
    one(page, f"#prompt .tree [data-id='{PEARS.id}']").click()
    assert opened_id(page) == PEARS.id
    panel = one(page, "#prompt").text
    for words in ("Estimates", "0.75", "answer 0", "breaks"):
        assert words in panel


def test_a_search_without_hits_says_so_and_keeps_what_is_open(page: Any) -> None:
    before = opened_id(page)
    assert search(page, "no such words") == []
    assert one(page, "#part-prompts [role=status]").text == "0 prompts of 4 on this page"
    assert opened_id(page) == before


def test_lists_are_narrowed_by_operator_and_put_in_order(page: Any) -> None:
    shown = "return [...document.querySelectorAll('.hits .pick')].map((b) => b.dataset.id)"
    choose = (
        "const s = document.querySelector(`[data-key=${arguments[0]}]`);"
        "s.value = arguments[1]; s.dispatchEvent(new Event('change'));"
    )
    page.execute_script(choose, "order", "newest")
    assert page.execute_script(shown) == [FIGS.id, PLUMS.id, PEARS.id, APPLES.id]
    page.execute_script(choose, "operator", "deepen")
    assert page.execute_script(shown) == [FIGS.id, PLUMS.id]


def test_the_rubric_shows_what_changed_and_why(page: Any) -> None:
    added, removed = one(page, "#part-rubric ins"), one(page, "#part-rubric del")
    assert added.is_displayed()
    assert removed.is_displayed()
    assert added.text.startswith("+ ")
    assert "calm" in added.text
    assert removed.text.startswith("− ")
    assert "better" in one(page, "#part-rubric .events").text


def test_a_chart_is_read_by_keys_and_as_a_table(page: Any) -> None:
    tab_to(page, "#part-curves .plot")
    tip = one(page, "#part-curves .tip")
    press(page, END)
    assert "Round 3" in tip.text
    assert "greedy: 0.75" in tip.text
    assert tip.get_attribute("role") == "status"
    press(page, LEFT)
    assert "Round 0" in tip.text
    press(page, RIGHT, HOME)
    assert "Round 0" in tip.text
    press(page, ESCAPE)
    assert not tip.is_displayed()
    tab_to(page, "#part-curves figure summary")
    press(page, ENTER)
    wait_until(page, lambda d: every(d, "#part-curves figure table"), "the table is built")
    assert "0.750" in one(page, "#part-curves figure table").text


def test_the_map_is_walked_and_opened_by_keys(page: Any) -> None:
    tab_to(page, "#part-map .plot")
    tip = one(page, "#part-map .tip")
    press(page, RIGHT)
    first = tip.text
    press(page, RIGHT)
    assert tip.text != first
    press(page, LEFT)
    assert tip.text == first
    assert press(page, ENTER).get_attribute("id") == "prompt"
    assert opened_id(page).startswith(first[:8])


def test_tab_follows_the_order_of_reading(page: Any) -> None:
    assert press(page, TAB).get_attribute("class") == "skip"
    assert press(page, ENTER).get_attribute("id") == "main"
    order = page.execute_script(
        "return [...document.querySelectorAll('[tabindex]')].filter((e) => e.tabIndex > 0).length"
    )
    assert order == 0
    tops = []
    for _ in range(12):
        focused = press(page, TAB)
        tops.append(
            page.execute_script(
                "const s = arguments[0].closest('section');"
                "return s ? [...document.querySelectorAll('section')].indexOf(s) : -1",
                focused,
            )
        )
    assert tops == sorted(tops)
    assert min(tops) >= 0


def test_a_family_is_found_and_read_by_keys_alone(page: Any) -> None:
    tab_to(page, "#query")
    press(page, *"plums")
    tab_to(page, f".hits [data-id='{PLUMS.id}']")
    assert press(page, ENTER).get_attribute("id") == "prompt"
    assert opened_id(page) == PLUMS.id
    tab_to(page, f"#prompt .tree [data-id='{FIGS.id}']")
    press(page, SPACE)
    assert opened_id(page) == FIGS.id
    tab_to(page, "#prompt > button")
    assert press(page, ENTER).get_attribute("id") == "query"
    tab_to(page, "[data-key=order]")
    press(page, DOWN)
    assert one(page, "[data-key=order]").get_attribute("value") == "newest"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_rules_of_accessibility_hold(browser: Any, path: Path, dark: bool) -> None:
    page = opened(browser, path, dark=dark)
    unfold(page)
    ground = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(22, 22, 21)") is dark
    assert faults(page) == {}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_they_hold_for_a_comparison(browser: Any, compared: Path, dark: bool) -> None:
    page = opened(browser, compared, dark=dark)
    unfold(page)
    assert faults(page) == {}


def test_rules_that_are_broken_are_found(page: Any) -> None:
    page.execute_script(
        "document.body.style.color = '#999'; document.documentElement.lang = '';"
        "document.querySelector('h2').outerHTML = '<h4></h4>';"
        "document.querySelector('table').tHead.rows[0].cells[0].removeAttribute('scope');"
        "document.querySelector('#query').closest('label').replaceWith("
        "  document.querySelector('#query'));"
        "document.querySelector('.plot').removeAttribute('aria-label');"
        "document.querySelector('#query').style.outline = 'none';"
    )
    assert len(faults(page)) == 7


def test_a_phone_needs_no_sideways_scrolling(browser: Any, path: Path, compared: Path) -> None:
    for each in (path, compared):
        page = opened(browser, each, PHONE)
        assert too_wide(page, PHONE) == []
        unfold(page)
        assert too_wide(page, PHONE) == []


def test_a_comparison_is_quiet_too(browser: Any, compared: Path) -> None:
    page = opened(browser, compared)
    assert "+0.125" in one(page, "#part-figures table").text
    assert one(page, "#part-settings tbody").text.split() == ["seed", "0", "5", "8"]
    assert console(page) == []
    assert [url for url in requests(page) if not url.startswith(("file:", "data:"))] == []


def test_a_live_page_grows_and_keeps_the_place(browser: Any, tmp_path: Path) -> None:
    show_as(browser, 1280, 900, dark=False)
    directory = write_run(tmp_path / "run", "rounds=9")
    with report_server(directory, 0, NO_MAP) as server:
        server.seconds, server.follower.heavy_seconds = 0.3, 0.0
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            console(browser), requests(browser)
            browser.get(server.url)
            search(browser, "pears")
            one(browser, f".hits [data-id='{PEARS.id}']").click()
            one(browser, "#query").click()
            place = browser.execute_script("return window.scrollY")
            with Ledger.open(directory / LEDGER) as ledger:
                play(ledger, 4, (FIGS, PEARS))
            wait_until(browser, lambda d: "4 of 9" in one(d, "#part-story").text, "round 4 shows")
            assert active(browser).get_attribute("id") == "query"
            assert one(browser, "#query").get_attribute("value") == "pears"
            assert opened_id(browser) == PEARS.id
            assert abs(browser.execute_script("return window.scrollY") - place) < 60
            assert console(browser) == []
            own = (server.url, "data:")
            assert [url for url in requests(browser) if not url.startswith(own)] == []
            one(browser, "#live button").click()
            assert "Paused" in one(browser, "#live").text
        finally:
            browser.get("about:blank")
            server.shutdown()
            thread.join()
