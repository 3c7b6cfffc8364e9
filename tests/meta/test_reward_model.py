"""The reward-model judge on real model directories: formats, batches, what is missing, errors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
)
from transformers.utils import logging

from meta.config import MetaConfig
from meta.judges.reward_model import RewardModelJudge
from meta.judges.table import FORMATS, RewardModelOptions
from meta.meta import Meta
from selfplay.config import load_values
from selfplay.core.errors import ConfigError, ModelError
from selfplay.core.seeding import Seed
from selfplay.core.types import FinishReason, Group, Message, Prompt, Response, user
from tests.solver.small_solver import judged, make

logging.disable_progress_bar()


def save(tiny: Path, directory: Path, **changes: Any) -> Path:
    """A random sequence classifier with the body and the tokenizer of the tiny model."""
    torch.manual_seed(0)
    options = {"num_labels": 1, "dtype": "float32"} | changes
    template = options.pop("template", True)
    said = options.pop("said", None)
    model = AutoModelForSequenceClassification.from_pretrained(tiny, **options)
    if said:
        model.config.reward_format = said
    model.save_pretrained(directory)
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    if not template:
        tokenizer.chat_template = None
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def scorer(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tiny_model_dir, tmp_path_factory.mktemp("rm") / "rm")


def answered(*texts: str, finish: FinishReason = "stop", prompt: str = "what is 2?") -> Group:
    responses = tuple(Response(t, np.array([], np.int32), None, finish) for t in texts)
    return Group(Prompt(user(prompt)), responses, "train", 0)


def judge(path: Path, **options: Any) -> RewardModelJudge:
    return RewardModelJudge(RewardModelOptions(str(path), device="cpu", **options))


def score(path: Path, text: str, label: int = 0) -> float:
    """What transformers gives a text by itself."""
    model = AutoModelForSequenceClassification.from_pretrained(path).eval()
    ids = AutoTokenizer.from_pretrained(path)(text, add_special_tokens=False, return_tensors="pt")
    with torch.no_grad():
        return float(model(**ids).logits[0, label])


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("chat", "u:what is 2?\na:two\n"),
        ("answer", "u:what is 2?\na:two<eos>"),
        ("plain", "what is 2?\n\ntwo"),
        ("pair", "what is 2?two"),
    ],
)
def test_each_format_shows_the_model_its_text(scorer: Path, form: str, shown: str) -> None:
    ((verdict,),) = judge(scorer, format=form).judge([answered("two")])
    assert verdict.reward == pytest.approx(score(scorer, shown), abs=1e-5)
    assert form in FORMATS


def test_a_response_that_was_cut_off_does_not_end(scorer: Path) -> None:
    ((verdict,),) = judge(scorer, format="answer").judge([answered("two", finish="length")])
    assert verdict.reward == pytest.approx(score(scorer, "u:what is 2?\na:two"), abs=1e-5)


def test_the_directory_says_its_format(tiny_model_dir: Path, tmp_path: Path) -> None:
    path = save(tiny_model_dir, tmp_path / "rm", said="plain")
    ((verdict,),) = judge(path).judge([answered("two")])
    assert verdict.reward == pytest.approx(score(path, "what is 2?\n\ntwo"), abs=1e-5)


def test_scores_do_not_depend_on_the_batch_and_keep_their_order(scorer: Path) -> None:
    groups = [answered("two", "a much longer answer than that"), answered("2", "", "four")]
    one, many = (judge(scorer, batch_tokens=n).judge(groups) for n in (1, 10_000))
    assert [len(verdicts) for verdicts in many] == [2, 3]
    for some, others in zip(one, many, strict=True):
        rewards = [[v.reward for v in verdicts] for verdicts in (some, others)]
        np.testing.assert_allclose(rewards[0], rewards[1], atol=1e-5)


def test_the_projects_own_reward_model_scores_as_it_was_trained(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    solver = make(tiny_model_dir, "rm")
    groups = judged(solver)
    solver.learn(groups, Seed(1))
    solver.export_reward_model(tmp_path / "rm")
    verdicts = judge(tmp_path / "rm").judge(groups)
    for found, scores_G in zip(verdicts, solver.reward_scores(groups), strict=True):
        # A special token inside of a response is no part of its text, so such ones may differ.
        near = [abs(v.reward - s) < 1e-4 for v, s in zip(found, scores_G, strict=True)]  # type: ignore[operator]
        assert sum(near) >= 3


def test_a_head_is_one_of_the_labels(tiny_model_dir: Path, tmp_path: Path) -> None:
    path = save(tiny_model_dir, tmp_path / "rm", num_labels=3)
    ((verdict,),) = judge(path, head=2).judge([answered("two")])
    assert verdict.reward == pytest.approx(score(path, "u:what is 2?\na:two\n", 2), abs=1e-5)
    with pytest.raises(ConfigError, match="below 3"):
        judge(path, head=3)


def test_scores_are_put_on_a_scale(scorer: Path) -> None:
    raw, scaled, squashed = (
        judge(scorer, **options).judge([answered("two")])[0][0]
        for options in ({}, {"mean": 1.0, "std": 2.0}, {"squash": True})
    )
    assert raw.reward is not None
    assert scaled.reward == pytest.approx((raw.reward - 1) / 2)
    assert squashed.reward == pytest.approx(1 / (1 + math.exp(-raw.reward)))
    assert raw.scores == scaled.scores == squashed.scores
    assert judge(scorer).scale == (-math.inf, math.inf)
    assert judge(scorer, squash=True).scale == (0.0, 1.0)


def test_a_text_that_is_too_long_is_missing_with_its_length(scorer: Path) -> None:
    ((short, long),) = judge(scorer).judge([answered("two", "x" * 300)])
    assert short.reward is not None
    assert long.reward is None
    assert "within 256 tokens, found 316" in long.reason


def test_a_score_that_is_not_finite_is_missing(scorer: Path) -> None:
    one = judge(scorer)
    with torch.no_grad():
        one._model.module.score.weight.fill_(math.nan)
    ((verdict,),) = one.judge([answered("two")])
    assert "finite" in verdict.reason


def test_a_prompt_that_the_template_refuses_is_missing(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    path = save(tiny_model_dir, tmp_path / "rm")
    (path / "chat_template.jinja").write_text("{{ raise_exception('no system turn') }}")
    ((verdict,),) = judge(path).judge([answered("two")])
    assert "no system turn" in verdict.reason


def test_without_a_template_texts_are_a_pair(tiny_model_dir: Path, tmp_path: Path) -> None:
    path = save(tiny_model_dir, tmp_path / "rm", template=False)
    ((verdict,),) = judge(path).judge([answered("two")])
    assert verdict.reward == pytest.approx(score(path, "what is 2?two"), abs=1e-5)
    with pytest.raises(ConfigError, match="needs a chat template"):
        judge(path, format="chat")


def test_an_encoder_is_a_reward_model_too(tiny_model_dir: Path, tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 2}
    config = BertConfig(vocab_size=98, num_hidden_layers=1, num_labels=1, pad_token_id=0, **sizes)
    BertForSequenceClassification(config).save_pretrained(tmp_path / "rm")
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path / "rm")
    (together,) = judge(tmp_path / "rm").judge([answered("two", "a longer one")])
    (alone,) = judge(tmp_path / "rm").judge([answered("two")])
    assert together[0].reward == pytest.approx(alone[0].reward, abs=1e-5)


def test_the_fingerprint_names_the_weights(tiny_model_dir: Path, tmp_path: Path) -> None:
    path = save(tiny_model_dir, tmp_path / "rm")
    prints = []
    for name in ("one", "one", "other"):
        if name == "other":
            model = AutoModelForSequenceClassification.from_pretrained(path)
            with torch.no_grad():
                model.score.weight.add_(1)
            model.save_pretrained(path)
        values = {"judge": {"name": "reward_model", "path": str(path), "device": "cpu"}}
        prints.append(Meta(load_values(values, "test", MetaConfig).config).fingerprint)
    assert prints[0] == prints[1]
    assert prints[0] != prints[2]


def test_a_policy_is_no_reward_model(tiny_model_dir: Path) -> None:
    with pytest.raises(ModelError, match=r"without score.weight"):
        judge(tiny_model_dir)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no directory at '.*/nowhere'"):
        judge(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("option", "message"),
    [("path=", "path: expected"), ("format=chta", "did you mean 'chat'"), ("std=0", "above 0")],
)
def test_impossible_options_are_refused(option: str, message: str) -> None:
    key, _, value = option.partition("=")
    values = {"judge": {"name": "reward_model", "path": "rm", key: 0.0 if key == "std" else value}}
    with pytest.raises(ConfigError, match=message):
        load_values(values, "test", MetaConfig)


def test_a_system_turn_is_shown(scorer: Path) -> None:
    prompt = Prompt((Message("system", "be kind"), Message("user", "hi")))
    response = Response("ho", np.array([], np.int32), None, "stop")
    ((verdict,),) = judge(scorer).judge([Group(prompt, (response,), "train", 0)])
    assert verdict.reward == pytest.approx(score(scorer, "s:be kind\nu:hi\na:ho\n"), abs=1e-5)
