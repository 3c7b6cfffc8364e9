"""Round 0 shared between arms: the same bytes as played alone, or not shared."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from selfplay.ablation.cell_process import play_cell
from selfplay.ablation.start import Start, matters, named_files
from selfplay.config import load_config
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.process.environment import environment
from tests.selfplay.small_runs import SMALL, digest, small

ROUNDS = (*SMALL, "rounds=1", "evaluation.every=1")
ARMS = (
    ("creator.evolved=0", "creator.estimator=uniform", "save.every=1"),
    ("solver.objective=dpo", "solver.learning_rate=0.01"),
    ("rounds=0",),
)


def shared_starts(shared: Path) -> list[str]:
    return sorted(path.name for path in shared.iterdir())


def test_a_run_that_began_with_anothers_round_0_ends_as_one_that_played_its_own(
    tmp_path: Path,
) -> None:
    shared = tmp_path / "shared"
    torch.set_num_threads(1)  # as the runs set it, since the environment is part of what is shared
    assert not play_cell("tiny", tmp_path / "first", shared, ROUNDS)
    (left,) = shared_starts(shared)
    for k, arm in enumerate(ARMS):
        own, began = tmp_path / f"own{k}", tmp_path / f"shared{k}"
        play_cell("tiny", own, None, (*ROUNDS, *arm))
        loaded = load_config("tiny", (*ROUNDS, *arm))
        assert Start(loaded, shared, environment()).take(began)
        with Ledger.open(began / LEDGER, read_only=True) as ledger:
            assert ledger.stages()[-1] == (0, "record")
        play_cell("tiny", began, shared, (*ROUNDS, *arm))
        assert digest(began) == digest(own)
        assert shared_starts(shared) == [left]


def test_a_run_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    play_cell("tiny", tmp_path / "run", shared, (*ROUNDS, "rounds=0"))
    before = digest(tmp_path / "run")
    assert not Start(small("rounds=0"), shared, environment()).take(tmp_path / "run")
    assert digest(tmp_path / "run") == before


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "prompts.count=25",
        "evaluation.samples=3",
        "evaluation.judged={enabled: true, judge: verifier}",
        "solver.sampling.max_new_tokens=9",
        "solver.objective=ppo",
        "model.lora.enabled=true",
        "meta.rubric=looks",
        "chunk=4",
        "creator.embedder=words",
    ],
)
def test_what_changes_round_0_is_not_shared(override: str) -> None:
    assert matters(small(override)) != matters(small())


@pytest.mark.parametrize(
    "override",
    ["rounds=9", "creator.estimator=uniform", "solver.objective=kto", "meta.judge=check"],
)
def test_what_comes_later_is_no_reason_to_play_round_0_again(override: str) -> None:
    more = ["meta.judge.kind=length"] if "check" in override else []
    assert matters(small(override, *more)) == matters(small())


def test_another_environment_has_a_start_of_its_own(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    play_cell("tiny", tmp_path / "run", shared, (*ROUNDS, "rounds=0"))
    other = environment() | {"torch": "another"}
    assert not Start(small("rounds=0"), shared, other).take(tmp_path / "other")


def test_a_named_file_that_was_changed_counts_as_another(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "a"}\n')
    values = {"prompts": {"path": str(path)}, "stop": [], "model": "tiny", "rounds": 3}
    before = named_files(values)
    assert set(before) == {str(path)}
    assert before == named_files(values)
    path.write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    assert named_files(values) != before
    assert named_files([str(tmp_path)])[str(tmp_path)][0][0] == "prompts.jsonl"
    assert named_files(["a sentence that no path is " * 20]) == {}
