"""A real run that is over in seconds: the shipped policy, few prompts, every stage."""

from __future__ import annotations

from pathlib import Path

from selfplay.build import open_game
from selfplay.config import Loaded, load_config
from selfplay.config.settings import RunConfig
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER

SMALL = (
    "rounds=4",
    "chunk=3",
    "model.threads=1",
    "prompts.count=24",
    "creator.batch=8",
    "solver.sampling.n=4",
    "solver.sampling.max_new_tokens=8",
    "evaluation.every=2",
    "evaluation.samples=2",
    "evaluation.source.count=8",
    "evaluation.temperatures=[0.5]",
    "save.every=2",
)


def small(*overrides: str) -> Loaded[RunConfig]:
    return load_config("tiny", [*SMALL, *overrides])


def play_out(directory: Path, *overrides: str) -> str:
    """Plays a small run to its end; its digest."""
    with open_game(small(*overrides), directory) as game:
        for _ in play(game):
            pass
        return game.ledger.digest()


def digest(directory: Path) -> str:
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        return ledger.digest()
