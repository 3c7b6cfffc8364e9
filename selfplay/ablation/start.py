"""Round 0, played once for all arms that it is the same for.

Round 0 deals the prompts, makes the first anchors and evaluates the first policy. Of the
configuration it depends on less than a run does: not on how parents are chosen, what is learned or
for how long. Arms that agree on that (`matters`), in the same environment, have the same round 0,
draw for draw, since all randomness is derived from the seed and the place of a draw. The first of
them to have played it leaves a copy beside the grid; those that start later begin with that copy
and their own configuration. Their digests are those of runs that played it themselves: a test
compares them. What round 0 cost stands in the ledger of each.

A key of the configuration that nobody has classified counts as one that matters. Files that the
configuration names count with their size and the time of their last change.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from meta.judges import fingerprint_of
from selfplay.config import Loaded
from selfplay.config.settings import GROWING, RunConfig
from selfplay.core.places import is_there
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER, POLICY
from solver.heads import NAMES as HEADS
from solver.objectives.needs import needs_of

LATER = frozenset({*GROWING, "save", "creator", "coaching"})
"""Top-level keys that round 0 does not depend on; the creator's with two exceptions, its embedder
and a rewriter that learns."""


def matters(loaded: Loaded[RunConfig]) -> dict[str, Any]:
    """What round 0 depends on, as plain data."""
    config, values = loaded.config, loaded.as_dict()
    if config.creator.training.enabled:
        return values
    kept = {key: value for key, value in values.items() if key not in LATER}
    kept["embedder"] = values["creator"]["embedder"]
    # Which heads and averages a policy has; its weights are the same under any objective.
    needs = needs_of([config.solver, config.tasks])
    kept["solver"] = {
        "sampling": values["solver"]["sampling"],
        "heads": sorted(needs & HEADS.keys()),
        "reference": values["solver"]["reference"] if "reference" in needs else None,
    }
    if not config.meta.review.enabled:
        told = ("rubric", "verify", "trusted", "trusted_rubric")
        kept["meta"] = {key: values["meta"][key] for key in told}
        kept["meta"]["clusters"] = values["meta"]["review"]["clusters"]
    return kept


def named_files(values: Any) -> dict[str, list[tuple[str, int, int]]]:
    """Of every value that is the path of a file or a directory: its files, their sizes in bytes and
    when they last changed, in nanoseconds.
    """
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, (list, tuple)):
        return {path: files for value in values for path, files in named_files(value).items()}
    if not isinstance(values, str) or not values or not is_there(Path(values)):
        return {}
    place = Path(values)
    files = [place] if place.is_file() else sorted(p for p in place.iterdir() if p.is_file())
    return {values: [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]}


class Start:
    """The shared round 0 of one configuration."""

    def __init__(
        self, loaded: Loaded[RunConfig], shared: Path, environment: Mapping[str, Any]
    ) -> None:
        """Takes the arm's configuration, the grid's folder for copies, and the environment."""
        self._settings = loaded.as_dict()
        self._place = shared / fingerprint_of(
            [matters(loaded), environment, named_files(loaded.as_dict())]
        )

    def take(self, directory: Path) -> bool:
        """Begins a run that does not exist yet with the copy, if there is one; was there?

        A crash leaves no ledger, so that it is taken, or played, again.
        """
        if (directory / LEDGER).exists() or not (self._place / LEDGER).is_file():
            return False
        directory.mkdir(parents=True, exist_ok=True)
        _link(self._place / POLICY, directory / POLICY)
        partial = directory / f".{LEDGER}.partial"
        _copy_ledger(self._place / LEDGER, partial)
        with Ledger.open(partial) as ledger:
            ledger.amend_settings(self._settings)
        partial.rename(directory / LEDGER)
        return True

    def keep(self, directory: Path) -> None:
        """Leaves a copy of a run that has just played round 0; the first one stays."""
        if self._place.exists():
            return
        partial = self._place.with_name(f".{self._place.name}.{os.getpid()}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _copy_ledger(directory / LEDGER, partial / LEDGER)
        _link(directory / POLICY, partial / POLICY)
        try:
            partial.rename(self._place)
        except OSError:  # another arm was first
            shutil.rmtree(partial)


def _copy_ledger(source: Path, target: Path) -> None:
    """A copy of a ledger that may be open: SQLite's own backup, in one file."""
    target.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"file:{source.resolve()}?mode=ro", uri=True)) as read,
        closing(sqlite3.connect(target)) as write,
    ):
        read.backup(write)


def _link(source: Path, target: Path) -> None:
    """The folder again without its bytes, where the disk can: versions are never written twice."""
    shutil.copytree(source, target, copy_function=_linked, dirs_exist_ok=True)


def _linked(source: str, target: str) -> str:
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
