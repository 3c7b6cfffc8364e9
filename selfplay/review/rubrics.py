"""A run's rubric versions: which is in force, what changed, going back, keeping still.

The ledger holds events (`selfplay.ledger.RubricEntry`), and everything here follows from their
order: the version that was accepted last is in force; going back withdraws versions and accepts an
older one again; while a run is frozen, no review may adopt anything. Reading works on live, crashed
and finished runs; `rollback` and `freeze` own the run while they write, so they are refused while
it is being played.

Alarms and reviews are read alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meta.anchors.anchors import part_of
from meta.reviewers import PastEdit
from meta.rubrics.diff import RubricDiff
from meta.rubrics.set import DEFAULT, RubricSet, diff_sets, rubric_set_from_yaml
from selfplay.core.errors import DataError
from selfplay.ledger import AlarmEntry, Ledger, ReviewEntry, RubricEntry, RubricStatus, RunLock
from selfplay.paths import LEDGER


@dataclass(frozen=True)
class RubricHistory:
    """All rubric events of a run, in order."""

    entries: tuple[RubricEntry, ...]

    @property
    def in_force(self) -> RubricEntry | None:
        """The event that put the present version in force; None in a run without a rubric."""
        return next((e for e in reversed(self.entries) if e.status == "accepted"), None)

    @property
    def adopted(self) -> int:
        """Round in which the present version came into force; 0 as from the start."""
        return self.in_force.round if self.in_force is not None else 0

    @property
    def frozen(self) -> bool:
        """Whether no review may adopt anything."""
        asked = [e.status for e in self.entries if e.status in ("frozen", "thawed")]
        return bool(asked) and asked[-1] == "frozen"

    @property
    def next_version(self) -> int:
        """The number of the next candidate, also where the last ones were rejected."""
        return max((entry.version for entry in self.entries), default=0) + 1

    def entry(self, version: int | None = None) -> RubricEntry:
        """How a version came to be: what was decided, else its proposal; in force for None.

        Raises:
            DataError: there is no such version, or none is in force.
        """
        if version is None:
            if self.in_force is None:
                raise DataError("the run has no rubric; set meta.rubric in its configuration")
            version = self.in_force.version
        events = [e for e in self.entries if e.version == version]
        found = next((e for e in events if e.status != "proposed"), next(iter(events), None))
        if found is None:
            known = sorted({entry.version for entry in self.entries})
            raise DataError(
                f"expected a rubric version of the run, found {version}; known: "
                f"{', '.join(map(str, known)) or 'none'}"
            )
        return found

    def rubric(self, version: int | None = None) -> RubricSet:
        """The rubric of a version; the one in force for None.

        Raises:
            DataError: as `entry`.
        """
        return rubric_set_from_yaml(self.entry(version).text)

    def standing(self, version: int) -> str:
        """`in force`, `replaced`, `rolled back`, `rejected`, or `waiting` for the gate."""
        if self.in_force is not None and self.in_force.version == version:
            return "in force"
        decided = [
            e.status
            for e in self.entries
            if e.version == version and e.status in ("accepted", "rejected", "rolled_back")
        ]
        if not decided:
            return "waiting"
        return "replaced" if decided[-1] == "accepted" else decided[-1].replace("_", " ")

    def ancestors(self, version: int) -> list[int]:
        """The version, the one it was made from, and so on to the first."""
        found = [version]
        parent = self.entry(version).parent
        while parent is not None and parent not in found:
            found.append(parent)
            parent = self.entry(parent).parent
        return found

    def versions(self) -> list[RubricEntry]:
        """How each version came to be, by number."""
        return [self.entry(version) for version in sorted({e.version for e in self.entries})]

    def described(self, version: int | None = None) -> dict[str, Any]:
        """Plain data: how a version came to be, and its standing; the one in force for None.

        Raises:
            DataError: as `entry`.
        """
        entry = self.entry(version)
        return {**entry._asdict(), "standing": self.standing(entry.version)}

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        versions = [self.described(entry.version) for entry in self.versions()]
        return {"frozen": self.frozen, "versions": versions}

    def past_edits(self) -> tuple[PastEdit, ...]:
        """What became of all candidates, for a reviewer that learns from it."""
        return tuple(
            PastEdit(
                entry.version,
                tuple(words_of(self.differences(entry.parent, entry.version))),
                {"rejected": "rejected", "rolled back": "rolled_back"}.get(
                    self.standing(entry.version), "held"
                ),
                entry.reason,
            )
            for entry in self.versions()
            if entry.parent is not None and self.standing(entry.version) != "waiting"
        )

    def differences(self, before: int | None, after: int | None) -> dict[str, RubricDiff]:
        """By cluster, what changed from one version to another; None is the one in force."""
        return diff_sets(self.rubric(before), self.rubric(after))


def words_of(changes: dict[str, RubricDiff]) -> list[str]:
    """The changes in words, a line each, behind the name of their cluster."""
    return [
        line if name == DEFAULT else f"{name}: {line}"
        for name, change in changes.items()
        for line in change.words()
    ]


def rubric_history(directory: Path) -> RubricHistory:
    """The rubric events of the run in `directory`, which may be live.

    Returns:
        All of them in order, which say what became of each version.

    Raises:
        LedgerError: there is no readable ledger.
    """
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        return RubricHistory(tuple(ledger.rubrics()))


def rollback(directory: Path, version: int | None = None, reason: str = "") -> RubricEntry:
    """Puts an older version in force again.

    Versions between it and the one in force are withdrawn: reviewers are told that they did not
    hold. Nothing is deleted.

    Args:
        directory: of the run.
        version: the one to go back to; None for the one that the present one was made from.
        reason: kept with the event.

    Returns:
        The event that put it in force.

    Raises:
        DataError: no such version, it was never in force, or it is in force now.
        LedgerError: the run is being played.
    """
    with ExitStack() as stack:
        ledger, history = _owned(stack, directory)
        present = history.entry()
        target = history.entry(_before(history, present) if version is None else version)
        _refuse_rollback(history, present, target)
        why = reason or f"rolled back from version {present.version} by hand"
        kept = history.ancestors(target.version)
        t = ledger.last_round()
        with ledger.transaction():
            for withdrawn in history.ancestors(present.version):
                if withdrawn not in kept:
                    old = history.entry(withdrawn)
                    ledger.add_rubric(withdrawn, old.parent, old.text, "rolled_back", why, t)
            ledger.add_rubric(target.version, target.parent, target.text, "accepted", why, t)
        return ledger.rubrics()[-1]


def _before(history: RubricHistory, present: RubricEntry) -> int:
    if present.parent is None:
        raise DataError(
            f"version {present.version} is the first: there is none to go back to; name a version"
        )
    return present.parent


def _refuse_rollback(history: RubricHistory, present: RubricEntry, target: RubricEntry) -> None:
    if target.version == present.version:
        raise DataError(f"version {target.version} is in force already")
    accepted = {entry.version for entry in history.entries if entry.status == "accepted"}
    if target.version not in accepted:
        raise DataError(
            f"version {target.version} was rejected and never in force ({target.reason}); go back "
            f"to one of {', '.join(map(str, sorted(accepted)))}"
        )


def freeze(directory: Path, frozen: bool = True, reason: str = "") -> RubricEntry | None:
    """Keeps the version in force from now on, or (`frozen=False`) lets reviews change it again.

    Returns:
        The event; None where the run was like that already.

    Raises:
        DataError: the run has no rubric.
        LedgerError: the run is being played.
    """
    with ExitStack() as stack:
        ledger, history = _owned(stack, directory)
        present = history.entry()
        if history.frozen == frozen:
            return None
        status: RubricStatus = "frozen" if frozen else "thawed"
        why, t = reason or "by hand", ledger.last_round()
        ledger.add_rubric(present.version, present.parent, present.text, status, why, t)
        return ledger.rubrics()[-1]


def _owned(stack: ExitStack, directory: Path) -> tuple[Ledger, RubricHistory]:
    """The run's ledger, owned by this process until the stack closes, and its rubric events."""
    Ledger.open(directory / LEDGER, read_only=True).close()
    stack.enter_context(RunLock(directory))
    ledger = stack.enter_context(Ledger.open(directory / LEDGER))
    return ledger, RubricHistory(tuple(ledger.rubrics()))


def in_force(entries: Sequence[RubricEntry]) -> RubricSet | None:
    """The rubric that the events put in force last; None without one."""
    history = RubricHistory(tuple(entries))
    return history.rubric() if history.in_force is not None else None


@dataclass(frozen=True)
class ReviewHistory:
    """What meta saw and did."""

    directory: Path
    alarms: tuple[AlarmEntry, ...]
    reviews: tuple[ReviewEntry, ...]
    anchors: Mapping[tuple[str, str], int]
    """Anchored responses by part and origin."""

    def rounds_of(self) -> dict[tuple[str, str], list[AlarmEntry]]:
        """The alarms by monitor and action, as they first came up."""
        found: dict[tuple[str, str], list[AlarmEntry]] = {}
        for alarm in self.alarms:
            found.setdefault((alarm.monitor, alarm.action), []).append(alarm)
        return found

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "alarms": [alarm._asdict() for alarm in self.alarms],
            "reviews": [review._asdict() for review in self.reviews],
            "anchors": [
                {"part": part, "origin": origin, "responses": n}
                for (part, origin), n in self.anchors.items()
            ],
        }


def review_history(directory: Path) -> ReviewHistory:
    """What meta saw and did in the run in `directory`, which may be live.

    Returns:
        Its alarms and reviews in order, and how many anchors it has.

    Raises:
        LedgerError: there is no readable ledger.
    """
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        newest = {(a.prompt_id, a.response): a.origin for a in ledger.anchors()}
        counts = Counter((part_of(id_), origin) for (id_, _), origin in newest.items())
        return ReviewHistory(
            directory, tuple(ledger.alarms()), tuple(ledger.reviews()), dict(sorted(counts.items()))
        )
