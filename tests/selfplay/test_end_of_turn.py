"""Claims about the token that ends a turn: learned from, and scored, where the template has it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from meta.judges.reward_model import RewardModelJudge
from meta.judges.table import RewardModelOptions
from selfplay.config import load_config
from selfplay.core.types import Group, Prompt, Response, user
from selfplay.offline.train import open_job, train
from selfplay.offline.train_config import TrainConfig
from tests.selfplay.core.template_models import make_model


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its eos_token is `<eos>` (1); turns are closed with `<end_of_turn>` (4)."""
    return make_model(tmp_path_factory.mktemp("models") / "gemma", "gemma", stops=[1, 4])


def write(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_recorded_responses_are_closed_as_the_template_closes_them(
    gemma: Path, tmp_path: Path
) -> None:
    texts = ["yo", "yo<eos>", "a<end_of_turn>b"]
    data = write(tmp_path / "d.jsonl", *({"prompt": "hi", "completion": text} for text in texts))
    for closed, ends in ((True, [4, 4, 4]), (False, [None, 4, None])):
        changes = [f"data={data}", f"model={gemma}", "solver.objective=sft"]
        loaded = load_config(
            None, [*changes, f"end_of_sequence={str(closed).lower()}"], TrainConfig
        )
        with open_job(loaded, tmp_path / str(closed)) as job:
            rows = [group.responses[0].token_ids.tolist() for group in job.groups]
            plain = [job.solver.policy.model.encode([text])[0] for text in ("yo", "yo", texts[2])]
        tails = [[] if end is None else [end] for end in ends]
        assert rows == [[*ids, *tail] for ids, tail in zip(plain, tails, strict=True)]
        assert all(token > 4 for ids in plain for token in ids)


def test_a_reward_model_scores_texts_as_it_was_trained_on_tokens(
    gemma: Path, tmp_path: Path
) -> None:
    rows = [{"prompt": f"q{i}", "chosen": "yes", "rejected": f"no {i}"} for i in range(4)]
    data = write(tmp_path / "d.jsonl", *rows)
    notes: list[str] = []
    changes = [f"model={gemma}", "solver.objective=rm", "solver.learning_rate=1e-2"]
    made = train(data, tmp_path / "rm", changes, tell=notes.append)
    assert any("tokenizer.eos_token is '<eos>'" in note for note in notes)
    loaded = load_config(None, [f"data={data}", *changes], TrainConfig)
    with open_job(loaded, tmp_path / "rm") as job:
        ids = job.solver.tokenize("sure")
        ended = [
            Response("sure", np.array([*ids, *tail], np.int32), None, reason)
            for tail, reason in (([1], "stop"), ([4], "stop"), ([], "length"))
        ]
        group = Group(Prompt(user("q")), tuple(ended), "train", 0)
        (own,) = job.solver.reward_scores([group])
    judge = RewardModelJudge(RewardModelOptions(path=str(made.reward_model), device="cpu"))
    (verdicts,) = judge.judge([group])
    assert [verdict.reward for verdict in verdicts] == pytest.approx(own.tolist(), abs=1e-5)
    assert own[0] == own[1] != own[2]
