"""Claims about the table of right and wrong answers, and what the verifier makes of it."""

from __future__ import annotations

from collections import Counter

from benchmarks.verifier_agreement import verdict_of
from benchmarks.verifier_pairs import math_verify_alone, row, table
from meta.judges.table import VerifierOptions
from selfplay.core.types import Prompt, user


def test_the_verifier_accepts_no_wrong_answer_of_the_table_and_rejects_few_right_ones() -> None:
    pairs = table()
    says = verdict_of(VerifierOptions(timeout=2))  # two of them would never end
    said = [(pair, says(pair.prompt, pair.text)) for pair in pairs]
    accepted = [(p.prompt.answer, p.text) for p, found in said if not p.right and found != 0.0]
    rejected = [(p.prompt.answer, p.text) for p, found in said if p.right and found != 1.0]
    assert accepted == []
    assert len(rejected) <= 0.01 * sum(pair.right for pair in pairs), rejected


def test_the_table_has_many_kinds_of_both_sorts_and_says_nothing_twice() -> None:
    pairs = table()
    seen = Counter((pair.prompt.id, pair.text) for pair in pairs)
    assert len(pairs) >= 600
    assert max(seen.values()) == 1
    assert min(sum(p.right for p in pairs), sum(not p.right for p in pairs)) >= 300
    assert len({pair.kind for pair in pairs}) >= 20


def test_errors_are_counted_by_their_sort_and_missing_is_neither() -> None:
    pairs = [*table()[:2], *[pair for pair in table() if not pair.right][:2]]
    counted = row("some", "yes-man", pairs, lambda *_: 1.0)
    assert (counted["false accepts"], counted["false rejects"]) == (2, 0)
    counted = row("some", "nobody", pairs, lambda *_: None)
    assert (counted["false accepts"], counted["false rejects"], counted["missing"]) == (0, 0, 4)


def test_math_verify_alone_is_asked_as_it_comes() -> None:
    asked = Prompt(user("?"), answer="5-7")
    assert math_verify_alone(asked, r"\boxed{7-9}") == 1.0
