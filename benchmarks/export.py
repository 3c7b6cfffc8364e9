"""Exporting a ledger of 10⁶ prompts, and reading what was exported: time and peak memory.

Each command is a process of its own, whose peak memory the system tells. The ledger is made for it:
prompts with lineage and estimates, half of them evolved, without responses, which an export of
prompts reads only the newest rewards of.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import WORDS, estimates_of
from benchmarks.runner import Cell, Measurement
from selfplay.config import load_config
from selfplay.config.settings import RunConfig
from selfplay.core.types import Composition, Lineage, Prompt, user
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER

PROMPTS, ROUNDS = 1_000_000, 1_000
_SELFPLAY = (sys.executable, "-c", "from selfplay.cli.main import main; main()")
_READ = (
    "import sys; from selfplay.data.prompts import PromptFileOptions, read_prompts;"
    "print(len(read_prompts(PromptFileOptions(path=sys.argv[1])).prompts))"
)


def measure() -> Measurement:
    """One process after the other, on the same ledger."""
    rows: list[dict[str, Cell]] = []
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        write_run(run)
        jsonl, parquet = Path(place) / "prompts.jsonl", Path(place) / "prompts.parquet"
        directory = Path(place) / "best"
        export = (*_SELFPLAY, "export", str(run))
        split = ("--top", "10000", "--validation", "0.1")
        for what, made, command in (
            ("export to JSON Lines", jsonl, (*export, str(jsonl))),
            ("export to Parquet", parquet, (*export, str(parquet))),
            ("the best 10,000, split", directory, (*export, str(directory), *split)),
            ("reading the JSON Lines", jsonl, (sys.executable, "-c", _READ, str(jsonl))),
            ("reading the Parquet file", parquet, (sys.executable, "-c", _READ, str(parquet))),
        ):
            rows.append({"what": what, **taken(command), "size (MB)": megabytes(made)})
        rows.append({"what": "starting Python alone", **taken((*_SELFPLAY, "--help"))})
    return Measurement(
        title="Export",
        question=f"What do exporting {PROMPTS:,} prompts and reading them again take?",
        rows=rows,
        notes=(
            f"{PROMPTS:,} prompts of 30 words from {ROUNDS:,} rounds, half of them evolved, with "
            "estimates and without responses. Memory: the most that the process had resident."
        ),
    )


def taken(command: tuple[str, ...]) -> dict[str, Cell]:
    """Wall-clock time and peak memory of a process.

    Raises:
        RuntimeError: it failed.
    """
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said = process.stderr.read().decode() if process.stderr else ""
            raise RuntimeError(f"expected {' '.join(command)} to end well, found {said[-500:]}")
    seconds = time.perf_counter() - began
    return {"seconds": round(seconds, 1), "peak memory (MB)": round(usage.ru_maxrss * 1024 / 1e6)}


def megabytes(path: Path) -> float:
    """Of a file, or of the files in a directory."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return round(sum(each.stat().st_size for each in files) / 1e6, 1)


def write_run(directory: Path, prompts: int = PROMPTS, rounds: int = ROUNDS) -> None:
    """A made-up run of that many prompts, in which nothing was answered."""
    directory.mkdir(parents=True)
    settings = load_config("tiny", [f"rounds={rounds}"], RunConfig).as_dict()
    draws = np.random.default_rng(0)
    before: list[Prompt] = []
    with Ledger.create(directory / LEDGER, settings, {}) as ledger:
        for t in range(1, rounds + 1):
            asked = [_prompt(t, i, before, draws) for i in range(prompts // rounds)]
            estimates = estimates_of(before, t, 8, draws)
            ledger.add_composition(t, Composition(tuple(asked), estimates))
            before = asked


def _prompt(t: int, i: int, before: list[Prompt], draws: Any) -> Prompt:
    text = " ".join(WORDS[k] for k in draws.integers(0, len(WORDS), 30)) + f" {t} {i}"
    if not before or i % 2:
        return Prompt(user(text), task="words", answer=str(i), lineage=Lineage(round=t))
    parents = (before[i % len(before)].id,)
    lineage = Lineage(parents, "deepen", "writer", 0, t, t)
    return Prompt(user(text), task="words", answer=str(i), lineage=lineage)
