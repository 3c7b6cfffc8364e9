"""Claims about the judges that read probabilities, on a random model with a character tokenizer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from meta.config import MetaConfig
from meta.judges.direct_score import DirectScore, expected_rating, rescaled
from meta.judges.llm.masses import Masses, exclusive, read_masses
from meta.judges.llm.table import (
    DirectScoreOptions,
    PairwiseOptions,
    ProbabilityOptions,
    VerdictTokenOptions,
)
from meta.judges.llm.wins import comparisons_in
from meta.judges.pairwise import Outcome, Pairwise, outcome, pairs
from meta.judges.table import JUDGES
from meta.judges.verdict_token import VerdictToken, factuality, false_refusal, safety
from meta.meta import Meta
from selfplay.config import load_values
from selfplay.core.components import Choice, chosen
from selfplay.core.errors import ConfigError
from selfplay.core.models.pretrained import Pretrained, load_pretrained
from selfplay.core.models.table import IN_PROCESS, OwnModelOptions
from selfplay.core.models.transformers_model import TransformersModel
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Comparison, Verdict
from tests.conftest import make_tiny_model
from tests.meta.judged_groups import group

CONTEXT = 2048


@pytest.fixture(scope="module")
def judge_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model with room for a judging model's prompt; its "1" is at times a "10"."""
    return make_tiny_model(tmp_path_factory.mktemp("judge") / "tiny", seed=12, context=CONTEXT)


@pytest.fixture(scope="module")
def pretrained(judge_dir: Path) -> Pretrained:
    return load_pretrained(str(judge_dir))


@pytest.fixture(scope="module")
def indifferent(judge_dir: Path) -> TransformersModel:
    """A model that finds every next token equally likely."""
    loaded = load_pretrained(str(judge_dir))
    with torch.no_grad():
        for parameter in loaded.module.parameters():
            parameter.zero_()
    return TransformersModel(loaded)


class Recording(TransformersModel):
    """Remembers what it was asked."""

    def __init__(self, pretrained: Pretrained) -> None:
        super().__init__(pretrained)
        self.asked: list[Chat] = []

    def logprobs(self, chats: Sequence[Chat], responses: Any) -> list[NDArray[np.float32]]:
        self.asked += dict.fromkeys(chats)
        return super().logprobs(chats, responses)


def met(judge: Any, model: TransformersModel) -> Any:
    judge.meet(model)
    return judge


def any_mass(options: type[ProbabilityOptions], **values: Any) -> Any:
    return options(least_mass=0.0, **values)


def next_logps(pretrained: Pretrained, chat: Chat, text: str) -> list[float]:
    """Log-probability of each character of `text` after the chat, by the plain module."""
    tokenizer = pretrained.tokenizer
    messages = [{"role": m.role, "content": m.content} for m in chat]
    start = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    before = tokenizer(start).input_ids
    ids = tokenizer(text).input_ids
    with torch.no_grad():
        logits = pretrained.module(torch.tensor([before + ids])).logits[0].log_softmax(-1)
    return [float(logits[len(before) - 1 + i, token]) for i, token in enumerate(ids)]


def likelihood(pretrained: Pretrained, chat: Chat, text: str) -> float:
    return math.exp(sum(next_logps(pretrained, chat, text)))


# What is common to them


def test_a_candidate_that_begins_another_is_counted_without_it() -> None:
    logps = np.log([0.5, 0.2, 0.3, 0.05])
    ids = [[1], [1, 0], [2], [1, 0, 0]]
    assert np.exp(exclusive(logps, ids)) == pytest.approx([0.3, 0.15, 0.3, 0.05])


def test_candidates_of_one_token_each_are_left_as_they_are() -> None:
    logps = np.log([0.5, 0.2, 0.3])
    assert exclusive(logps, [[1], [2], [3]]).tolist() == logps.tolist()


def test_a_candidate_that_is_always_continued_has_nothing_left() -> None:
    found = read_masses(np.log([0.4, 0.4]), [[1], [1, 0]], 0.0)
    assert isinstance(found, Masses)
    assert (found.shares.tolist(), found.mass) == ([0.0, 1.0], pytest.approx(0.4))


@pytest.mark.parametrize("logps", [[-9.0, -9.0], [-math.inf, -math.inf]])
def test_a_model_that_would_say_something_else_has_no_verdict(logps: list[float]) -> None:
    found = read_masses(np.array(logps), [[1], [2]], 0.01)
    assert found == "the model answers with none of the expected texts (their mass is below 0.01)"


def test_log_probabilities_that_are_no_numbers_are_no_verdict() -> None:
    assert "not numbers" in str(read_masses(np.array([math.nan, 0.0]), [[1], [2]], 0.0))


def test_a_tokenizer_that_cannot_tell_the_candidates_apart_is_refused(
    pretrained: Pretrained,
) -> None:
    judge = met(Pairwise(any_mass(PairwiseOptions)), TransformersModel(pretrained))
    judge.candidates = ("é", "ü")
    with pytest.raises(ConfigError, match="expected a judging model whose tokenizer tells 'é', 'ü"):
        judge.judge([group("a", "b")])


ALL = {
    "direct_score": DirectScoreOptions,
    "pairwise": PairwiseOptions,
    "factuality": VerdictTokenOptions,
    "false_refusal": VerdictTokenOptions,
    "safety": VerdictTokenOptions,
}


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_one_judges_with_a_model_of_its_own_within_its_scale(
    name: str, judge_dir: Path
) -> None:
    model = chosen("transformers", IN_PROCESS, OwnModelOptions(path=str(judge_dir)))
    options = any_mass(ALL[name], model=model)
    meta = Meta(MetaConfig(judge=chosen(name, JUDGES, options)))
    (verdicts,) = meta.judge([group("a", "b", "ccc")])
    low, high = meta.scale
    assert all(v.reward is not None and low <= v.reward <= high for v in verdicts)
    assert meta.judge([group("a", "b", "ccc")]) == [verdicts]


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_response_too_long_for_the_model_alone_has_no_verdict(
    name: str, pretrained: Pretrained
) -> None:
    meta = Meta(MetaConfig(judge=chosen(name, JUDGES, any_mass(ALL[name]))))
    meta.meet(TransformersModel(pretrained))
    groups = [group("a", "b", "c" * CONTEXT), group("d", "e")]
    (a, b, long), others = meta.judge(groups)
    assert None not in (a.reward, b.reward, others[0].reward, others[1].reward)
    assert long.reward is None
    assert f"context of {CONTEXT} tokens" in long.reason


def test_the_content_follows_the_weights_and_the_wording(tmp_path: Path) -> None:
    def judge(seed: int) -> DirectScore:
        directory = make_tiny_model(tmp_path / str(seed), seed=seed)
        return DirectScore(DirectScoreOptions(model=own(directory)))

    def own(directory: Path) -> Choice:
        return chosen("transformers", IN_PROCESS, OwnModelOptions(path=str(directory)))

    first, second = judge(1), judge(2)
    assert first.content != second.content
    before = first.content
    first.wording = 2
    assert first.content != before


def test_a_server_is_refused_since_it_cannot_score_given_texts() -> None:
    values = {"judge": {"name": "pairwise", "model": "endpoint"}}
    with pytest.raises(ConfigError, match="endpoint"):
        load_values(values, "test", MetaConfig)


# The direct score


def test_an_even_rating_is_0_and_a_sure_ten_is_1() -> None:
    assert rescaled(expected_rating(np.full(10, 0.1))) == pytest.approx(0.0)
    assert rescaled(expected_rating(np.eye(10)[9])) == 1.0
    assert rescaled(expected_rating(np.eye(10)[0])) == -1.0


def test_a_rating_of_two_tokens_is_as_likely_as_the_model_says(pretrained: Pretrained) -> None:
    model = Recording(pretrained)
    ((verdict,),) = met(DirectScore(any_mass(DirectScoreOptions)), model).judge([group("hm")])
    (chat,) = model.asked
    likely = [likelihood(pretrained, chat, str(i)) for i in range(1, 11)]
    likely[0] -= likely[9]
    total = sum(likely)
    rating = sum(i * p for i, p in enumerate(likely, start=1)) / total
    assert verdict.scores["rating"] == pytest.approx(rating, rel=1e-4)
    assert verdict.scores["mass"] == pytest.approx(total, rel=1e-4)
    assert verdict.reward == pytest.approx((rating - 5.5) / 4.5, rel=1e-3, abs=1e-5)


def test_an_indifferent_model_rates_by_the_length_of_the_ratings(
    indifferent: TransformersModel,
) -> None:
    ((verdict,),) = met(DirectScore(any_mass(DirectScoreOptions)), indifferent).judge([group("a")])
    v = indifferent._pretrained.module.config.vocab_size
    one, ten = 1 / v - 1 / v**2, 1 / v**2
    expected = (one + sum(range(2, 10)) / v + 10 * ten) / (9 / v)
    assert verdict.scores["rating"] == pytest.approx(expected)


def test_too_little_probability_on_the_ratings_is_missing(indifferent: TransformersModel) -> None:
    judge = met(DirectScore(DirectScoreOptions(least_mass=0.2)), indifferent)
    assert judge.judge([group("a")])[0][0].reward is None


def test_control_tokens_in_a_response_stay_text(pretrained: Pretrained) -> None:
    model = Recording(pretrained)
    met(DirectScore(any_mass(DirectScoreOptions)), model).judge([group("x<eos>a:10<eos>")])
    (ids,) = model.prompt_ids(model.asked)
    assert pretrained.tokenizer.eos_token_id not in ids


# The pairwise judge


def test_the_two_orders_are_mapped_back_before_they_are_averaged() -> None:
    there, back = Masses(np.array([0.9, 0.1]), 1.0), Masses(np.array([0.4, 0.6]), 1.0)
    found = outcome(there, back)
    assert found == Outcome(pytest.approx(0.75), pytest.approx(0.15))  # type: ignore[arg-type]


def test_a_model_that_always_prefers_the_first_place_prefers_neither_text() -> None:
    first = Masses(np.array([0.9, 0.1]), 1.0)
    assert outcome(first, first) == Outcome(0.5, pytest.approx(0.4))  # type: ignore[arg-type]


def test_a_win_is_the_softmax_of_both_numbers_in_both_orders(pretrained: Pretrained) -> None:
    model = Recording(pretrained)
    ((a, b),) = met(Pairwise(any_mass(PairwiseOptions)), model).judge([group("left", "right")])

    def prefers_first(chat: Chat) -> float:
        one, two = (likelihood(pretrained, chat, number) for number in "12")
        return one / (one + two)

    there, back = model.asked
    assert there[0].content.index("left") < there[0].content.index("right")
    expected = (prefers_first(there) + 1 - prefers_first(back)) / 2
    assert a.reward == pytest.approx(expected, rel=1e-4)
    assert a.scores["win/1"] + b.scores["win/0"] == 1.0


def test_rewards_average_one_half_and_do_not_depend_on_positions(pretrained: Pretrained) -> None:
    judge = met(Pairwise(any_mass(PairwiseOptions)), TransformersModel(pretrained))
    (there,) = judge.judge([group("a", "bb", "ccc")])
    (back,) = judge.judge([group("ccc", "bb", "a")])
    assert sum(v.reward for v in there) == pytest.approx(1.5)
    assert [v.reward for v in back[::-1]] == pytest.approx([v.reward for v in there], abs=1e-6)


def test_the_comparisons_of_a_group_are_in_its_verdicts(pretrained: Pretrained) -> None:
    judge = met(Pairwise(any_mass(PairwiseOptions)), TransformersModel(pretrained))
    (verdicts,) = judge.judge([group("a", "bb", "ccc")])
    found = comparisons_in(verdicts, "pairwise")
    assert [{c.winner, c.loser} for c in found] == [{0, 1}, {0, 2}, {1, 2}]
    for comparison in found:
        assert comparison.probability >= 0.5
        scores = verdicts[comparison.winner].scores
        assert comparison.probability == pytest.approx(scores[f"win/{comparison.loser}"])


def test_verdicts_without_wins_hold_no_comparisons() -> None:
    assert comparisons_in([Verdict(1.0), Verdict(0.0, scores={"win/reference": 0.1})], "j") == ()
    tie = [Verdict(0.5, scores={"win/1": 0.5}), Verdict(0.5, scores={"win/0": 0.5})]
    assert comparisons_in(tie, "j") == (Comparison(0, 1, 0.5, "j"),)


def test_equal_texts_are_a_tie_that_nobody_is_asked_about(pretrained: Pretrained) -> None:
    model = Recording(pretrained)
    ((a, b),) = met(Pairwise(any_mass(PairwiseOptions)), model).judge([group("x", "x")])
    assert (a.reward, b.reward, model.asked) == (0.5, 0.5, [])


def test_a_response_alone_in_its_group_has_nobody_to_beat(pretrained: Pretrained) -> None:
    judge = met(Pairwise(any_mass(PairwiseOptions)), TransformersModel(pretrained))
    assert "no other response" in judge.judge([group("a")])[0][0].reason


def test_against_the_reference_a_response_meets_the_gold_answer(pretrained: Pretrained) -> None:
    options = any_mass(PairwiseOptions, against="reference")
    judge = met(Pairwise(options), TransformersModel(pretrained))
    (same, other), (lacking,) = judge.judge([group("4", "5"), group("4", answer=None)])
    assert same.reward == 0.5
    assert other.scores.keys() == {"win/reference", "lean"}
    assert lacking.reason == "the prompt has no reference answer"
    assert comparisons_in([same, other], "pairwise") == ()


@pytest.mark.parametrize(("n", "k"), [(6, 1), (6, 2), (6, 4)])
def test_every_response_meets_the_opponents_that_it_draws(n: int, k: int) -> None:
    found = pairs(n, k, Seed(0))
    assert found == sorted(set(found)) == pairs(n, k, Seed(0))
    assert found != pairs(n, k, Seed(1)) or k == 4
    assert all(i < j for i, j in found)
    assert min(sum(i in pair for pair in found) for i in range(n)) >= k


@pytest.mark.parametrize("k", [0, 3, 9])
def test_all_meet_where_none_or_too_many_opponents_are_asked_for(k: int) -> None:
    assert pairs(4, k, Seed(0)) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def test_repeats_draw_other_opponents(pretrained: Pretrained) -> None:
    options = any_mass(PairwiseOptions, opponents=1)
    judge = met(Pairwise(options), TransformersModel(pretrained))
    asked = [group(*"abcdef")]
    met_by = [[v.scores.keys() for v in judge.judge(asked, repeat)[0]] for repeat in (0, 1, 0)]
    assert met_by[0] == met_by[2] != met_by[1]


def test_an_unknown_opponent_is_refused() -> None:
    values = {"judge": {"name": "pairwise", "against": "nobody"}}
    with pytest.raises(ConfigError, match=r"against: expected others or reference, found nobody"):
        load_values(values, "test", MetaConfig)


# The verdict's token


@pytest.mark.parametrize("judge_of", [factuality, false_refusal, safety])
def test_the_likelier_token_decides_and_no_token_is_drawn(
    judge_of: Any, pretrained: Pretrained
) -> None:
    model = Recording(pretrained)
    soft: VerdictToken = met(judge_of(any_mass(VerdictTokenOptions, binary=False)), model)
    ((verdict,),) = soft.judge([group("hm")])
    yes, no = (likelihood(pretrained, model.asked[0], word) for word in ("Yes", "No"))
    assert verdict.reward == pytest.approx(no / (yes + no), rel=1e-4)
    assert verdict.scores[soft.name] == verdict.reward
    hard = met(judge_of(any_mass(VerdictTokenOptions)), model)
    assert hard.judge([group("hm")])[0][0].reward == float(no >= yes)


def test_each_question_has_its_own_name_wording_and_content() -> None:
    judges = [judge_of(VerdictTokenOptions()) for judge_of in (factuality, false_refusal, safety)]
    assert [judge.name for judge in judges] == ["factuality", "false_refusal", "safety"]


def test_a_questions_version_is_part_of_its_content() -> None:
    question = safety.args[0]
    judge = VerdictToken(replace(question, version=2), VerdictTokenOptions())
    assert judge.content != safety(VerdictTokenOptions()).content


def test_factuality_needs_a_reference_and_the_others_show_none(pretrained: Pretrained) -> None:
    model = Recording(pretrained)
    asked = [group("hm", answer=None), group("hm", answer="forty")]
    (lacking,), (known,) = met(factuality(any_mass(VerdictTokenOptions)), model).judge(asked)
    assert lacking.reason == "the prompt has no reference answer"
    assert known.reward is not None
    assert "forty" in model.asked[0][0].content
    model.asked.clear()
    ((verdict,), _) = met(safety(any_mass(VerdictTokenOptions)), model).judge(asked)
    assert verdict.reward is not None
    assert not any("forty" in chat[0].content for chat in model.asked)


def test_as_a_constraint_it_violates_where_yes_is_likelier(pretrained: Pretrained) -> None:
    values = {
        "judge": {"name": "check", "kind": "number"},
        "constraints": [{"name": "safe", "judge": {"name": "safety", "least_mass": 0.0}}],
    }
    meta = Meta(load_values(values, "test", MetaConfig).config)
    meta.meet(TransformersModel(pretrained))
    (verdicts,) = meta.judge([group(*"abcdefgh")])
    assert {v.violations for v in verdicts} <= {(), ("safe",)}
    for verdict in verdicts:
        assert bool(verdict.violations) == (verdict.scores["constraint/safe"] == 0.0)
