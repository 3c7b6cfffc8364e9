"""What an offline job may know of lengths: nothing of a limit that nobody gave it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from selfplay.core.errors import ConfigError
from selfplay.offline.train import Trained, train
from tests.conftest import make_tiny_model

LONG, SHORT = 300, 30


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("long") / "model", context=512)


def rows() -> list[dict[str, Any]]:
    """Right responses of 301 tokens, wrong ones of 31."""
    rng = np.random.default_rng(0)
    return [
        {
            "prompt": f"q{i}",
            "responses": ["right", "wrong"],
            "rewards": [1.0, 0.0],
            "token_ids": [[*rng.integers(5, 90, size=n).tolist(), 1] for n in (LONG, SHORT)],
        }
        for i in range(2)
    ]


@pytest.fixture
def job(model: Path, tmp_path: Path) -> Callable[..., tuple[Trained, list[str]]]:
    """Trains with overrides; returns what was made and the notes."""

    def run(*overrides: str, out: str = "out") -> tuple[Trained, list[str]]:
        data, notes = tmp_path / "data.jsonl", []
        data.write_text("".join(json.dumps(row) + "\n" for row in rows()))
        quick = (f"model={model}", "model.device=cpu", "model.threads=1", "epochs=1")
        rate = "solver.learning_rate=1e-3"
        made = train(data, tmp_path / out, [*quick, rate, *overrides], tell=notes.append)
        return made, notes

    return run


def right(policy: Path, row: dict[str, Any]) -> float:
    """Mean log-probability of the tokens of the right response."""
    module = AutoModelForCausalLM.from_pretrained(policy)
    ids = torch.tensor([row["token_ids"][0]])
    with torch.no_grad():
        logps_TV = torch.log_softmax(module(ids).logits[0, :-1], -1)
    return float(logps_TV.gather(1, ids[0, 1:, None]).mean())


def test_dapo_takes_nothing_for_length_where_nobody_gave_a_limit(
    model: Path, job: Callable[..., tuple[Trained, list[str]]]
) -> None:
    made, notes = job("solver.objective=dapo", "solver.epochs=4")
    assert made.batches[0]["overlong_penalty"] == 0.0
    assert right(made.policy, rows()[0]) > right(model, rows()[0])
    assert sum("over-long" in note for note in notes) == 1


@pytest.mark.parametrize(
    "limit", ["solver.objective.max_length=200", "solver.sampling.max_new_tokens=200"]
)
def test_dapo_keeps_to_a_limit_that_was_given(
    job: Callable[..., tuple[Trained, list[str]]], limit: str
) -> None:
    made, notes = job("solver.objective={name: dapo, overlong: 3.0}", limit)
    assert made.batches[0]["overlong_penalty"] == pytest.approx(1.5)
    assert not any("over-long" in note for note in notes)


def test_dr_grpos_constant_is_the_longest_response_where_nobody_gave_another(
    job: Callable[..., tuple[Trained, list[str]]],
) -> None:
    made = [
        job("solver.objective=dr_grpo", *more, out=f"out{i}")[0].batches[0]["grad_norm"]
        for i, more in enumerate(
            [
                (),
                (f"solver.objective.max_length={LONG + 1}",),
                (f"solver.sampling.max_new_tokens={LONG + 1}",),
                (f"solver.objective.max_length={2 * (LONG + 1)}",),
            ]
        )
    ]
    assert made[0] == made[1] == made[2] == pytest.approx(2 * made[3], rel=1e-4)


def test_cut_off_responses_cannot_be_left_out_of_data_that_does_not_tell_them(
    job: Callable[..., tuple[Trained, list[str]]],
) -> None:
    with pytest.raises(ConfigError, match="does not say which responses were cut off"):
        job("solver.objective={name: grpo, mask_truncated: true}")


@pytest.mark.parametrize("objective", ["sft", "paft"])
def test_an_empty_response_is_nothing_to_imitate(
    job: Callable[..., tuple[Trained, list[str]]], model: Path, tmp_path: Path, objective: str
) -> None:
    data = tmp_path / "empty.jsonl"
    empty = [{"prompt": p, "responses": ["", "no"], "rewards": [1.0, 0.0]} for p in ("a", "b")]
    whole = {"prompt": "c", "responses": ["yes", "no"], "rewards": [1.0, 0.0]}
    data.write_text("".join(json.dumps(row) + "\n" for row in [*empty, whole]))
    made = train(
        data,
        tmp_path / "made",
        [
            f"model={model}",
            "model.device=cpu",
            "end_of_sequence=false",
            f"solver.objective={objective}",
            "solver.minibatches=3",
            "solver.learning_rate=1e-3",
        ],
    )
    assert np.isfinite(made.batches[0]["loss"])
    assert made.batches[0]["steps"] >= 1
