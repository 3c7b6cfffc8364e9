"""Which rollouts a reviewing model is shown: the alarms' suspects, and some of each score tertile.

Random rollouts miss rare exploits (MPO's, arXiv 2504.20157, are stratified in one of its tasks), so
what alarms point at comes first, with up to half of the places, and the thirds of the scores take
turns, the highest first, since that is where an exploited rubric shows. In a third, prompts that
were shown less often come first. Any beginning of the list is stratified too, so a budget may cut
it short.

Left out: responses without a score, and the same response to a prompt twice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from meta.reviewers import Evidence
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Verdict

_STRATA = 3


@dataclass(frozen=True)
class Shown:
    """One rollout with what is known of it."""

    group: Group
    """It alone, as judges take it."""
    rationale: str = ""
    suspect: bool = False
    trusted: str = ""
    """The score of the anchor that it is, with its scorer; empty where it is none."""

    @property
    def prompt(self) -> Prompt:
        """What was asked."""
        return self.group.prompt

    @property
    def response(self) -> str:
        """What was answered."""
        return self.group.responses[0].text

    @property
    def verdict(self) -> Verdict:
        """What the judge said."""
        return self.group.verdicts[0]


def select(evidence: Evidence, count: int, seed: Seed) -> list[Shown]:
    """Up to `count` rollouts, in the order in which they are to be shown."""
    rollouts = _rollouts(evidence)
    order = seed.numpy().permutation(len(rollouts))
    drawn = [rollouts[int(i)] for i in order]
    suspects = [rollout for rollout in drawn if rollout.suspect][: count // 2]
    rest = [rollout for rollout in drawn if rollout not in suspects]
    ranked = sorted(rest, key=lambda rollout: -(rollout.verdict.reward or 0.0))
    places = np.array_split(np.arange(len(ranked)), _STRATA)
    thirds = [_by_turns([ranked[int(i)] for i in own]) for own in places]
    # highest, lowest, middle
    turns = [third[k] for k in range(len(rest)) for third in thirds[::2] + thirds[1:2] if third[k:]]
    return _explained([*suspects, *turns][:count], evidence)


def _explained(shown: list[Shown], evidence: Evidence) -> list[Shown]:
    """With the judge's rationales."""
    if evidence.explain is None:
        return shown
    rows = evidence.explain([rollout.group for rollout in shown])
    return [replace(rollout, rationale=row[0]) for rollout, row in zip(shown, rows, strict=True)]


def _rollouts(evidence: Evidence) -> list[Shown]:
    """Everything that was scored, each response to a prompt once."""
    trusted = {a.key: f"{a.score:g} by {a.scorer}" for a in evidence.anchors.anchors}
    suspects = {(group, response) for group, response in evidence.suspects}
    found: dict[tuple[str, str], Shown] = {}
    for p, group in enumerate(evidence.rollouts):
        for g, (response, verdict) in enumerate(zip(group.responses, group.verdicts, strict=True)):
            key = (group.prompt.id, response.text)
            if verdict.reward is None or (key in found and (p, g) not in suspects):
                continue
            found[key] = Shown(
                replace(group, responses=(response,), verdicts=(verdict,)),
                suspect=(p, g) in suspects,
                trusted=trusted.get(key, ""),
            )
    return list(found.values())


def _by_turns(rollouts: list[Shown]) -> list[Shown]:
    """The first of each prompt, then the second of each, and so on."""
    seen: Counter[str] = Counter()
    turns = []
    for rollout in rollouts:
        turns.append(seen[rollout.prompt.id])
        seen[rollout.prompt.id] += 1
    return [rollouts[i] for i in sorted(range(len(rollouts)), key=lambda i: turns[i])]
