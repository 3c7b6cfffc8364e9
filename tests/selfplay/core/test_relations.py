"""Claims about the checks of a text against its prompt's material."""

from __future__ import annotations

import pytest

from selfplay.core.checks import check_parameters, run_check
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.types import Prompt, user

ASKED = Prompt(user("Spell this word backward: abca"))


def degree(check: str, text: str, prompt: Prompt = ASKED, **params: object) -> float:
    return run_check(check, check_parameters(check, params, "here"), text, prompt)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("acba", 1.0), ("ABCA", 1.0), ("a b c a", 1.0), ("abc", 6 / 7), ("xyz", 0.0), ("", 0.0)],
)
def test_rearranges_is_dice_s_coefficient_of_the_letters(text: str, expected: float) -> None:
    assert degree("rearranges", text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "reverse", "expected"),
    [
        ("abca", False, 1.0),
        ("acba", True, 1.0),
        ("acba", False, 0.0),
        ("abab", False, 2 / 3),
        ("a", True, 0.0),
        ("", False, 0.0),
    ],
)
def test_neighbours_is_the_share_of_pairs_in_the_prompt_s_order(
    text: str, reverse: bool, expected: float
) -> None:
    assert degree("neighbours", text, reverse=reverse) == pytest.approx(expected)


def test_the_material_may_be_words_of_a_line_or_of_all() -> None:
    prompt = Prompt(user("Sort these words:\npear apple fig"))
    assert degree("rearranges", "apple fig pear", prompt, part="last_line", unit="words") == 1.0
    assert degree("rearranges", "Sort", prompt, part="all", unit="words") == pytest.approx(2 / 7)
    pairs = degree("neighbours", "pear apple", prompt, part="last_line", unit="words")
    assert pairs == 1.0


def test_an_empty_prompt_is_no_material_and_unknown_parameters_are_refused() -> None:
    with pytest.raises(DataError, match="nothing to compare"):
        degree("rearranges", "a", Prompt(user(" ")))
    with pytest.raises(ConfigError, match="last_word, last_line, all"):
        degree("neighbours", "a", part="first")
    with pytest.raises(ConfigError, match="characters, words"):
        degree("neighbours", "a", unit="lines")
