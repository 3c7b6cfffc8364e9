"""A long-running job: one run, played to its end or until it is asked to leave."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from selfplay.build import open_game
from selfplay.config import Loaded
from selfplay.environment import changes, environment
from selfplay.events import Progress
from selfplay.heartbeat import Heartbeat
from selfplay.notes import run_notes
from selfplay.run import play
from selfplay.settings import RunConfig
from selfplay.signals import Interruption, LeavingError
from selfplay.tracking.tracked import Tracked
from selfplay.watching import Watcher


def play_out(
    loaded: Loaded[RunConfig],
    directory: Path,
    show: Callable[[], Watcher],
    tell: Callable[[str], None],
) -> bool:
    """Plays to the end or to an interruption (SIGINT, SIGTERM); was it interrupted?

    A heartbeat is kept, and metrics go to where `report_to` says. For the main thread of a process,
    which alone hears signals.

    Args:
        loaded: the configuration.
        directory: of the run; a new one, or one to go on with.
        show: makes who else consumes the events, when the first one is near.
        tell: gets what is worth knowing before the run begins.

    Raises:
        SelfplayError: whatever ends the run; all that was committed is kept.
    """
    trackers = {choice.name: choice.build() for choice in loaded.config.report_to}
    with Interruption() as interruption, open_game(loaded, directory) as game, ExitStack() as stack:
        then, now = game.ledger.environment, environment()
        began = [
            f"the run began with {x}; it may not repeat bit by bit" for x in changes(then, now)
        ]
        for note in [*run_notes(loaded.config), *began]:
            tell(note)
        heartbeat = Heartbeat(directory)
        stack.callback(heartbeat.close)
        tracked = Tracked(trackers, game.ledger, directory)
        stack.callback(tracked.close)
        shown = show()
        stack.callback(shown.close)
        everyone: tuple[Watcher, ...] = (heartbeat, tracked, shown)

        def listener(progress: Progress) -> None:
            for watcher in everyone:
                watcher.see(progress)
            interruption.leave_if_requested()

        game.listener = listener
        try:
            for event in play(game):
                for watcher in everyone:
                    watcher.see(event)
                interruption.leave_if_requested()
        except LeavingError:
            return True
        return False
