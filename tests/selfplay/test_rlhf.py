"""Classic RLHF from end to end, tiny: comparisons → reward model → policy gradients against it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from meta.judges.table import VerifierOptions
from meta.judges.verifier import Verifier
from selfplay.build import open_game
from selfplay.config import load_config
from selfplay.core.models.pretrained import load_pretrained
from selfplay.core.models.transformers_model import TransformersModel
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Sampling
from selfplay.data.puzzles import PuzzleOptions, puzzle_prompts
from selfplay.data.sources import gym_spaces
from selfplay.loop import play
from selfplay.offline.train import Trained, train
from selfplay.paths import TINY

SPACES = gym_spaces(
    {
        "spell_backward": {"word_len": [3.0, 4.0]},
        "chain_sum": {"num_terms": [2.0], "num_digits": [1.0]},
    }
)
PLAYED = 24
"""Prompts of the game, of which no comparison was recorded."""


@dataclass(frozen=True)
class Feedback:
    """What there is before reinforcement begins."""

    trained: Trained
    prompts: Path


def comparisons(prompts: list[Prompt]) -> Iterator[dict[str, str]]:
    """Right answers of the shipped policy beside its wrong ones, told apart by the verifier."""
    model = TransformersModel(load_pretrained(str(TINY), device="cpu"))
    answers = model.generate([p.messages for p in prompts], Sampling(8, max_new_tokens=8), Seed(1))
    groups = [Group(p, a, "train", 0) for p, a in zip(prompts, answers, strict=True)]
    for group, verdicts in zip(groups, Verifier(VerifierOptions()).judge(groups), strict=True):
        known = dict(
            zip([r.text for r in group.responses], [v.reward for v in verdicts], strict=True)
        )
        right = [text for text, reward in known.items() if reward == 1.0]
        wrong = [text for text, reward in known.items() if reward == 0.0]
        for other in wrong[:2] if right else []:
            yield {"prompt": group.prompt.text, "chosen": right[0], "rejected": other}


def write(path: Path, rows: Iterable[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def feedback(tmp_path_factory: pytest.TempPathFactory) -> Feedback:
    """A reward model trained on the recorded comparisons, by the shipped policy."""
    directory = tmp_path_factory.mktemp("rlhf")
    prompts = puzzle_prompts(PuzzleOptions(count=274), SPACES, Seed(7))
    data = write(directory / "comparisons.jsonl", comparisons(prompts[PLAYED:]))
    played = ({"prompt": prompt.text, "answer": "unknown"} for prompt in prompts[:PLAYED])
    overrides = ["model=tiny", "model.device=cpu", "model.threads=1", "solver.objective=rm"]
    overrides += ["solver.learning_rate=1e-3", "batch=64", "epochs=3", "heldout=0.2"]
    trained = train(data, directory / "rm", overrides)
    return Feedback(trained, write(directory / "prompts.jsonl", played))


def test_the_reward_model_tells_held_out_answers_apart(feedback: Feedback) -> None:
    trained = feedback.trained
    print(f"held-out accuracy {trained.heldout_accuracy}, {trained.heldout_comparisons} pairs")
    assert trained.heldout_accuracy is not None
    assert trained.heldout_comparisons >= 30
    assert trained.heldout_accuracy > 0.55
    assert trained.batches[-1]["loss"] < trained.batches[0]["loss"]


@pytest.mark.parametrize("objective", ["ppo", "rloo"])
def test_its_mean_score_rises_under_policy_gradients(
    feedback: Feedback, tmp_path: Path, objective: str
) -> None:
    overrides = (
        "rounds=6",
        f"prompts={feedback.prompts}",
        f"creator.batch={PLAYED}",
        "creator.operators=[repeat]",  # the same prompts again: scores of different ones differ
        "solver.sampling.max_new_tokens=8",
        f"solver.objective={objective}",
        "solver.objective.beta=0.05",
        "meta.judge=reward_model",
        f"meta.judge.path={feedback.trained.reward_model}",
        "evaluation.every=10",
        "evaluation.source.count=4",
        "evaluation.temperatures=[]",
        "save.every=10",
    )
    loaded = load_config("tiny", ["model.threads=1", "model.device=cpu", *overrides])
    with open_game(loaded, tmp_path) as game:
        assert game.meta.scale == (-np.inf, np.inf)
        for _ in play(game):
            pass
        scores = [m.value for m in game.ledger.metrics("reward")]
        divergence = [m.value for m in game.ledger.metrics("kl_reference")]
    print(objective, np.round(scores, 3), np.round(divergence, 3))
    assert np.mean(scores[-2:]) > np.mean(scores[:2]) + 0.3
    assert divergence[-1] > divergence[0]
