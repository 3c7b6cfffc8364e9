"""A long-running job: one run, played to its end or until it is asked to leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from selfplay.analysis.status import Standing, standing
from selfplay.build import open_game
from selfplay.config import Loaded
from selfplay.config.settings import RunConfig
from selfplay.config.sources import plan
from selfplay.core.notices import heard_by, waiting
from selfplay.events import Event, Listening, Place, Progress, Watcher
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.process.environment import changes, environment
from selfplay.process.heartbeat import Heartbeat
from selfplay.process.notes import dealt_notes, loss_notes, run_notes
from selfplay.process.signals import Interruption, LeavingError
from selfplay.tracking.trackers import Tracked


@dataclass(frozen=True)
class Played:
    """What became of a run that was played."""

    standing: Standing
    """Where it stands now."""
    interrupted: bool
    """Whether it left because it was asked to; the same call goes on."""


def run(
    source: str | Path = "tiny",
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    watch: Callable[[Event], None] = lambda event: None,
    tell: Callable[[str], None] = lambda note: None,
) -> Played:
    """Starts a run, or goes on with it where it stopped, and plays it to its end.

    As `play_out`, of what `selfplay.config.sources.plan` finds to be meant.

    Args:
        source: a shipped configuration, a YAML file or a run directory.
        overrides: `key=value` each, such as `solver.objective=dpo`.
        out: the run directory of a configuration; `runs/<its name>` by default.
        watch: consumes the events; what an event tells of is committed.
        tell: gets what is worth knowing before the run begins and while it is played; and every
            half minute, from another thread, what is waited for.

    Returns:
        Where the run stands, and whether it was interrupted.

    Raises:
        KeyboardInterrupt: it was interrupted before there was a ledger; nothing was started.
        ConfigError: the configuration is wrong, or differs from the run's in `out`.
        SelfplayError: whatever ends the run; all that was committed is kept.
    """
    loaded, directory, _ = plan(source, overrides, out)
    interrupted = play_out(loaded, directory, lambda: Listening(watch), tell)
    return Played(standing(directory), interrupted)


def play_out(
    loaded: Loaded[RunConfig],
    directory: Path,
    show: Callable[[], Watcher],
    tell: Callable[[str], None],
) -> bool:
    """Plays to the end or to an interruption (SIGINT, SIGTERM); was it interrupted?

    While the model is loaded, before anything is played, an interruption ends it at once.

    A heartbeat is kept, and metrics go to where `report_to` says. Signals are heard in the main
    thread of a process alone.

    Args:
        loaded: the configuration.
        directory: of the run; a new one, or one to go on with.
        show: makes who else consumes the events, when the first one is near.
        tell: as `run`.

    Raises:
        KeyboardInterrupt: it was interrupted before there was a ledger; nothing was started.
        SelfplayError: whatever ends the run; all that was committed is kept.
    """
    trackers = {choice.name: choice.build() for choice in loaded.config.report_to}
    with heard_by(tell), Interruption(opening=True) as interruption, ExitStack() as stack:
        try:
            with waiting(f"{directory} to be opened"):
                game = stack.enter_context(open_game(loaded, directory))
        except KeyboardInterrupt:
            if not (directory / LEDGER).is_file():
                raise
            return True
        interruption.opening = False
        then, now = game.ledger.environment, environment()
        began = [
            f"the run began with {x}; it may not repeat bit by bit" for x in changes(then, now)
        ]
        losses = loss_notes(loaded.config.solver, loaded.config.tasks)
        copies = dealt_notes(game.dealt, game.heldout)
        for note in [*run_notes(loaded.config), *losses, *copies, *began]:
            tell(note)
        heartbeat = Heartbeat(directory)
        stack.callback(heartbeat.close)
        tracked = Tracked(trackers, game.ledger, directory)
        stack.callback(tracked.close)
        shown = show()
        stack.callback(shown.close)
        place = Place()
        everyone: tuple[Watcher, ...] = (place, heartbeat, tracked, shown)

        def listener(progress: Progress) -> None:
            for watcher in everyone:
                watcher.see(progress)
            interruption.leave_if_requested()

        game.listener = listener
        try:
            with waiting(str(directory), place.words):
                for event in play(game):
                    for watcher in everyone:
                        watcher.see(event)
                    interruption.leave_if_requested()
        except LeavingError:
            return True
        return False
