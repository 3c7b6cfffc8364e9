"""Comparisons under drawn principles, after thinking, and kept from certainty."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from meta.constitution.constitution import Constitution, constitution_file, read_constitution
from meta.judges.llm.table import PairwiseOptions
from meta.judges.llm.thinking import CUT_OFF
from meta.judges.pairwise import Outcome, Pairwise
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.models.pretrained import Pretrained, load_pretrained
from selfplay.core.models.transformers_model import TransformersModel
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Response, Sampling
from tests.conftest import make_tiny_model
from tests.meta.judged_groups import group


class Watched(TransformersModel):
    """Remembers whose probabilities were asked for."""

    def __init__(self, pretrained: Pretrained) -> None:
        super().__init__(pretrained)
        self.asked: list[Chat] = []

    def logprobs(
        self, chats: Sequence[Chat], responses: Sequence[Response]
    ) -> list[NDArray[np.float32]]:
        self.asked += dict.fromkeys(chats)
        return super().logprobs(chats, responses)


class Thinking(Watched):
    """Thinks in a sentence, which a random model does not; its verdicts are its own."""

    finish: Any = "stop"

    def generate(
        self, chats: Sequence[Chat], sampling: Sampling, seed: Seed
    ) -> list[tuple[Response, ...]]:
        assert sampling.greedy
        text = "The first is shorter. <|im_end|>"
        return [(Response(text, np.array([1], np.int32), None, self.finish),)] * len(chats)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    path = tmp_path_factory.mktemp("judge") / "tiny"
    return load_pretrained(str(make_tiny_model(path, seed=12, context=2048)))


def met(model: TransformersModel, **options: Any) -> Pairwise:
    judge = Pairwise(PairwiseOptions(least_mass=0.0, **options))
    judge.meet(model)
    return judge


def plain() -> Constitution:
    return read_constitution(constitution_file("plain"))


def test_both_orders_of_a_pair_are_asked_under_one_principle(pretrained: Pretrained) -> None:
    model = Watched(pretrained)
    contests = [(group().prompt, (f"a{i}", f"b{i}")) for i in range(12)]
    outcomes = met(model, principles="plain").outcomes(contests)
    prefer = {principle.id: principle.prefer for principle in plain().principles}
    found = set()
    for there, back, outcome in zip(model.asked[::2], model.asked[1::2], outcomes, strict=True):
        assert isinstance(outcome, Outcome)
        assert f"which response is {prefer[outcome.principle]}?" in there[0].content
        assert prefer[outcome.principle] in back[0].content
        found.add(outcome.principle)
    assert len(found) == 4


def test_the_order_of_the_texts_changes_neither_principle_nor_label(pretrained: Pretrained) -> None:
    judge = met(TransformersModel(pretrained), principles="plain")
    prompt = group().prompt
    (one,) = judge.outcomes([(prompt, ("yes", "no"))])
    (other,) = judge.outcomes([(prompt, ("no", "yes"))])
    assert isinstance(one, Outcome)
    assert isinstance(other, Outcome)
    assert one.principle == other.principle
    assert one.probability + other.probability == pytest.approx(1.0, abs=1e-6)


def test_repeats_draw_other_principles(pretrained: Pretrained) -> None:
    judge = met(TransformersModel(pretrained), principles="plain")
    asked = [(group().prompt, ("yes", "no"))]
    drawn = {
        outcome.principle
        for repeat in range(12)
        for outcome in judge.outcomes(asked, repeat)
        if isinstance(outcome, Outcome)
    }
    assert len(drawn) >= 3


def test_without_principles_nothing_is_asked_otherwise_than_before(pretrained: Pretrained) -> None:
    model = Watched(pretrained)
    met(model).judge([group("a", "b")])
    for chat in model.asked:
        assert "which response is more helpful, correct and clear?" in chat[0].content
        assert chat[0].content.endswith(
            "Reply with the number of the better response alone: 1 or 2."
        )


def test_the_content_names_the_constitution(pretrained: Pretrained) -> None:
    model = TransformersModel(pretrained)
    assert plain().fingerprint in met(model, principles="plain").content
    assert met(model, principles="plain").content != met(model).content


def test_a_constitution_that_cannot_compare_is_refused_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mute.yaml"
    path.write_text("principles: [{id: a, critique: b, revision: c}]", encoding="utf-8")
    with pytest.raises(DataError, match="expected `prefer`"):
        Pairwise(PairwiseOptions(principles=str(path)))


def test_the_verdict_is_asked_for_behind_the_models_own_thoughts(pretrained: Pretrained) -> None:
    model = Thinking(pretrained)
    (outcome,) = met(model, reasoning=50).outcomes([(group().prompt, ("a", "b"))])
    assert isinstance(outcome, Outcome)
    assert 0.4 <= outcome.probability <= 0.6
    assert [message.role for message in model.asked[0]] == ["user", "assistant", "user"]
    for chat in model.asked:
        assert chat[0].content.endswith("You are asked for the verdict afterwards.")
        assert chat[1].content == "The first is shorter. < |im_end|>"
        assert chat[2].content.startswith("Reply with the number")


def test_thoughts_that_were_cut_off_are_no_ground_for_a_verdict(pretrained: Pretrained) -> None:
    model = Thinking(pretrained)
    model.finish = "length"
    assert met(model, reasoning=50).outcomes([(group().prompt, ("a", "b"))]) == [CUT_OFF]
    ((one, two),) = met(model, reasoning=50).judge([group("a", "b")])
    assert (one.reward, one.reason) == (two.reward, two.reason) == (None, CUT_OFF)


def test_a_real_models_own_thoughts_end_or_are_missing(pretrained: Pretrained) -> None:
    judge = met(TransformersModel(pretrained), reasoning=120, clamp=0.0)
    contests = [(group().prompt, (f"a{i}", f"b{i}")) for i in range(6)]
    for ended in judge.outcomes(contests):
        assert isinstance(ended, Outcome) or ended.startswith("the judge's thoughts")


@pytest.mark.parametrize(("reasoning", "clamp", "least"), [(0, None, 0.0), (9, None, 0.4)])
def test_labels_are_clamped_by_default_where_the_model_thinks(
    reasoning: int, clamp: float | None, least: float
) -> None:
    assert PairwiseOptions(reasoning=reasoning, clamp=clamp).least_doubt == least
    assert PairwiseOptions(reasoning=reasoning, clamp=0.25).least_doubt == 0.25


@pytest.mark.parametrize("p", [0.0, 0.3, 0.45, 0.5, 0.9, 1.0])
def test_clamped_labels_of_both_responses_still_sum_to_one(p: float) -> None:
    one = Outcome(p).clamped(0.4)
    assert one.probability == min(max(p, 0.4), 0.6)
    assert Outcome(p).reversed.clamped(0.4).probability == pytest.approx(1 - one.probability)


@pytest.mark.parametrize("options", [{"clamp": 0.5}, {"clamp": -0.1}, {"reasoning": -1}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        PairwiseOptions(**options).check("judge")
