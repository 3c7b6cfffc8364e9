"""Claims about the judge of code as a whole: no wrong answer is accepted, no right one rejected."""

from __future__ import annotations

import pytest

from benchmarks.code_cases import Case, cheats, right_answers, tricks
from benchmarks.code_judging import verdicts
from selfplay.core.errors import ResourceError
from selfplay.core.types import Verdict

MISSING = 8
"""Tests among the tricks that do not say what they measure."""


def judged(cases: list[Case]) -> dict[str, Verdict]:
    try:
        return dict(zip([case.name for case in cases], verdicts(cases), strict=True))
    except ResourceError as error:
        pytest.skip(f"no sandbox on this machine: {error}")


def test_what_knows_nothing_of_the_task_is_worth_nothing() -> None:
    found = judged(cheats(shapes=1))
    assert len(found) > 100
    assert {name: verdict.reward for name, verdict in found.items() if verdict.reward != 0} == {}


def test_no_test_takes_an_answers_word_for_it() -> None:
    found = judged(tricks())
    assert [name for name, verdict in found.items() if verdict.reward == 1] == []
    missing = [verdict for verdict in found.values() if verdict.reward is None]
    assert len(missing) == MISSING
    assert all("entry point" in verdict.reason for verdict in missing)


def test_right_answers_are_right_in_all_shapes_of_tests() -> None:
    found = judged(right_answers())
    assert len(found) > 80
    wrong = {name: verdict.reason for name, verdict in found.items() if verdict.reward != 1}
    assert wrong == {}
