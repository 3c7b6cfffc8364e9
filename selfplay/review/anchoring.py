"""Anchors of a run: written to its ledger, read from it, and made from the policy's answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias, cast

from meta.anchors.anchors import (
    Anchor,
    AnchorSet,
    Origin,
    anchors_from_groups,
    suspects_from_groups,
)
from meta.meta import Meta, TrustedJudge
from meta.monitors.alarms import Alarm
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Sampling
from selfplay.events import Listener, Progress
from selfplay.ledger import AnchorEntry, Ledger
from selfplay.stages.labels import ANCHORS, FRESH, SUSPECT, TRAIN
from selfplay.stages.pauses import refuse_silence
from selfplay.stages.rollouts import Rollouts

Fits: TypeAlias = Callable[[Sequence[Prompt]], Sequence[bool]]


def read_anchors(ledger: Ledger) -> AnchorSet:
    """All anchors of a run."""
    entries = ledger.anchors()
    ids = list(dict.fromkeys(entry.prompt_id for entry in entries))
    prompts = dict(zip(ids, ledger.prompts(ids), strict=True))
    return AnchorSet(
        tuple(
            Anchor(
                prompts[entry.prompt_id],
                entry.response,
                entry.score,
                entry.scorer,
                cast(Origin, entry.origin),
                entry.alarm,
                entry.version,
            )
            for entry in entries
        )
    )


def append_anchors(ledger: Ledger, t: int, anchors: Sequence[Anchor]) -> int:
    """Writes what of the anchors is new; how many that are."""
    before = read_anchors(ledger)
    new = before.append(anchors).anchors[len(before.anchors) :]
    entries = [
        AnchorEntry(a.prompt.id, a.response, a.score, a.scorer, a.origin, a.alarm, a.version, t)
        for a in new
    ]
    ledger.add_anchors([anchor.prompt for anchor in new], entries)
    return len(new)


class Anchoring:
    """Has the policy answer, and the trusted judge score, what becomes anchors."""

    def __init__(
        self,
        ledger: Ledger,
        rollouts: Rollouts,
        sampling: Sampling,
        seed: Seed,
        fits: Fits,
        max_missing: float,
    ) -> None:
        """Takes its collaborators.

        Args:
            ledger: of the run.
            rollouts: answer and judge in chunks.
            sampling: how training responses are drawn; these are drawn alike.
            seed: of the run.
            fits: which prompts leave room for an answer; people's anchors may have others.
            max_missing: where the trusted judge's server leaves a larger share unanswered, the run
                pauses.
        """
        self._ledger, self._rollouts = ledger, rollouts
        self._sampling, self._seed, self._fits = sampling, seed, fits
        self._max_missing = max_missing

    def first(self, t: int, meta: Meta, listener: Listener) -> list[Anchor]:
        """The anchors that the run begins with."""

        def ask(prompts: int, samples: int) -> list[Group]:
            asked = self._drawn(t, meta.trusted, prompts)
            if not asked:
                raise ConfigError(
                    f"meta.trusted: '{meta.trusted.name}' can score answers to none of the prompts "
                    "(they have no right answer), so there would be no anchors. Choose another "
                    "trusted judge, or meta.review.anchors of your own"
                )
            for progress in self._answered(t, ANCHORS, meta, asked, samples):
                listener(progress)
            return self._ledger.groups(t, ANCHORS)

        found: list[Anchor] = meta.config.review.anchors.build(meta.trusted.name, ask)
        return found

    def _drawn(self, t: int, trusted: TrustedJudge, count: int) -> list[Prompt]:
        """Up to `count` originals that the trusted judge can score, in their order."""
        ids = self._ledger.ids_made_by("original")
        order = self._seed.at(t, ANCHORS).numpy().permutation(len(ids)).tolist()
        found: dict[int, Prompt] = {}
        for start in range(0, len(order), count):
            places = order[start : start + count]
            prompts = self._ledger.prompts([ids[i] for i in places])
            found |= {i: p for i, p in zip(places, prompts, strict=True) if trusted.covers(p)}
            if len(found) >= count:
                break
        return [found[i] for i in sorted(list(found)[:count])]

    def ask_again(self, t: int, meta: Meta, alarms: Sequence[Alarm]) -> Iterator[Progress]:
        """The trusted judge scores what alarms point at, and new answers to the anchors' prompts.

        A suspect is only told from good work beside some. Where a policy has but one way to answer
        left, that is only found among earlier answers to the same prompts: the anchors.
        """
        places = suspected(alarms)
        train = self._ledger.groups(t, TRAIN)
        yield from self.judged_again(t, SUSPECT, meta, [train[p] for p in sorted(places)])
        known = list({a.prompt.id: a.prompt for a in read_anchors(self._ledger).anchors}.values())
        known = [prompt for prompt in known if meta.trusted.covers(prompt)]
        prompts = [prompt for prompt, fit in zip(known, self._fits(known), strict=True) if fit]
        order = self._seed.at(t, FRESH).numpy().permutation(len(prompts))
        chosen = sorted(order[: meta.config.review.fresh].tolist())
        asked = [prompts[i] for i in chosen]
        yield from self._answered(t, FRESH, meta, asked, meta.config.review.samples)

    def found_again(self, t: int, meta: Meta, alarms: Sequence[Alarm], cause: str) -> list[Anchor]:
        """The anchors that `ask_again` has come to; answers that are anchors already stay such."""
        places, scorer = suspected(alarms), meta.trusted.name
        known = {anchor.key for anchor in read_anchors(self._ledger).anchors}
        groups = self._ledger.groups(t, SUSPECT)
        rows = [sorted(places[p]) for p in sorted(places)]
        flagged = suspects_from_groups(groups, rows, cause, scorer)
        answers = anchors_from_groups(self._ledger.groups(t, FRESH), scorer, contrasting=False)
        fresh = [replace(anchor, origin="suspect", alarm=cause) for anchor in answers]
        return [anchor for anchor in [*flagged, *fresh] if anchor.key not in known]

    def judged_again(
        self, t: int, label: str, meta: Meta, groups: Sequence[Group]
    ) -> Iterator[Progress]:
        """Copies of groups under another label, scored by the trusted judge."""
        if groups and not self._ledger.group_count(t, label):
            self._ledger.add_groups(t, label, 0, [group.again("evaluate") for group in groups])
        yield from self._judged(t, label, meta)

    def _answered(
        self, t: int, label: str, meta: Meta, prompts: Sequence[Prompt], samples: int
    ) -> Iterator[Progress]:
        sampling = replace(self._sampling, n=samples)
        yield from self._rollouts.answer(t, label, "evaluate", prompts, sampling)
        yield from self._judged(t, label, meta)

    def _judged(self, t: int, label: str, meta: Meta) -> Iterator[Progress]:
        yield from self._rollouts.judge(t, label, meta.trusted, "trusted")
        refuse_silence(self._ledger, t, label, self._max_missing)


def suspected(alarms: Sequence[Alarm]) -> dict[int, set[int]]:
    """By group, the responses that any of the alarms points at."""
    found: dict[int, set[int]] = {}
    for alarm in alarms:
        for suspect in alarm.suspects:
            found.setdefault(suspect.group, set()).add(suspect.response)
    return found
