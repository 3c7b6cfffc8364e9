"""The review stage's work: look, ask again, propose, decide (MPO with a gate, design.md).

What a step needs is read from the ledger, and each is a function of that: a review that was
interrupted goes on where it stopped and comes to the same end. Suspects are committed when they are
scored, a proposal before the gate looks at it, and what the gate asks a language model in chunks,
since each may have cost much.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from meta.acceptance.decision import Decision
from meta.acceptance.gate import Gate
from meta.anchors.anchors import Part, PartName
from meta.meta import Meta
from meta.monitors.alarms import Alarm, Looked
from meta.monitors.exploits import EXPLOITS
from meta.monitors.monitors import Monitors
from meta.monitors.seen import Seen
from meta.reviewers import Evidence, Proposal, Reviewer
from meta.reviewers.when import Situation, cause, share_at_top
from meta.rubrics.set import RubricSet, rubric_set_from_yaml
from selfplay.core.errors import PausedError
from selfplay.core.json_text import without_nan
from selfplay.core.seeding import Seed
from selfplay.core.text import TextModel
from selfplay.core.types import GENERATED, Verdict
from selfplay.events import Listener, Progress, nobody
from selfplay.ledger import AlarmEntry, Ledger, ReviewEntry
from selfplay.review.anchoring import Anchoring, append_anchors, read_anchors, suspected
from selfplay.review.feedback import settle, take_in
from selfplay.review.recorded_judge import Recorder
from selfplay.review.rubrics import RubricHistory
from selfplay.stages.costs import charged
from selfplay.stages.labels import AUDIT, FRESH, RESCORED, REVIEW, TRAIN
from selfplay.stages.pauses import refuse_silence
from selfplay.stages.rollouts import Rollouts
from selfplay.stages.statistics import generated_tokens

FEEDBACK = "review:feedback"
"""The step that appends what people said of responses to the anchors."""
SUSPECTS = "review:suspects"
"""The step that appends what the policy does now to the anchors."""
PROPOSE = "review:propose"
"""The step that commits a candidate."""
_TRAINING = ("attempt", "judge", "learn")
"""Stages whose metrics a reviewer is shown; held-out accuracy is none of its business."""
_STATE_ROUNDS = 20


@dataclass(frozen=True)
class Candidate:
    """What a review proposes."""

    rubric: RubricSet | None
    """None: nothing."""
    reason: str
    tokens: int
    """Of language models."""


@dataclass(frozen=True)
class Outcome:
    """What a round's review has come to."""

    round: int
    looked: Looked
    cause: str = ""
    """Why the rubric was reviewed; empty: it was not."""
    candidate: Candidate | None = None
    decision: Decision | None = None
    """None where there was nothing to decide."""
    parent: int | None = None
    """The version that the candidate was made from."""

    @property
    def alarms(self) -> list[Alarm]:
        """Of the round."""
        return self.looked.alarms

    @property
    def adopted(self) -> RubricSet | None:
        """The rubric that is in force from now on; None where it stays as it was."""
        accepted = self.decision is not None and self.decision.accepted
        return self.candidate.rubric if accepted and self.candidate else None

    @property
    def status(self) -> Literal["accepted", "rejected", "none"]:
        """What became of it."""
        if self.decision is None:
            return "none"
        return "accepted" if self.decision.accepted else "rejected"

    def write(self, ledger: Ledger) -> dict[str, float]:
        """Writes alarms, the review and what became of the candidate; the stage's metrics."""
        ledger.add_alarms([_entry(alarm) for alarm in self.alarms])
        if self.candidate is None:
            return self.looked.metrics
        rubric, decision = self.candidate.rubric, self.decision
        reasons = [self.cause, self.candidate.reason, *((decision.reason,) if decision else ())]
        reason = " | ".join(reasons)
        if rubric is not None and decision is not None and self.status != "none":
            text = rubric.to_yaml()
            ledger.add_rubric(rubric.version, self.parent, text, self.status, reason, self.round)
        ledger.add_review(
            ReviewEntry(
                self.round,
                self.cause,
                self.status,
                rubric.version if rubric is not None else None,
                " | ".join(reasons[1:]),
                self.candidate.tokens,
                without_nan(decision.as_dict()) if decision else None,
            )
        )
        gate = decision.metrics() if decision else {}
        return {**self.looked.metrics, **gate, "reviewed": 1.0}


class Reviewing:
    """Looks at rounds, and reviews the rubric when something asks for it."""

    def __init__(
        self,
        meta: Meta,
        ledger: Ledger,
        rollouts: Rollouts,
        anchoring: Anchoring,
        seed: Seed,
        live: TextModel,
        directory: Path,
        max_missing: float,
    ) -> None:
        """Takes its collaborators.

        Args:
            meta: its configuration and its trusted judge; who is in force is handed to each step.
            ledger: of the run.
            rollouts: judge in chunks.
            anchoring: asks again.
            seed: of the run.
            live: the policy's model.
            directory: of the run, where people leave feedback.
            max_missing: share of one judging that may go unanswered.

        Raises:
            ConfigError, ModelError: the reviewer or its model cannot be had.
        """
        self._ledger, self._rollouts, self._anchoring = ledger, rollouts, anchoring
        self._seed, self._directory, self._max_missing = seed, directory, max_missing
        self._options = meta.config.review
        monitors = meta.config.monitors
        self._audit = monitors.audit if monitors.enabled else 0
        self._trusted_scale = meta.trusted.scale if self._audit else (0.0, 1.0)
        self._scale = meta.scale
        self._monitors = Monitors(meta.config.monitors, self._seen, seed)
        self._enabled = meta.config.monitors.enabled
        self._reviewer: Reviewer | None = None
        if self._options.enabled:
            self._reviewer = self._options.reviewer.build(self._options.model.build(live))

    def review(
        self, t: int, meta: Meta, last: bool, listener: Listener = nobody
    ) -> Generator[Progress, None, Outcome]:
        """What round t's review comes to; in the last round a new rubric would judge nothing.

        Args:
            t: the round.
            meta: with the rubric in force.
            last: whether no round follows.
            listener: is told of progress while the gate judges, which yields nothing till then.

        Raises:
            PausedError: a judge's server leaves more than `max_missing` unanswered.
        """
        yield from self._audited(t, meta)
        looked = self.look(t)
        cause = "" if last else self.cause(t, looked.alarms)
        hindrance = self.hindrance() if cause else ""
        if cause and not hindrance:
            yield from self._suspects(t, meta, looked.alarms, cause)
        self._feedback(t)
        if not cause:
            return Outcome(t, looked)
        if hindrance:
            return Outcome(t, looked, cause, Candidate(None, hindrance, 0))
        candidate = yield from self._candidate(t, meta, looked.alarms)
        if candidate.rubric is None:
            return Outcome(t, looked, cause, candidate)
        yield Progress(t, "gate", 0, 1)
        decision = self.decide(t, meta, candidate.rubric, listener)
        if decision.accepted:
            yield from self.rescore(t, meta.under(candidate.rubric))
        return Outcome(t, looked, cause, candidate, decision, present(meta).version)

    # Looking

    def _audited(self, t: int, meta: Meta) -> Iterator[Progress]:
        """The trusted judge scores the responses to some of the round's prompts."""
        if self._audit:
            train = [g for g in self._ledger.groups(t, TRAIN) if meta.trusted.covers(g.prompt)]
            order = self._seed.at(t, AUDIT).numpy().permutation(len(train))
            chosen = [train[p] for p in sorted(order[: self._audit].tolist())]
            yield from self._anchoring.judged_again(t, AUDIT, meta, chosen)

    def look(self, t: int) -> Looked:
        """What the monitors see in the round."""
        if not self._enabled:
            return Looked(())
        return self._monitors.look(t, self._seen(t), since=self._history.adopted + 1)

    def cause(self, t: int, alarms: Sequence[Alarm]) -> str:
        """Why the rubric is to be reviewed in round t; empty: it is not."""
        if not self._options.enabled:
            return ""
        groups, reviews = self._ledger.groups(t, TRAIN), self._ledger.reviews()
        low, high = self._scale
        since = self._history.adopted
        rewards = [
            (m.value - low) / (high - low) if math.isfinite(high - low) else m.value
            for m in self._ledger.metrics("reward", since=since + 1)
            if m.stage == "judge" and m.round <= t
        ]
        situation = Situation(
            round=t,
            reviewed=max((review.round for review in reviews), default=0),
            alarms=alarms,
            top=share_at_top(groups, self._scale),
            rewards=rewards,
        )
        return cause(self._options, situation)

    def hindrance(self) -> str:
        """Why no review may change anything now; empty: it may."""
        if self._history.frozen:
            return "the rubric is frozen; `selfplay rubric freeze --thaw` lets reviews change it"
        budget, left = self._options.token_budget, self._tokens_left
        if budget is not None and left is not None and left <= 0:
            spent = budget - left
            return f"reviews have taken {spent:,} tokens of meta.review.token_budget={budget:,}"
        return ""

    @property
    def _tokens_left(self) -> int | None:
        """Of the budget of all reviews; None without one."""
        budget = self._options.token_budget
        spent = sum(review.tokens for review in self._ledger.reviews())
        return None if budget is None else budget - spent

    def _feedback(self, t: int) -> None:
        """Appends what people have said of responses to the anchors."""
        if self._ledger.stage_done(t, FEEDBACK):
            return
        intake = take_in(self._directory)
        if intake.anchors or intake.refused:
            with self._ledger.commit(t, FEEDBACK) as stage:
                appended = append_anchors(self._ledger, t, intake.anchors)
                stage.metrics = {**intake.metrics, "anchors": float(appended)}
        settle(self._directory, intake)

    # Proposing

    def _suspects(
        self, t: int, meta: Meta, alarms: Sequence[Alarm], cause: str
    ) -> Iterator[Progress]:
        """Has the trusted judge score what the policy does now, and appends it to the anchors."""
        if self._ledger.stage_done(t, SUSPECTS):
            return
        yield from self._anchoring.ask_again(t, meta, alarms)
        found = self._anchoring.found_again(t, meta, alarms, cause)
        with self._ledger.commit(t, SUSPECTS) as stage:
            appended = append_anchors(self._ledger, t, found)
            tokens = generated_tokens(self._ledger.groups(t, FRESH))
            stage.metrics = {"anchors": float(appended), GENERATED: float(tokens)}

    def _candidate(
        self, t: int, meta: Meta, alarms: Sequence[Alarm]
    ) -> Generator[Progress, None, Candidate]:
        """The candidate, committed where there is one."""
        if self._ledger.stage_done(t, PROPOSE):
            return self._committed(t, present(meta))
        yield Progress(t, "propose", 0, 1)
        with charged(self._ledger, t, "review", "reviewer") as meter:
            candidate = self.propose(t, meta, alarms)
        self._ledger.add_usages(t, "review", "reviewer", meter.spent())
        if candidate.rubric is not None:
            text, parent = candidate.rubric.to_yaml(), present(meta).version
            with self._ledger.commit(t, PROPOSE) as stage:
                version = candidate.rubric.version
                self._ledger.add_rubric(version, parent, text, "proposed", candidate.reason, t)
                stage.metrics = {"review_tokens": float(candidate.tokens)}
        return candidate

    def propose(self, t: int, meta: Meta, alarms: Sequence[Alarm]) -> Candidate:
        """A candidate or None, from what each cluster's anchors and responses say of its rubric."""
        anchors = self._anchors(meta, "propose").anchors
        if not anchors and self._options.adopt == "gate":
            return Candidate(None, "there are no anchors for the gate to decide by", 0)
        names = meta.clusters_of([anchor.prompt for anchor in anchors])
        trained = [group.prompt for group in self._ledger.groups(t, TRAIN)]
        asked, judged = meta.clusters_of(trained), meta.by_rubric(trained)
        candidate, reasons, tokens = present(meta), list[str](), 0
        version = self._history.next_version
        for name in dict.fromkeys([*names, *asked]):
            own = [a for a, other in zip(anchors, names, strict=True) if other == name]
            places = [p for p, other in enumerate(asked) if other == name and judged[p]]
            evidence = self._evidence(t, meta, name, Part("propose", tuple(own)), places, alarms)
            proposal = self._proposed(evidence, self._seed.at(t, "review", name or ""))
            tokens += proposal.tokens
            reasons.append(f"{name}: {proposal.reason}" if name else proposal.reason)
            if proposal.rubric is not None:
                candidate = candidate.revised(name, proposal.rubric, version)
        changed = candidate if candidate is not meta.rubric else None
        return Candidate(changed, "; ".join(reasons), tokens)

    def _proposed(self, evidence: Evidence, seed: Seed) -> Proposal:
        assert self._reviewer is not None, "reviews are enabled where one is asked for"
        return self._reviewer.propose(evidence, seed)

    def _evidence(
        self,
        t: int,
        meta: Meta,
        cluster: str | None,
        anchors: Part,
        own: Sequence[int],
        alarms: Sequence[Alarm],
    ) -> Evidence:
        """What a reviewer is shown of one cluster; `own`: positions of its training groups."""
        train, places = self._ledger.with_replies(t, TRAIN), suspected(alarms)
        return Evidence(
            rubric=present(meta).rubric_of(cluster),
            anchors=anchors,
            rollouts=[train[p] for p in own],
            alarms=tuple(alarm.text for alarm in alarms),
            state=self._state(t),
            past=self._history.past_edits(),
            explain=meta.explain,
            max_tokens=self._tokens_left,
            suspects=[(i, g) for i, p in enumerate(own) for g in sorted(places.get(p, ()))],
        )

    def _state(self, t: int) -> dict[str, list[float]]:
        """Metrics of the latest rounds' training, oldest first."""
        found: dict[str, list[float]] = {}
        for metric in self._ledger.metrics(since=t - _STATE_ROUNDS + 1):
            if metric.stage in _TRAINING and metric.round <= t:
                found.setdefault(f"{metric.stage}/{metric.name}", []).append(metric.value)
        return found

    # Deciding

    def _committed(self, t: int, current: RubricSet) -> Candidate:
        """The candidate that round t's review has committed."""
        entry = next(e for e in self._ledger.rubrics() if e.round == t and e.status == "proposed")
        if entry.parent != current.version:
            return Candidate(None, f"version {current.version} came into force meanwhile", 0)
        tokens = int(self._ledger.stage_metrics(t, PROPOSE)["review_tokens"])
        return Candidate(rubric_set_from_yaml(entry.text), entry.reason, tokens)

    def decide(
        self, t: int, meta: Meta, candidate: RubricSet, listener: Listener = nobody
    ) -> Decision:
        """Whether the candidate takes the place of the rubric in force."""
        if self._options.adopt == "always":
            return Decision(True, ("adopted without a test, as configured",))
        recorder = Recorder(t, REVIEW, self._ledger, self._rollouts, self._max_missing, listener)
        gate = Gate(self._options.gate, partial(recorder.judging, meta), EXPLOITS)
        return gate.accept(candidate, present(meta), self._anchors(meta, "gate"))

    def rescore(self, t: int, meta: Meta) -> Iterator[Progress]:
        """Scores the latest rounds' responses under `meta`, whose rubric is about to be adopted."""
        first = max(1, t - self._options.rescore + 1)
        groups = [g for r in range(first, t + 1) for g in self._ledger.groups(r, TRAIN)]
        if groups and not self._ledger.group_count(t, RESCORED):
            copies = [group.again("estimate") for group in groups]
            self._ledger.add_groups(t, RESCORED, 0, copies)
        yield from self._rollouts.judge(t, RESCORED, meta)
        refuse_silence(self._ledger, t, RESCORED, self._max_missing)

    def _anchors(self, meta: Meta, name: PartName) -> Part:
        """One part of the anchors, but for prompts that a task's own judge has the say on."""
        anchors = read_anchors(self._ledger).part(name).anchors
        judged = meta.by_rubric([anchor.prompt for anchor in anchors])
        return Part(name, tuple(a for a, own in zip(anchors, judged, strict=True) if own))

    @property
    def _history(self) -> RubricHistory:
        return RubricHistory(tuple(self._ledger.rubrics()))

    def _seen(self, t: int) -> Seen:
        """What the monitors look at in a round."""
        groups = self._ledger.groups(t, TRAIN)
        if not self._audit:
            return Seen(groups, scale=self._scale)
        audited = {g.prompt.id: g.verdicts for g in self._ledger.groups(t, AUDIT)}
        trusted = [
            audited.get(g.prompt.id) or (Verdict.missing("not audited"),) * len(g.responses)
            for g in groups
        ]
        return Seen(groups, trusted, self._scale, self._trusted_scale)


def present(meta: Meta) -> RubricSet:
    """The rubric in force, which reviews need: a configuration without one is refused."""
    assert meta.rubric is not None
    return meta.rubric


def pause_for(alarms: Sequence[Alarm], before: Sequence[AlarmEntry]) -> None:
    """Pauses the run for a new alarm that asks for it; one that goes on has done so before.

    Raises:
        PausedError: says which, and how to go on.
    """
    for alarm in alarms:
        known = any(b.monitor == alarm.monitor and b.round == alarm.round - 1 for b in before)
        if alarm.action == "pause" and not known:
            raise PausedError(
                f"alarm in round {alarm.round}: {alarm.text}. Everything is kept; look with "
                "`selfplay reviews`, then run the same command again to go on"
            )


def _entry(alarm: Alarm) -> AlarmEntry:
    return AlarmEntry(
        alarm.round,
        alarm.monitor,
        alarm.action,
        alarm.text,
        alarm.value,
        alarm.reference,
        alarm.p,
        tuple(alarm.suspects),
    )
