"""Claims about judges whose verdicts are recorded, on real ledgers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from meta.acceptance.scoring import groups_of
from meta.judges.llm.asking import UNANSWERED
from selfplay.core.errors import PausedError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Sampling, Verdict, user
from selfplay.events import Progress
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.review.recorded_judge import NamedJudge, RecordedJudge, Recorder
from selfplay.stages.rollouts import Rollouts

GROUPS = groups_of([(Prompt(user(f"say {i}")), ["", f"{i}", "word " * i]) for i in range(5)])


class Counting:
    """Scores by length; counts what it is asked, and can be at a loss."""

    name, scale = "counting", (0.0, 1.0)

    def __init__(self, reason: str = "") -> None:
        self.asked: list[str] = []
        self._reason = reason

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        self.asked += [group.prompt.text for group in groups]
        return [tuple(map(self._verdict, group.responses)) for group in groups]

    def _verdict(self, response: Any) -> Verdict:
        if self._reason:
            return Verdict.missing(self._reason)
        return Verdict(min(len(response.text), 10) / 10, scores={"length": len(response.text)})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.create(tmp_path / LEDGER, {}, {}) as ledger:
        yield ledger


def recorder(ledger: Ledger, **more: Any) -> Recorder:
    unasked: Any = None
    rollouts = Rollouts(ledger, unasked, Sampling(), Seed(0), chunk=2)
    return Recorder(3, "review", ledger, rollouts, **more)


def asking(recorder: Recorder, judge: Counting, fingerprint: str = "a" * 12) -> RecordedJudge:
    return RecordedJudge(recorder, NamedJudge(judge, fingerprint))


def test_what_was_said_is_not_asked_again_and_equals_what_the_judge_says(ledger: Ledger) -> None:
    judge = Counting()
    for _ in range(2):
        recorded = asking(recorder(ledger), judge)
        assert recorded.judge(GROUPS) == Counting().judge(GROUPS)
        assert recorded.judge(GROUPS[:2]) == Counting().judge(GROUPS[:2])
    assert judge.asked == [g.prompt.text for g in GROUPS + GROUPS[:2]]
    assert ledger.labels(3) == ["review:0", "review:1"]
    assert [r.text for r in ledger.groups(3, "review:0")[4].responses] == ["", "4", "word " * 4]
    assert (recorded.name, recorded.scale) == (judge.name, judge.scale)


class LeftError(Exception):
    """The listener leaves."""


def test_whoever_leaves_after_a_chunk_is_asked_for_the_rest_alone(ledger: Ledger) -> None:
    def leave(progress: Progress) -> None:
        assert (progress.round, progress.stage, progress.total) == (3, "review:0", 5)
        raise LeftError

    judge = Counting()
    for _ in range(3):
        with pytest.raises(LeftError):
            asking(recorder(ledger, listener=leave), judge).judge(GROUPS)
    assert asking(recorder(ledger), judge).judge(GROUPS) == Counting().judge(GROUPS)
    assert judge.asked == [g.prompt.text for g in GROUPS]


def test_what_has_changed_since_is_asked_under_the_next_free_label(ledger: Ledger) -> None:
    asking(recorder(ledger), Counting()).judge(GROUPS)
    more = groups_of([(Prompt(user("say 0")), ["", "0", "and more"])]) + GROUPS[1:]
    judge = Counting()
    assert asking(recorder(ledger), judge).judge(more) == Counting().judge(more)
    assert asking(recorder(ledger), judge, "b" * 12).judge(GROUPS) == Counting().judge(GROUPS)
    assert len(judge.asked) == 10
    assert ledger.labels(3) == ["review:0", "review:1", "review:2"]
    asking(recorder(ledger), judge, "b" * 12).judge(GROUPS)
    assert len(judge.asked) == 10


def test_a_judge_that_does_not_answer_pauses_and_is_asked_again(ledger: Ledger) -> None:
    silent = Counting(f"{UNANSWERED} (status 503)")
    with pytest.raises(PausedError, match="100% of the verdicts of round 3's 'review:0'"):
        asking(recorder(ledger, max_missing=0.5), silent).judge(GROUPS)
    assert ledger.judged_count(3, "review:0") == 0
    again = asking(recorder(ledger, max_missing=0.5), Counting())
    assert again.judge(GROUPS) == Counting().judge(GROUPS)


def test_a_judge_that_answers_what_cannot_be_read_has_answered(ledger: Ledger) -> None:
    unreadable = Counting("the judge's reply holds no JSON object")
    found = asking(recorder(ledger, max_missing=0.0), unreadable).judge(GROUPS)
    assert {verdict.reason for row in found for verdict in row} == {
        "the judge's reply holds no JSON object"
    }
