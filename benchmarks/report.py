"""A report of a run of 10⁵ prompts: its size, what it takes to make, and how it feels in a browser.

The ledger is made for it: every round evolves a part of its prompts from the round before, so there
are families of a hundred generations. The map is timed by itself, since it is the embedding model's
time: loading it, and 1,000 texts of a page.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.browser import chromium, console, missing, open_file
from benchmarks.runner import Cell, Measurement
from selfplay.config import load_config
from selfplay.config.settings import RunConfig
from selfplay.core.embedding import PACKAGED
from selfplay.core.types import (
    Composition,
    Estimate,
    Group,
    Lineage,
    Prompt,
    Response,
    Verdict,
    user,
)
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.report import ReportOptions, write_report
from selfplay.report.explorer import explorer
from selfplay.report.prompt_map import Mapper

PROMPTS, ROUNDS, RESPONSES = 100_000, 1_000, 4
TEXT = (
    "a train leaves the station with twelve apples and meets another one that carries pears how "
    "many minutes until both have passed the bridge if every wagon is as long as three horses"
)
WORDS = TEXT.split()
TYPED = "another wagon 7"
_KEY = """
const input = document.getElementById("query");
const began = performance.now();
input.value = arguments[0];
input.dispatchEvent(new Event("input"));
document.body.getBoundingClientRect();
return performance.now() - began;
"""
_OPEN = """
const button = document.querySelectorAll(".hits .pick")[arguments[0]];
const began = performance.now();
button.click();
document.body.getBoundingClientRect();
return performance.now() - began;
"""
_SCROLL = """
const done = arguments[0], frames = [];
const steps = 60, end = document.documentElement.scrollHeight - window.innerHeight;
let step = 0, before = performance.now();
function next() {
  const now = performance.now();
  frames.push(now - before);
  before = now;
  if (step > steps) return done(frames.slice(1));
  window.scrollTo(0, (end * step++) / steps);
  requestAnimationFrame(next);
}
requestAnimationFrame(next);
"""
_LOADED = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
_HEAP = "return performance.memory.usedJSHeapSize"


def measure() -> Measurement:
    """Sizes and times of one page, in one process and one browser."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place) / "big"
        write_run(directory)
        size = round((directory / LEDGER).stat().st_size / 1e6, 1)
        rows: list[dict[str, Cell]] = [{"what": "ledger", "value": size, "unit": "MB"}]
        rows += made(directory)
        rows += mapped(directory)
        rows += [] if missing() else shown(directory / "report.html")
    return Measurement(
        title="Report",
        question=f"Is the page of a run of {PROMPTS:,} prompts small enough, and quick?",
        rows=rows,
        notes=(
            f"{ROUNDS:,} rounds of {PROMPTS // ROUNDS} prompts with {RESPONSES} responses each, "
            "half of the prompts evolved. A page holds 8 MB of prompts by default and 16 at most; "
            "it was made without the map, whose time stands by itself. Times in the browser: "
            "headless Chromium without a GPU, from the file of 8 MB; a keystroke searches all "
            "prompts of the page and draws the list, opening one draws its family, estimates and "
            "verdicts, both with layout; a frame is the time between two while the page scrolls "
            "from its beginning to its end in 60 steps."
        ),
    )


def made(directory: Path) -> list[dict[str, Cell]]:
    """Making the page, with as many prompts as by default and as may be."""
    rows: list[dict[str, Cell]] = []
    for megabytes in (16.0, 8.0):
        began, worked = time.perf_counter(), time.process_time()
        path = write_report(directory, None, ReportOptions(megabytes, embedder=None))
        seconds, work = time.perf_counter() - began, time.process_time() - worked
        of = f"{megabytes:g} MB of prompts"
        rows += [
            {"what": f"making it, {of}", "value": round(seconds, 1), "unit": "s"},
            {"what": f"making it, {of}, processor time", "value": round(work, 1), "unit": "s"},
            {"what": f"page, {of}", "value": round(path.stat().st_size / 1e6, 2), "unit": "MB"},
        ]
    return rows


def mapped(directory: Path) -> list[dict[str, Cell]]:
    """The map of a page, with what the embedding model takes to load."""
    found = explorer(directory, 8_000_000)
    began = time.perf_counter()
    drawn = Mapper(PACKAGED).draw(found)
    seconds = time.perf_counter() - began
    if drawn["missing"]:
        return []
    what = f"map of {len(drawn['points']):,} prompts, loading the model included"
    return [{"what": what, "value": round(seconds, 1), "unit": "s"}]


def shown(path: Path) -> list[dict[str, Cell]]:
    """The page in a browser.

    Raises:
        RuntimeError: its console has errors.
    """
    with chromium() as driver:
        open_file(driver, path)
        loaded = float(driver.execute_script(_LOADED))
        keys = [float(driver.execute_script(_KEY, TYPED[:n])) for n in range(1, len(TYPED) + 1)]
        driver.execute_script(_KEY, "")
        opened = [float(driver.execute_script(_OPEN, n)) for n in range(20)]
        frames = [float(each) for each in driver.execute_async_script(_SCROLL)]
        heap = float(driver.execute_script(_HEAP))
        if said := console(driver):
            raise RuntimeError(f"expected a quiet console, found {said[:3]}")
    return [
        {"what": "loading and drawing", "value": round(loaded), "unit": "ms"},
        {"what": "a keystroke, median", "value": round(float(np.median(keys)), 1), "unit": "ms"},
        {"what": "a keystroke, slowest", "value": round(max(keys), 1), "unit": "ms"},
        {"what": "opening one, median", "value": round(float(np.median(opened)), 1), "unit": "ms"},
        {"what": "opening one, slowest", "value": round(max(opened), 1), "unit": "ms"},
        {"what": "scrolling, median frame", "value": round(float(np.median(frames))), "unit": "ms"},
        {"what": "scrolling, slowest frame", "value": round(max(frames)), "unit": "ms"},
        {"what": "JavaScript heap", "value": round(heap / 1e6), "unit": "MB"},
    ]


def write_run(directory: Path, prompts: int = PROMPTS, rounds: int = ROUNDS) -> None:
    """A made-up run of that many prompts."""
    directory.mkdir(parents=True)
    settings = load_config("tiny", [f"rounds={rounds}"], RunConfig).as_dict()
    draws = np.random.default_rng(0)
    before: list[Prompt] = []
    with Ledger.create(directory / LEDGER, settings, {}) as ledger:
        for t in range(1, rounds + 1):
            before = _write_round(ledger, t, prompts // rounds, before, draws)


def _write_round(
    ledger: Ledger, t: int, size: int, before: list[Prompt], draws: Any
) -> list[Prompt]:
    asked = [_prompt(t, i, before, draws) for i in range(size)]
    estimates = estimates_of(before, t, RESPONSES, draws)
    groups = [_group(prompt, t, draws) for prompt in asked]
    with ledger.transaction():
        ledger.add_composition(t, Composition(tuple(asked), estimates))
        ledger.add_groups(t, "train", 0, groups)
        with ledger.commit(t, "judge") as stage:
            stage.metrics = {"reward": float(draws.random()), "mixed": float(draws.random())}
        with ledger.commit(t, "record"):
            pass
        ledger.add_cost(t, "attempt", "stage", 1.0, 0, size * RESPONSES * 20)
    return asked


def estimates_of(prompts: list[Prompt], t: int, n: int, draws: Any) -> tuple[Estimate, ...]:
    """Made-up ones of the prompts of the round before `t`, of `n` responses each."""
    return tuple(
        Estimate(prompt.id, "regret_gap", float(value), n, t - 1, t - 1, "judge")
        for prompt, value in zip(prompts, draws.random(len(prompts)), strict=True)
    )


def _prompt(t: int, i: int, before: list[Prompt], draws: Any) -> Prompt:
    text = " ".join(draws.choice(WORDS, 30)) + f" {t} {i}"
    if not before or i % 2:
        return Prompt(user(text), task="words", lineage=Lineage(round=t))
    parents = (before[i % len(before)].id,)
    return Prompt(user(text), task="words", lineage=Lineage(parents, "deepen", "writer", 0, t, t))


def _group(prompt: Prompt, t: int, draws: Any) -> Group:
    empty = np.array([], np.int32)
    texts = [" ".join(draws.choice(WORDS, 20)) for _ in range(RESPONSES)]
    return Group(
        prompt,
        tuple(Response(text, empty, None, "stop") for text in texts),
        "train",
        t - 1,
        tuple(Verdict(float(reward)) for reward in draws.integers(0, 2, RESPONSES)),
        "judge",
    )
