from __future__ import annotations

from pathlib import Path

import pytest

from creator.gates.near_duplicate import REASON, NearDuplicate
from creator.gates.table import NearDuplicateOptions
from selfplay.core.errors import ConfigError
from selfplay.core.types import Prompt, user
from tests.creator.gate_surroundings import (
    Pool,
    World,
    needs_gsm8k,
    puzzle,
    questions,
    vocabulary_of,
    with_numbers_changed,
    with_words_swapped,
)

TEXT = "Anna buys 3 red apples at the market for 40 cents each. How much does she pay for them?"
SWAPPED = TEXT.replace("red", "green")
RECOUNTED = TEXT.replace("40", "50")
OTHER = "A train leaves at 9 and arrives at 12. How many hours does it take?"


def prompts(*texts: str) -> list[Prompt]:
    return [Prompt(user(text)) for text in texts]


def gate_over(*texts: str, options: NearDuplicateOptions | None = None) -> NearDuplicate:
    return NearDuplicate(options or NearDuplicateOptions(), World(Pool(prompts(*texts))))


def test_another_word_makes_no_new_prompt_and_another_number_does() -> None:
    gate = gate_over(TEXT, OTHER)
    assert gate.reasons(prompts(SWAPPED, RECOUNTED)) == [REASON, ""]


def test_numbers_count_for_nothing_if_so_configured() -> None:
    gate = gate_over(TEXT, options=NearDuplicateOptions(figures=False))
    assert gate.reasons(prompts(RECOUNTED, OTHER)) == [REASON, ""]


def test_the_exact_similarity_decides_and_not_the_index() -> None:
    one, other = "a b c d e f g h", "a b c d e f g x"  # 6 of 8 distinct pairs in common
    for threshold, expected in ((0.75, REASON), (0.76, "")):
        options = NearDuplicateOptions(threshold=threshold, bands=64, rows=1)
        assert gate_over(one, options=options).reasons(prompts(other)) == [expected]


def test_of_alike_new_prompts_the_first_stands() -> None:
    gate = gate_over(OTHER)
    assert gate.reasons(prompts(TEXT, SWAPPED, RECOUNTED)) == ["", REASON, ""]


def test_a_prompt_that_was_turned_down_stands_in_nobodys_way() -> None:
    near_both = "a b c d e f g h i j"
    archived, child = "a b c d e f g h i x y", "w z c d e f g h i j"
    gate = gate_over(archived, options=NearDuplicateOptions(threshold=0.6, bands=64, rows=1))
    assert gate.reasons(prompts(near_both, child)) == [REASON, ""]
    assert gate_over(options=NearDuplicateOptions(threshold=0.6, bands=64, rows=1)).reasons(
        prompts(near_both, child)
    ) == ["", REASON]


def test_what_is_admitted_later_is_compared_with_too_and_read_once() -> None:
    pool = Pool(prompts(OTHER))
    gate = NearDuplicate(NearDuplicateOptions(), World(pool))
    assert gate.reasons(prompts(TEXT)) == [""]
    pool.held += prompts(TEXT)
    pool.fetched = 0
    assert gate.reasons(prompts(SWAPPED)) == [REASON]
    assert pool.fetched == 2  # the new prompt to index it, and again as the one candidate


def test_a_prompt_is_no_near_duplicate_of_itself() -> None:
    assert gate_over(TEXT).reasons(prompts(TEXT)) == [""]


def test_puzzles_and_texts_without_words_pass() -> None:
    pool = Pool([puzzle("Spell backward: abcd"), *prompts("...")])
    gate = NearDuplicate(NearDuplicateOptions(), World(pool))
    assert gate.reasons([puzzle("Spell backward: abce")]) == [""]
    assert pool.fetched == 0
    assert gate.reasons(prompts("!!!", "")) == ["", ""]
    assert gate.reasons([]) == []


def test_a_resumed_run_reads_on_and_decides_alike(tmp_path: Path) -> None:
    pool = Pool(prompts(*(f"{TEXT} Then {i} more." for i in range(30)), OTHER))
    first = NearDuplicate(NearDuplicateOptions(), World(pool, tmp_path))
    asked = prompts(f"{SWAPPED} Then 7 more.", RECOUNTED)
    assert first.reasons(asked) == [REASON, ""]
    pool.held += prompts(RECOUNTED)
    pool.fetched = 0
    again = NearDuplicate(NearDuplicateOptions(), World(pool, tmp_path))
    assert again.reasons(asked) == [REASON, ""]
    assert pool.fetched == 2  # the one that is new, and the one candidate


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"gate\.threshold: expected above 0 and up to 1"):
        NearDuplicateOptions(threshold=0).check("gate")
    with pytest.raises(ConfigError, match=r"gate\.rows"):
        NearDuplicateOptions(rows=0).check("gate")


@needs_gsm8k
def test_planted_edits_of_gsm8k_questions_are_found_and_other_questions_pass() -> None:
    texts = questions("train.jsonl")
    vocabulary = vocabulary_of(texts[:2000])
    gate = gate_over(*texts[:4000])
    sources = texts[:4000:10]

    def found(share: float) -> float:
        edited = [with_words_swapped(t, share, vocabulary, i) for i, t in enumerate(sources)]
        return gate.reasons(prompts(*edited)).count(REASON) / len(sources)

    assert found(0.05) == 1.0
    assert found(0.10) >= 0.97
    renumbered = [with_numbers_changed(text, i) for i, text in enumerate(sources)]
    assert gate.reasons(prompts(*renumbered)).count(REASON) <= 0.05 * len(sources)
    assert gate.reasons(prompts(*texts[4000:6000])).count(REASON) <= 0.002 * 2000
