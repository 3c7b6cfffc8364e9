"""Claims about the benchmark that holds the verifier against recorded labels."""

from __future__ import annotations

import pytest

from benchmarks import verifier_agreement
from benchmarks.verifier_agreement import Case, as_form, by_regex, explained, notes, row, verdict_of
from meta.judges.table import VerifierOptions
from selfplay.core.types import Prompt, user

ASKED = Prompt(user("How many?"), answer="1,018")
VERIFIER = verdict_of(VerifierOptions())


def test_disagreements_are_counted_by_their_kind_and_missing_is_none_of_them() -> None:
    nothing = Prompt(user("How many?"))
    cases = [
        Case(ASKED, "A: 1018", True),
        Case(ASKED, "A: 1018", False),
        Case(ASKED, "A: 7", True),
        Case(nothing, "A: 7", False),
    ]
    found = row("some", "label", "verifier", cases, VERIFIER)
    assert (found["n"], found["agreement"]) == (4, 0.25)
    names = ("wrong called right", "right called wrong", "missing")
    assert [found[name] for name in names] == [1, 1, 1]


def test_every_disagreement_is_listed_with_its_explanation() -> None:
    cases = [Case(ASKED, "A: 1018", False), Case(ASKED, "A: 7", True), Case(ASKED, " ", True)]
    told = notes(cases, VERIFIER)
    assert (
        "disagree about 3: 'How many?…' (gold 1018, found 1018, labelled wrong): both are" in told
    )
    assert "(gold 1018, found 7, labelled right): the answer found is another one" in told
    assert "found None, labelled right): there is no answer to be found" in told
    assert "disagree about none" in notes([Case(ASKED, "A: 1018", True)], VERIFIER)
    assert "2 more" in notes(cases[:2] * 11, VERIFIER)
    assert "could not judge" in explained(Case(ASKED, "x", True), None)


def test_the_independent_extraction_takes_the_last_marker() -> None:
    regex = by_regex("####")
    assert regex(ASKED, "#### 7\n#### 1,018 ") == 1.0
    assert regex(ASKED, "#### 1018\n#### 7") == 0.0
    assert regex(ASKED, "1018") == 0.0


def test_answers_are_written_otherwise_and_stay_what_they_are() -> None:
    (found,) = as_form(
        [Case(ASKED, "One\nA: 1\nA: 1018", True), Case(ASKED, "1018", True)], "is {}."
    )
    assert found.text == "One\nA: 1\nis 1018."


def test_without_the_recorded_answers_it_says_so_and_records_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(verifier_agreement, "ANSWERS", verifier_agreement.DATA / "absent.jsonl")
    with pytest.raises(SystemExit, match=r"skipped, since GSM8K's .*absent\.jsonl"):
        verifier_agreement.measure()
