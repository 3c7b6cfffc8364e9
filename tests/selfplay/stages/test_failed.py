"""Learning that breaks down inside of a real run: what is kept, and how it goes on."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from selfplay.build import open_game
from selfplay.config import load_config
from selfplay.config.settings import RunConfig
from selfplay.core.errors import ConfigError
from selfplay.events import Progress
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from solver.learning.errors import NotFiniteError
from tests.selfplay.small_runs import SMALL, digest, play_out, small

DIVERGING = ("rounds=1", "solver.minibatches=2", "solver.learning_rate=1e30")


@pytest.fixture(scope="module")
def diverged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run whose first step threw the weights away, and what it said."""
    directory = tmp_path_factory.mktemp("runs") / "run"
    with pytest.raises(NotFiniteError) as raised:
        play_out(directory, *DIVERGING)
    return directory, str(raised.value)


def made(directory: Path) -> tuple[list[tuple[int, str]], int]:
    """Stages done, and pieces of generation."""
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        pieces = [cost for cost in ledger.costs() if cost.role == "generate"]
        return ledger.stages(), len(pieces)


def test_the_batch_that_is_not_finite_is_written_and_its_place_told(
    diverged: tuple[Path, str],
) -> None:
    directory, message = diverged
    path = directory / "failed" / "round-1.safetensors"
    assert str(path) in message
    batch = load_file(path)
    assert any(name.endswith("ids") and len(tensor) for name, tensor in batch.items())


def test_the_round_is_kept_and_learned_from_again(diverged: tuple[Path, str]) -> None:
    directory, _ = diverged
    before = made(directory)
    assert before[0][-2:] == [(1, "attempt"), (1, "judge")]
    with pytest.raises(NotFiniteError, match="tries its learning stage again from"):
        play_out(directory, *DIVERGING)
    assert made(directory) == before


def test_a_lower_rate_goes_on_in_another_run_from_the_policy_told(
    diverged: tuple[Path, str], tmp_path: Path
) -> None:
    directory, message = diverged
    assert f"model={directory / 'policy' / '0'} solver.learning_rate=<lower>" in message
    play_out(tmp_path / "other", f"model={directory / 'policy' / '0'}", "rounds=1")
    assert made(tmp_path / "other")[0][-1] == (1, "record")


def break_in_round_two(directory: Path) -> None:
    with open_game(small("rounds=2"), directory) as game:
        for event in play(game):
            if isinstance(event, Progress) and (event.round, event.stage) == (2, "learn"):
                with torch.no_grad():
                    game.solver.policy.learned[0].fill_(math.nan)


def test_a_run_whose_weights_broke_in_memory_ends_as_if_they_had_not(tmp_path: Path) -> None:
    clean = play_out(tmp_path / "clean", "rounds=2")
    with pytest.raises(NotFiniteError, match="policy version 1"):
        break_in_round_two(tmp_path / "broken")
    assert (tmp_path / "broken" / "failed" / "round-2.safetensors").is_file()
    assert play_out(tmp_path / "broken", "rounds=2") == clean == digest(tmp_path / "broken")


@pytest.mark.parametrize("objective", ["rloo", "dpo"])
def test_one_response_for_an_objective_that_compares_is_refused(objective: str) -> None:
    with pytest.raises(ConfigError, match=rf"solver\.sampling\.n: {objective} .* at least 2"):
        load_config(
            "tiny", [*SMALL, f"solver.objective={objective}", "solver.sampling.n=1"], RunConfig
        )
