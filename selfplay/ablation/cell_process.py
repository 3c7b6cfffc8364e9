"""One cell's process: a run like any other, begun with a shared round 0 where there is one.

    python -m selfplay.ablation.cell_process GAME DIRECTORY SHARED [key=value …]

SHARED may be empty. Errors that the program raises on purpose end it with one message. Standard
input stands for the grid's life: when it ends, the grid's process is gone, and the cell with it,
whatever it is doing. Who starts the grid again would find the run in use otherwise.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from selfplay.config import load_config
from selfplay.core.errors import SelfplayError
from selfplay.events import Event, StageDone

if TYPE_CHECKING:
    from selfplay.ablation.start import Start

INTERRUPTED = 130
LAID = (0, "record")
"""The last stage of round 0."""


class Keeper:
    """Watches a run and keeps what it is when round 0 is over."""

    def __init__(self, start: Start | None, directory: Path) -> None:
        self._start, self._directory = start, directory

    def see(self, event: Event) -> None:
        """An event of the run, of which all is committed."""
        laid = isinstance(event, StageDone) and (event.round, event.stage) == LAID
        if laid and self._start:
            self._start.keep(self._directory)

    def close(self) -> None:
        """Nothing is open."""


def play_cell(game: str, directory: Path, shared: Path | None, overrides: Sequence[str]) -> bool:
    """Plays the run to its end, or goes on with it; was it interrupted?

    Raises:
        SelfplayError: as `selfplay run`.
    """
    loaded = load_config(game, overrides)
    from selfplay import job
    from selfplay.ablation.start import Start
    from selfplay.process.environment import environment

    start = Start(loaded, shared, environment()) if shared else None
    if start:
        start.take(directory)
    keeper = Keeper(start, directory)
    return job.play_out(loaded, directory, lambda: keeper, lambda _: None)


def end_with_the_grid() -> None:
    """Ends this process when its standard input does; a kill loses no more than a chunk."""

    def wait() -> None:
        # Not sys.stdin, whose lock would be held while the interpreter shuts down.
        while os.read(0, 1024):
            pass
        os._exit(INTERRUPTED)

    threading.Thread(target=wait, name="grid", daemon=True).start()


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    end_with_the_grid()
    game, directory, shared, *overrides = arguments
    try:
        interrupted = play_cell(game, Path(directory), Path(shared) if shared else None, overrides)
    except SelfplayError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return INTERRUPTED if interrupted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
