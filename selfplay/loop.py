"""The run loop: rounds, one after the other, as a generator that others consume."""

from __future__ import annotations

from collections.abc import Iterator

from selfplay.events import Event, Progress
from selfplay.game import Game, lesson, play_round


def play(game: Game) -> Iterator[Event]:
    """Plays from where the ledger stands to the run's end.

    Closing the generator after any event loses nothing: what an event tells of is committed.
    """
    yield from game.clock.timed(_rounds(game))


def _rounds(game: Game) -> Iterator[Event]:
    yield from catch_up(game)
    game.concluding.lift()
    t = game.ledger.last_round()
    yield from play_round(game, t)
    while not game.is_last(t):
        t += 1
        yield from play_round(game, t)


def catch_up(game: Game) -> Iterator[Progress]:
    """Brings the policy, and a rewriter that learns, to the version that the ledger has reached.

    The newest saved version is restored, and the learning stages after it are learned again from
    the recorded groups: nothing is generated or judged twice.
    """
    yield from game.network.catch_up(game.ledger)
    game.policies.restore(game.solver)
    learned = [t for t, stage in game.ledger.stages() if stage == "learn"]
    behind = [t for t in learned if t > game.solver.version]
    for done, t in enumerate(behind, start=1):
        game.solver.learn(lesson(game, t), game.seed.at(t, "learn"))
        yield Progress(t, "learn again", done, len(behind))
