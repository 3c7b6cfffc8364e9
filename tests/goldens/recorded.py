"""Three run directories of one release, and what every command that reads says of them.

The directories lie in `runs/`, packed, and are made once (`python -m tests.goldens runs`): they
stand for the runs that users have. What the commands say lies in `said/`.
"""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from selfplay.build import open_game
from selfplay.cli.main import app
from selfplay.config import load_config
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from tests.goldens.made import HERE, LOOPHOLE, LORA
from tests.model_server import serving
from tests.selfplay.small_runs import small
from tests.selfplay.test_evolving import game, make_files, rewritten

PACKED, SAID = HERE / "runs", HERE / "said"


def half_way(directory: Path) -> None:
    """The embedded game with adapters, which are small, left after two of four rounds."""
    with open_game(small(*LORA), directory) as opened:
        for progress in play(opened):
            if progress.round == 2 and progress.stage == "record":
                return


def loophole(directory: Path) -> None:
    """Monitors, alarms, reviews, anchors and rubrics; without its policy."""
    with open_game(load_config("loophole", LOOPHOLE), directory) as opened:
        for _ in play(opened):
            pass
    shutil.rmtree(directory / "policy")


def evolve(directory: Path) -> None:
    """A scripted server's prompts; without its policy, and with no word of where it was played."""
    files = make_files(directory.parent)
    with serving(rewritten) as served:
        with open_game(game(files, served), directory) as opened:
            for _ in play(opened):
                pass
        with Ledger.open(directory / LEDGER) as ledger:
            settings = json.dumps(ledger.settings)
            settings = settings.replace(served.url, "http://host/v1")
            ledger.amend_settings(json.loads(settings.replace(str(directory.parent), "/files")))
    shutil.rmtree(directory / "policy")


MADE: Mapping[str, Callable[[Path], None]] = {
    run.__name__: run for run in (half_way, loophole, evolve)
}


def packed(name: str, place: Path) -> None:
    """Plays a run and packs its directory, without a word of where and when that was."""
    directory = place / name
    MADE[name](directory)
    (directory / "lock").unlink()
    here = str(HERE.parents[1])
    for file in (*directory.rglob("adapter_config.json"), *directory.rglob("README.md")):
        file.write_text(file.read_text("utf-8").replace(here, "/project"), encoding="utf-8")
    with closing(sqlite3.connect(directory / LEDGER, isolation_level=None)) as connection:
        connection.execute(
            "UPDATE run SET value = json_set(value, '$.platform', 'Linux') "
            "WHERE key = 'environment'"
        )

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
        return entry

    PACKED.mkdir(exist_ok=True)
    with tarfile.open(PACKED / f"{name}.tar.xz", "w:xz") as archive:
        archive.add(directory, name, filter=plain)


def unpacked(name: str, place: Path) -> Path:
    """The run directory, in a folder of the test's."""
    with tarfile.open(PACKED / f"{name}.tar.xz") as archive:
        archive.extractall(place, filter="data")
    return place / name


def commands(run: Path, other: Path, place: Path) -> Iterator[tuple[str, ...]]:
    """All that say with `--json` what a run directory holds; those that write, into `place`."""
    here = str(run)
    last = asked(run, "SELECT max(round) FROM stages WHERE stage = 'record'")[0]
    prompts = asked(run, "SELECT id FROM prompts ORDER BY position")
    yield "status", here
    yield "costs", here
    yield "reviews", here
    yield "digest", here
    yield "compare", here, str(other)
    yield "replay", here, "--draws", "3"
    yield "replay", here, "--estimator", "variance", "--sampler", "greedy", "--draws", "1"
    yield "prompts", "stats", here
    yield "prompts", "search", here, "--order", "value", "--limit", "5"
    for prompt in (prompts[0], prompts[-1]):
        yield "prompts", "show", here, prompt, "--responses", "--replies"
        yield "prompts", "ancestors", here, prompt
        yield "prompts", "descendants", here, prompt
    yield "rubric", "list", here
    if asked(run, "SELECT version FROM rubrics"):
        yield "rubric", "show", here
        yield "rubric", "diff", here, "1"
    yield "anchors", "show", here
    yield "feedback", "list", here
    for what in ("prompts", "pairs", "unpaired", "sft", "rewards", "comparisons"):
        yield "export", here, str(place / f"{what}.jsonl"), "--what", what
    yield "estimate", str(place / "rewards.jsonl")
    yield "fork", here, "--out", str(place / "fork"), "--round", last
    yield "anchors", "make", str(place / "anchors.jsonl"), "--run", here


def asked(run: Path, query: str) -> list[str]:
    """The first column of a query, as texts."""
    with closing(sqlite3.connect(f"file:{run / LEDGER}?mode=ro", uri=True)) as connection:
        return [str(row[0]) for row in connection.execute(query)]


def said(run: Path, other: Path, place: Path) -> dict[str, Any]:
    """What each of the commands says, with its exit code, under the command."""
    names = {str(run): "RUN", str(other): "OTHER", str(place): "OUT"}
    found: dict[str, Any] = {}
    for command in commands(run, other, place):
        result = CliRunner().invoke(app, [*command, "--json"])
        found[named(" ".join(command), names)] = {
            "code": result.exit_code,
            "said": [json.loads(named(line, names)) for line in lines(result.stdout)],
            "error": named(str(result.exception), names) if result.exit_code else "",
        }
    for path in sorted(place.glob("*.jsonl")):
        rows = [json.loads(named(line, names)) for line in lines(path.read_text("utf-8"))]
        found[path.name] = {"rows": len(rows), "first": rows[:1], "last": rows[-1:]}
    return found


def lines(text: str) -> Sequence[str]:
    """Of JSON: one object in each, or one object in all."""
    try:
        json.loads(text)
    except ValueError:
        return text.splitlines()
    return [text]


def named(text: str, names: Mapping[str, str]) -> str:
    """The text with names in place of the folders of this time."""
    for path, name in names.items():
        text = text.replace(path, name)
    return text


def said_of(name: str, place: Path) -> dict[str, Any]:
    """What the commands say of a recorded run, which is unpacked into an empty folder."""
    other = "loophole" if name != "loophole" else "evolve"
    (place / "out").mkdir()
    return said(unpacked(name, place), unpacked(other, place), place / "out")


def differences(found: object, recorded: object, where: str = "") -> Iterator[str]:
    """Where two pieces of plain data differ; numbers to nine digits, as sums differ by machine."""
    if isinstance(found, dict) and isinstance(recorded, dict):
        for key in [*recorded, *(key for key in found if key not in recorded)]:
            yield from differences(found.get(key), recorded.get(key), f"{where}/{key}")
    elif isinstance(found, list) and isinstance(recorded, list) and len(found) == len(recorded):
        for place, members in enumerate(zip(found, recorded, strict=True)):
            yield from differences(*members, f"{where}/{place}")
    elif isinstance(found, float) and isinstance(recorded, int | float):
        if not math.isclose(found, recorded, rel_tol=1e-9, abs_tol=1e-12):
            yield f"{where}: {found!r} is not {recorded!r}"
    elif found != recorded:
        yield f"{where}: {found!r} is not {recorded!r}"
