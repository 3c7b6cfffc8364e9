"""The judge of judgements: rewards are means, the most disputed judgements are paired."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meta.judges.llm.reading import CUT_OFF, NO_OBJECT
from meta.judges.llm.table import MetaRewardingOptions
from meta.judges.meta_rewarding import JudgementPair, MetaRewarding
from meta.rubrics.rubric import Rubric
from selfplay.core.errors import ConfigError
from selfplay.core.models.pretrained import load_pretrained
from selfplay.core.models.transformers_model import TransformersModel
from selfplay.core.seeding import Seed
from tests.conftest import make_tiny_model
from tests.meta.grading_model import Grader, GraderOptions
from tests.meta.judged_groups import CLEAR, JUDGED, MIXED, PADDED, group

ONE = Rubric((CLEAR,))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("judge") / "tiny", context=4096)


@pytest.fixture
def model(path: Path) -> Grader:
    return Grader(GraderOptions(str(path)))


def met(model: TransformersModel, rubric: Rubric = ONE, **options: Any) -> MetaRewarding:
    judge = MetaRewarding(MetaRewardingOptions(judgements=3, least_mass=0.0, **options), rubric)
    judge.meet(model)
    return judge


def test_a_reward_is_the_mean_of_the_readable_judgements(model: Grader) -> None:
    ((steady, disputed, broken),) = met(model).judged(
        [group("steady", "disputed", "broken")], Seed(0)
    )
    assert steady.verdict.reward == pytest.approx(4 / 5)
    assert disputed.verdict.reward == pytest.approx(7 / 15)
    assert broken.verdict.reward is None
    assert "is no number" in broken.verdict.reason


def test_the_judgements_of_the_most_disputed_response_are_paired(model: Grader) -> None:
    judge, asked = met(model), [group("steady", "disputed", "broken")]
    (pair,) = judge.pairs(asked, judge.judged(asked, Seed(0)))
    assert isinstance(pair, JudgementPair)
    assert "\ndisputed\n" in pair.chat[-1].content
    assert "reason 0" in pair.chosen
    assert "reason 2" in pair.rejected
    # In both orders, the lower number wins with 1/2 (0.95 + 0.55).
    assert pair.wins == pytest.approx((0.75, 0.25))
    assert model.compared == 6


def test_judgements_that_agree_make_no_pair_and_are_not_compared(model: Grader) -> None:
    judge, asked = met(model), [group("steady", "steady too"), group("broken")]
    none, broken = judge.pairs(asked, judge.judged(asked, Seed(0)))
    assert none == "the judgements of every response agree"
    assert "is no number" in str(broken)
    assert model.compared == 0


def test_a_preferred_judgement_that_is_too_long_makes_no_pair(model: Grader) -> None:
    judge, asked = met(model, longest=20), [group("disputed")]
    found = judge.pairs(asked, judge.judged(asked, Seed(0)))
    assert found == ["the preferred judgement is too long"]


def test_a_real_model_that_writes_no_judgement_has_no_verdict(path: Path) -> None:
    model = TransformersModel(load_pretrained(str(path)))
    judge, asked = met(model, JUDGED, max_new_tokens=16), [group("a", "b")]
    judged = judge.judged(asked, Seed(0))
    reasons = {one.verdict.reason for one in judged[0]}
    assert reasons <= {CUT_OFF, NO_OBJECT}
    assert judge.pairs(asked, judged)[0] in reasons


def test_criteria_in_code_are_refused() -> None:
    with pytest.raises(ConfigError, match="found checks: number"):
        MetaRewarding(MetaRewardingOptions(), MIXED)
    MetaRewarding(MetaRewardingOptions(), Rubric((PADDED,)))


@pytest.mark.parametrize(
    "options", [{"judgements": 1}, {"temperature": 0.0}, {"max_new_tokens": 0}, {"longest": -1}]
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        MetaRewardingOptions(**options).check("judge")
