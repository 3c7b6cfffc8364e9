"""Claims about the reasoning-gym wrapper."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

from selfplay.core.errors import ConfigError
from selfplay.core.gym import EVALUATING, GymSpace, all_levels, check_space, gym_item, gym_score

SUM = {"num_terms": 3, "num_digits": 2}


def test_importing_the_module_loads_neither_torch_nor_reasoning_gym() -> None:
    code = "import sys, selfplay.core.gym; assert not {'torch', 'reasoning_gym'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_item_has_exactly_the_asked_level() -> None:
    question = gym_item("chain_sum", SUM, 7).question
    terms = question.split(": ")[1].removesuffix(" =").replace("-", "+").split(" + ")
    assert [len(term) for term in terms] == [2, 2, 2]


def test_an_item_is_the_same_whatever_was_asked_before() -> None:
    first = gym_item("word_sorting", {"num_words": 3, "word_length": 4}, 5)
    gym_item("word_sorting", {"num_words": 2, "word_length": 4}, 5)
    assert gym_item("word_sorting", {"word_length": 4, "num_words": 3}, 5) == first


def test_items_of_different_index_differ() -> None:
    assert len({gym_item("chain_sum", SUM, index).question for index in range(50)}) > 45


def test_the_index_may_exceed_the_generators_default_size() -> None:
    assert gym_item("chain_sum", SUM, 10**9).question


@pytest.mark.parametrize("index", range(20))
def test_the_reference_answer_scores_one_and_another_less(index: int) -> None:
    answer = gym_item("chain_sum", SUM, index).answer
    assert gym_score("chain_sum", SUM, index, answer) == 1.0
    assert gym_score("chain_sum", SUM, index, str(int(answer) + 1)) < 1.0


def test_an_empty_response_scores_zero() -> None:
    assert gym_score("chain_sum", SUM, 0, "") == 0.0


def test_a_scalar_attribute_sets_its_field() -> None:
    program = gym_item("ab", {"length": 4}, 0).question.split("\n\n")[-2]
    assert len(program.split()) == 4


def test_an_unknown_generator_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'chain_sums'.*did you mean 'chain_sum'"):
        gym_item("chain_sums", SUM, 0)


def test_an_unknown_attribute_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'terms'.*did you mean 'num_terms'"):
        check_space(GymSpace("chain_sum", {"terms": (2, 3)}))


def test_a_level_the_generator_refuses_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not allow n=1"):
        check_space(GymSpace("rotate_matrix", {"n": (1, 2)}))


@pytest.mark.parametrize("levels", [{}, {"n": ()}, {"n": (2, 2)}])
def test_a_malformed_space_is_an_error(levels: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="rotate_matrix"):
        GymSpace("rotate_matrix", levels)


def test_a_negative_index_is_an_error() -> None:
    with pytest.raises(ValueError, match="index"):
        gym_item("chain_sum", SUM, -1)


def test_all_levels_is_the_ordered_product() -> None:
    space = GymSpace("chain_sum", {"num_terms": (2, 3), "num_digits": (1, 2)})
    assert [tuple(level.values()) for level in all_levels(space)] == [
        (2, 1),
        (2, 2),
        (3, 1),
        (3, 2),
    ]


def test_a_scorer_that_fails_is_a_missing_score_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from reasoning_gym.arithmetic.chain_sum import ChainSumDataset

    def fail(*_: object) -> float:
        raise KeyError("metadata")

    monkeypatch.setattr(ChainSumDataset, "score_answer", fail)
    with pytest.raises(ValueError, match=r"chain_sum: its scorer failed.*metadata"):
        gym_score("chain_sum", SUM, 0, "1")


def test_a_score_outside_the_unit_interval_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from reasoning_gym.arithmetic.chain_sum import ChainSumDataset

    monkeypatch.setattr(ChainSumDataset, "score_answer", lambda *_: 1.5)
    with pytest.raises(ValueError, match=r"score in \[0, 1\]"):
        gym_score("chain_sum", SUM, 0, "1")


@pytest.mark.parametrize("word_len", range(3, 11))
def test_partial_credit_that_rounds_above_one_is_not_a_right_answer(word_len: int) -> None:
    answer = gym_item("spell_backward", {"word_len": word_len}, 0).answer
    score = gym_score("spell_backward", {"word_len": word_len}, 0, f"{answer}s")
    assert 0.7 < score < 1.0


def test_generators_that_evaluate_a_response_are_exactly_those_refused() -> None:
    from reasoning_gym.factory import DATASETS

    sources = {name: inspect.getsource(found[0].score_answer) for name, found in DATASETS.items()}
    evaluating = {
        name for name, source in sources.items() if re.search(r"\b(eval|parse_expr)\(", source)
    }
    harmless = {
        "number_sorting",  # evaluates its own reference answer
        "propositional_logic",  # its parse_expr is a parser of its own
    }
    assert evaluating - harmless == EVALUATING


def test_a_generator_that_evaluates_responses_is_refused() -> None:
    with pytest.raises(ConfigError, match="never evaluated"):
        gym_item("countdown", {}, 0)


@pytest.mark.parametrize(
    ("generator", "attribute", "level"),
    [("spell_backward", "word_len", 50), ("word_sorting", "word_length", 500)],
)
def test_a_level_that_no_item_can_be_made_of_is_refused_by_its_key(
    generator: str, attribute: str, level: int
) -> None:
    with pytest.raises(ConfigError, match=rf"{generator}: expected levels .* {attribute}={level}"):
        gym_item(generator, {attribute: level}, 0)
    space = GymSpace(generator, {attribute: (4, level)})
    with pytest.raises(ConfigError, match=rf"^spaces\.{generator}\.{attribute}: .*={level}"):
        check_space(space)
