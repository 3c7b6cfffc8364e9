"""A tracker of the user's own, named in tests as `tests.selfplay.line_tracker:Lines`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from selfplay.core.components import NoOptions
from selfplay.tracking.trackers import Log

FILE = "lines.jsonl"


class Lines:
    """A JSON line for each opening and each round. Asked for a broken disk, it fails in round 2."""

    def __init__(self, options: NoOptions) -> None:
        self._path = Path()

    def open(self, log: Log) -> None:
        self._path = log.directory / FILE
        self._write({"id": log.id, "name": log.name, "next": log.next})

    def log(self, t: int, metrics: Mapping[str, float]) -> None:
        if t == 2 and (self._path.parent / "broken").exists():
            raise OSError("no connection")
        self._write({"round": t, **metrics})

    def close(self) -> None:
        self._write({"closed": True})

    def _write(self, row: Mapping[str, object]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
