"""A run is played in whatever thread asks for it."""

from __future__ import annotations

import threading
from pathlib import Path

from selfplay.job import Played, run
from tests.selfplay.small_runs import SMALL


def test_a_run_in_a_thread_is_played_to_its_end(tmp_path: Path) -> None:
    found: list[Played] = []

    def play() -> None:
        found.append(run("tiny", [*SMALL, "rounds=1"], tmp_path / "run"))

    thread = threading.Thread(target=play)
    thread.start()
    thread.join()
    assert [(played.standing.state, played.interrupted) for played in found] == [
        ("finished", False)
    ]
