"""How several answers to one prompt agree, with its key and with one another. Pure functions.

An answer agrees with the key if its reward says so (a verifier knows equal answers in other forms)
or if its text is the key's, both in the one spelling that `HasProbe.final_answer` gives. Answers
without a final answer agree with nothing and count in every share, so a share is never flattered by
answers that were cut off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from selfplay.core.types import Group, Response, Verdict

Finding: TypeAlias = Literal["sound", "wrong key", "hard"]


@dataclass(frozen=True)
class Tally:
    """What n answers to one prompt say."""

    n: int
    right: int
    """Answers that agree with the key; 0 without one."""
    given: int
    """Answers that end in a final answer."""
    rival: str | None
    """The most frequent final answer that does not agree with the key; None without any."""
    backers: int
    """How many give it."""

    @property
    def key_share(self) -> float:
        """Share of the answers that agree with the key."""
        return self.right / self.n

    @property
    def rival_share(self) -> float:
        """Share of the answers that agree on the most frequent other one."""
        return self.backers / self.n


def tally(group: Group, final_answer: Callable[[str], str | None], right: float | None) -> Tally:
    """Counts a group's answers; `right` is the reward from which one agrees with the key.

    Raises:
        ValueError: the group has no responses.
    """
    if not group.responses:
        raise ValueError("expected answers to count, found none")
    key = final_answer(group.prompt.answer) if group.prompt.answer is not None else None
    verdicts = group.verdicts or (Verdict.missing("unjudged"),) * len(group.responses)
    others: Counter[str] = Counter()
    agreeing = given = 0
    for response, verdict in zip(group.responses, verdicts, strict=True):
        answer = _final(response, final_answer)
        given += answer is not None
        if group.prompt.answer is not None and _agrees(answer, key, verdict, right):
            agreeing += 1
        elif answer is not None:
            others[answer] += 1
    # Of answers that are equally frequent, the one given first.
    rival, backers = max(others.items(), key=lambda item: item[1], default=(None, 0))
    return Tally(len(group.responses), agreeing, given, rival, backers)


def audit(counted: Tally, agreement: float, support: float) -> Finding:
    """Whether a key is sound, wrong, or the prompt is hard.

    Sound: enough answers reach it (`support`). Wrong: hardly any does, and most (`agreement`) agree
    on another one. Hard: they scatter. Consistent answers can be consistently wrong, the more so
    the weaker the model, so this says where to look and not what the answer is.
    """
    if counted.key_share >= support:
        return "sound"
    return "wrong key" if counted.rival_share >= agreement else "hard"


def _final(response: Response, final_answer: Callable[[str], str | None]) -> str | None:
    """A response that was cut off has no final answer, whatever stands last in it."""
    return None if response.finish_reason == "length" else final_answer(response.text)


def _agrees(answer: str | None, key: str | None, verdict: Verdict, right: float | None) -> bool:
    if answer is not None and answer == key:
        return True
    return right is not None and verdict.reward is not None and verdict.reward >= right
