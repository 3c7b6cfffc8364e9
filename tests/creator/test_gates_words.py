from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from creator.gates.minhash import BandIndex, MinHash, ranges, sharing_chance, shingle_hashes
from creator.gates.words import asked_text, figures, figures_mark, jaccard, shingles
from selfplay.core.types import Message, Prompt, user
from selfplay.core.words import words


def test_what_all_prompts_say_to_the_system_is_not_asked() -> None:
    system = Message("system", "Be kind.")
    assert asked_text(Prompt((system, *user("How much?")))) == "How much?"
    assert asked_text(Prompt((system,))) == "Be kind."


def test_words_are_numbers_letters_and_single_han_characters() -> None:
    assert words("Janet\u2019s  TWENTY-five 1,000.50, e\u0301t\u00e9; 買了3个") == [
        *("janet's", "twenty-five", "1,000.50", "\u00e9t\u00e9", "買", "了", "3", "个"),
    ]


def test_figures_are_the_same_in_words_and_digits_and_in_any_order() -> None:
    assert figures("Three apples at 1,000.50, then half") == figures("half of 1000.5 for 3")
    assert figures("twenty-five") == Counter({"20": 1, "5": 1})
    assert figures("this one") == figures("that")


def test_figures_differ_where_a_number_or_an_operator_does() -> None:
    assert figures_mark("12 + 5 apples") != figures_mark("12 - 5 apples")
    assert figures_mark("12 apples") != figures_mark("21 apples")
    assert figures_mark("12 well-known apples") == figures_mark("well, 12 known apples")


def test_jaccard_of_shingles_by_hand() -> None:
    one, other = shingles(words("a b c d"), 2), shingles(words("a b c e"), 2)
    assert jaccard(one, other) == 0.5
    assert jaccard(set(), set()) == 0.0
    assert shingles(["a"], 2) == {("a",)}


def test_ranges_of_several_lengths_are_joined() -> None:
    assert ranges(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]


@given(
    st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=9), min_size=1),
    st.integers(1, 4),
)
def test_equal_shingles_and_no_others_have_equal_hashes(texts: list[list[str]], width: int) -> None:
    hashes, starts = shingle_hashes(texts, width)
    by_hash: dict[int, set[tuple[str, ...]]] = {}
    for text, start in zip(texts, starts.tolist(), strict=True):
        count = max(len(text) - width + 1, 1)
        for i, value in enumerate(hashes[start : start + count].tolist()):
            by_hash.setdefault(value, set()).add(tuple(text[i : i + width]))
    assert all(len(found) == 1 for found in by_hash.values())
    assert len(by_hash) == len(set.union(*by_hash.values()))


def test_candidates_are_found_as_often_as_the_formula_says() -> None:
    rng = np.random.default_rng(0)
    minhash = MinHash(width=1, bands=8, rows=3)
    pairs = [sets_of_similarity_half(rng) for _ in range(2000)]
    one = minhash.keys([first for first, _ in pairs])
    other = minhash.keys([second for _, second in pairs])
    found = float((one == other).any(axis=1).mean())
    expected = sharing_chance(0.5, bands=8, rows=3)
    assert abs(found - expected) < 4 * (expected * (1 - expected) / len(pairs)) ** 0.5


def sets_of_similarity_half(rng: np.random.Generator) -> tuple[list[str], list[str]]:
    drawn = [str(value) for value in rng.choice(10**6, 40, replace=False)]
    return drawn[:30], drawn[10:]


def test_an_index_that_grew_in_steps_finds_what_one_made_at_once_finds() -> None:
    keys = np.random.default_rng(0).integers(0, 40, (300, 4)).astype(np.uint32)
    grown, made = BandIndex(), BandIndex()
    made.add(keys)
    for start in range(0, 300, 7):
        grown.add(keys[start : start + 7])
    asked = keys[:20]
    expected = {(i, j) for i in range(20) for j in range(300) if set(asked[i]) & set(keys[j])}
    assert {(int(i), int(j)) for i, j in grown.candidates(asked)} == expected
    assert np.array_equal(grown.candidates(asked), made.candidates(asked))
    assert len(grown) == 300


def test_an_empty_index_has_no_candidates() -> None:
    assert BandIndex().candidates(np.zeros((3, 4), np.uint32)).shape == (0, 2)
