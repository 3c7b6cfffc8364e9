"""The ledger: what a run has made, and the bus between its stages.

A stage reads its inputs here and writes its outputs here. The driver is the only writer; reports
read at the same time. Every method that writes is a transaction of its own, or joins the one in
progress; `commit` makes a stage's writes, its row and its metrics one transaction. `t` is a round.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from selfplay.core.errors import LedgerError
from selfplay.core.models.metering import Spent
from selfplay.core.types import (
    Comparison,
    Composition,
    Estimate,
    Group,
    Prompt,
    Rejection,
    Verdict,
)
from selfplay.ledger import census, cutting, journal, pool, reviews, seals, versions
from selfplay.ledger import groups as groups_
from selfplay.ledger.codec import canonical_json, reads_rows
from selfplay.ledger.database import QUICK_CHECK_BYTES, Database
from selfplay.ledger.digest import digest
from selfplay.ledger.entries import (
    AlarmEntry,
    AnchorEntry,
    CostEntry,
    EndingEntry,
    MetricEntry,
    PolicyEntry,
    ReviewEntry,
    RubricEntry,
    RubricStatus,
    StageRecord,
    UsageEntry,
)
from selfplay.ledger.groups import Decode
from selfplay.ledger.recent import Recent

LAST_CHECKED = 8
"""Rounds of a large ledger that are checked before it is played on; others when they are read."""


class Ledger:
    """An open ledger. A context manager that closes itself.

    Writing raises `ResourceError` when the disk is full, failing or read-only, and `LedgerError`
    when what is written contradicts what is there; either way nothing of the transaction is kept
    and all that was committed before stays.
    """

    decode: Decode | None = None
    """Token ids to texts. Set by the game; without it, texts are stored next to the token ids."""
    reply_limit: int = 0
    """Characters of each of a judging model's replies that are kept; 0: none. Set by the game."""

    def __init__(self, database: Database, recent: Recent) -> None:
        self._database = database
        self._recent = recent
        self._checked: set[int] = set()

    @classmethod
    def create(
        cls, path: Path, settings: Mapping[str, Any], environment: Mapping[str, Any]
    ) -> Ledger:
        """A new ledger in the file `path`, whole or not at all.

        Raises:
            LedgerError: there is one already.
            ResourceError: the directory cannot be made or written.
        """
        created = datetime.now(UTC).isoformat(timespec="seconds")
        rows = {"settings": settings, "environment": environment, "created": {"at": created}}
        Database.create(path, [(key, canonical_json(value)) for key, value in rows.items()])
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Ledger:
        """The ledger in the file `path`.

        Raises:
            LedgerError: missing, no ledger, damaged, or written by a newer program.
            ResourceError: it cannot be written (or, with `read_only`, not even read).
        """
        recent = Recent(group_sets=0, prompts=0) if read_only else Recent()
        return cls(Database.open(path, read_only=read_only), recent)

    def copy(self, path: Path, t: int, parent: str) -> None:
        """Makes a new ledger that stands where this one stood after round `t`; see `cutting`.

        Args:
            path: of the new file.
            t: a round that is recorded.
            parent: this run, in words, for `fork`.

        Raises:
            LedgerError: the round is not recorded, or there is a file already.
            ResourceError: the directory cannot be written, or the disk is full.
        """
        self._database.copy(path, partial(cutting.cut, t=t, parent=parent))

    def close(self) -> None:
        """Closes the file; what is not committed is dropped."""
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # The run

    @property
    def settings(self) -> dict[str, Any]:
        """The run's resolved configuration."""
        return self._run("settings")

    @property
    def environment(self) -> dict[str, Any]:
        """The machine and the libraries that the run was created with."""
        return self._run("environment")

    @property
    def fork(self) -> dict[str, Any] | None:
        """What the run was forked from: `parent`, `round`, `digest`; None where it was not."""
        known = self._database.rows("SELECT 1 FROM run WHERE key = 'fork'")
        return self._run("fork") if known else None

    @property
    def scales(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest reward by a task's name, infinite where there is no bound.

        Empty of a run whose release did not keep them.
        """
        return census.scales(self._database)

    def keep_scales(self, scales: Mapping[str, tuple[float, float]]) -> None:
        """Writes the scales that responses are judged on; the digest leaves them out."""
        kept = {name: [str(bound) for bound in bounds] for name, bounds in scales.items()}
        with self.transaction():
            self._database.write(
                "INSERT OR REPLACE INTO run (key, value) VALUES ('scales', ?)",
                [(canonical_json(kept),)],
            )

    def amend_settings(self, settings: Mapping[str, Any]) -> None:
        """Replaces the configuration, for differences that do not mix experiments."""
        with self.transaction():
            self._database.write(
                "UPDATE run SET value = ? WHERE key = 'settings'", [(canonical_json(settings),)]
            )

    def sealed(self) -> list[int]:
        """The rounds that can be checked: those recorded since releases seal them."""
        return seals.sealed(self._database)

    def check_seals(self, rounds: Iterable[int] | None = None) -> None:
        """Checks, once, that rounds are what was recorded; unsealed ones are passed over.

        Args:
            rounds: which; None: all of a small file, the last ones of a large one.

        Raises:
            LedgerError: the file was damaged; says which parts of which round.
        """
        if rounds is None:
            small = self._database.path.stat().st_size <= QUICK_CHECK_BYTES
            rounds = self.sealed()[0 if small else -LAST_CHECKED :]
        for t in rounds:
            if t not in self._checked and (parts := seals.broken(self._database, t)):
                raise LedgerError(
                    f"{self._database.path}: round {t} is not what was recorded (its "
                    f"{', '.join(parts)} differ), so the disk or a copy has damaged the file. "
                    "Restore it from a copy"
                    + (f", or go on from the round before with `fork --round {t - 1}`" if t else "")
                )
            self._checked.add(t)

    def digest(self) -> str:
        """64 hex digits that depend on all that the run has made; see `selfplay.ledger.digest`."""
        return digest(self._database)

    # Stages

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes of the block are kept, or none. A block inside of another one joins it."""
        kept = False
        try:
            with self._database.transaction():
                yield
            kept = True
        finally:
            if not kept:
                self._recent.clear()

    @contextmanager
    def commit(self, t: int, stage: str) -> Iterator[StageRecord]:
        """The block's writes, the stage's row and its metrics in one transaction.

        The stage `record` seals its round.

        Raises:
            LedgerError: the stage was done before.
        """
        with self.transaction():
            if self.stage_done(t, stage):
                raise LedgerError(
                    f"{self._database.path}: stage '{stage}' of round {t} was done before; "
                    "ask `stage_done` first"
                )
            record = StageRecord(t, stage)
            yield record
            journal.add_stage(self._database, record)
            if stage == "record":
                seals.seal(self._database, t)

    def stage_done(self, t: int, stage: str) -> bool:
        """Whether the stage was committed."""
        query = "SELECT 1 FROM stages WHERE round = ? AND stage = ?"
        return bool(self._database.rows(query, t, stage))

    def stages(self) -> list[tuple[int, str]]:
        """(round, stage) of all that was committed, in order."""
        return journal.stages(self._database)

    def last_round(self) -> int:
        """The last round whose `record` stage is done; 0 if there is none."""
        return self._count("SELECT coalesce(max(round), 0) FROM stages WHERE stage = 'record'")

    def metrics(self, name: str | None = None, since: int = 0) -> list[MetricEntry]:
        """The numbers of all stages, or those called `name`, from round `since` on, by round."""
        return journal.metrics(self._database, name, since)

    def oldest(self, stage: str, name: str, last: int, count: int) -> list[tuple[int, float]]:
        """Rounds and values of the first `count` up to round `last`; NaN is left out."""
        return journal.known(self._database, stage, name, last, count, newest=False)

    def newest(self, stage: str, name: str, last: int, count: int) -> list[tuple[int, float]]:
        """Rounds and values of the last `count` up to round `last`, by round; NaN is left out."""
        return journal.known(self._database, stage, name, last, count, newest=True)

    def highest(self, stage: str, name: str, last: int) -> float | None:
        """The highest value up to round `last`; None without any."""
        return journal.highest(self._database, stage, name, last)

    def total(self, name: str, last: int) -> float:
        """The sum of the numbers called `name` of all stages up to round `last`."""
        query = "SELECT coalesce(sum(value), 0.0) FROM metrics WHERE name = ? AND round <= ?"
        return float(self._database.rows(query, name, last)[0][0])

    def stage_metrics(self, t: int, stage: str) -> dict[str, float]:
        """The numbers of one stage, by name."""
        return journal.stage_metrics(self._database, t, stage)

    def round_metrics(self, t: int) -> dict[str, float]:
        """The numbers of all stages of one round, as `stage/name`."""
        return journal.round_metrics(self._database, t)

    def add_ending(self, entry: EndingEntry) -> None:
        """Notes that the run ends with a round, and why."""
        journal.add_ending(self._database, entry)

    def lift_ending(self, t: int) -> None:
        """Notes that the run goes on though it had ended with round `t`."""
        journal.lift_ending(self._database, t)

    def endings(self) -> list[EndingEntry]:
        """All of them, by round; at most the last one is not lifted."""
        return journal.endings(self._database)

    def ending(self, t: int) -> EndingEntry | None:
        """Why the run ends with round `t`; None where it does not, or does no longer."""
        found = [entry for entry in self.endings() if entry.round == t and not entry.lifted]
        return found[0] if found else None

    def add_cost(
        self,
        t: int,
        stage: str,
        role: str,
        seconds: float,
        tokens_in: int = 0,
        tokens_out: int = 0,
        peak_bytes: int | None = None,
    ) -> None:
        """Notes what a piece of work took. The digest leaves costs out."""
        cost = CostEntry(t, stage, role, seconds, tokens_in, tokens_out, peak_bytes)
        journal.add_cost(self._database, cost)

    def costs(self) -> list[CostEntry]:
        """All costs, in order."""
        return journal.costs(self._database)

    def seconds(self, role: str) -> float:
        """What all costs of one role took together."""
        query = "SELECT coalesce(sum(seconds), 0.0) FROM costs WHERE role = ?"
        return float(self._database.rows(query, role)[0][0])

    def seconds_before(self, role: str, other: str) -> float:
        """What the costs of one role took in the rounds before the first cost of another."""
        query = "SELECT min(round) FROM costs WHERE role = ?"
        first = self._database.rows(query, other)[0][0]
        if first is None:
            return self.seconds(role)
        query = "SELECT coalesce(sum(seconds), 0.0) FROM costs WHERE role = ? AND round < ?"
        return float(self._database.rows(query, role, first)[0][0])

    def add_usages(self, t: int, stage: str, role: str, spent: Sequence[Spent]) -> None:
        """Notes what a piece of work took of models behind servers (`metering`)."""
        entries = [UsageEntry(t, stage, role, *astuple(entry)) for entry in spent]
        journal.add_usages(self._database, entries)

    def usages(self) -> list[UsageEntry]:
        """What models behind servers took, in order."""
        return journal.usages(self._database)

    # Prompts

    def add_prompts(self, prompts: Iterable[Prompt]) -> None:
        """Writes the prompts that are not there yet; of equal prompts the first lineage stays."""
        pool.add_prompts(self._database, prompts)

    def prompts(self, ids: Sequence[str]) -> list[Prompt]:
        """The prompts in the order of `ids`; an unknown id is a `LedgerError`."""
        known = self._recent.prompts(ids)
        read = pool.prompts(self._database, [id_ for id_ in ids if id_ not in known])
        self._recent.keep_prompts(read)
        known |= {prompt.id: prompt for prompt in read}
        return [known[id_] for id_ in ids]

    def made_by(self, operator: str) -> list[Prompt]:
        """The prompts of one operator (or `original`, `heldout`, `imported`), as they arrived."""
        return pool.made_by(self._database, operator)

    def ids_made_by(self, operator: str) -> list[str]:
        """Ids of the prompts of one operator, as they arrived."""
        return pool.ids_made_by(self._database, operator)

    def known(self, ids: Collection[str]) -> set[str]:
        """Those of `ids` that were asked anything, if only by a probe."""
        return pool.known(self._database, ids)

    def prompt_count(self) -> int:
        """Prompts that were asked anything."""
        return self._count("SELECT count(*) FROM prompts")

    # The archive: prompts that were admitted

    def admit(self, prompts: Sequence[Prompt]) -> None:
        """Takes the prompts into the archive that are not there yet; those there stay as they are.

        One that was only probed before has the lineage that it is admitted with from now on.
        """
        with self.transaction():
            pool.admit(self._database, prompts)
            self._recent.forget_prompts(prompts)

    def archived(self, ids: Collection[str]) -> set[str]:
        """Those of `ids` that were admitted."""
        return pool.archived(self._database, ids)

    def archive_size(self) -> int:
        """Prompts that were admitted, evolved ones included, held-out ones left out."""
        return pool.archive_size(self._database)

    def archive_ids(self, start: int = 0) -> Iterator[str]:
        """Their ids in order of admission, from the one at place `start`."""
        return pool.archive_ids(self._database, start)

    def add_composition(self, t: int, composition: Composition) -> None:
        """Admits a round's prompts; writes which they are, its estimates and rejections."""
        with self.transaction():
            pool.add_composition(self._database, t, composition)
            self._recent.forget_prompts(composition.prompts)

    def extend_composition(
        self, t: int, prompts: Sequence[Prompt], rejections: Sequence[Rejection]
    ) -> None:
        """Admits further prompts of a round behind those that it has; writes their rejections."""
        with self.transaction():
            pool.extend_composition(self._database, t, prompts, rejections)
            self._recent.forget_prompts(prompts)

    def composition(self, t: int) -> tuple[Prompt, ...]:
        """A round's prompts in their order; empty when it has not been composed."""
        return tuple(self.prompts(pool.composed_ids(self._database, t)))

    def estimates(self, since: int = 0) -> list[Estimate]:
        """What the compositions of round `since` and later rested on, oldest first."""
        return pool.estimates(self._database, since)

    def rejections(self, t: int | None = None) -> list[Rejection]:
        """Which children a round (None: every one) did not admit."""
        return pool.rejections(self._database, t)

    def add_judgings(self, t: int, fingerprints: Iterable[str]) -> None:
        """Notes the judgings in force while a round was composed: clusters of prompts have own."""
        with self.transaction():
            pool.add_judgings(self._database, t, fingerprints)

    def judgings(self, t: int) -> frozenset[str]:
        """Those of round t; none where an older release composed it."""
        return pool.judgings(self._database, t)

    # Groups

    def add_groups(self, t: int, label: str, start: int, groups: Sequence[Group]) -> None:
        """Writes a chunk of groups at positions `start`, `start` + 1, …; judged or not.

        Their prompts are added where they are not there yet.
        """
        with self.transaction():
            groups_.add_groups(self._database, t, label, start, groups, self.decode)
            if self.group_count(t, label) == start + len(groups):
                self._recent.keep_groups(t, label, start, groups)
            else:
                self._recent.forget_groups(t, label)

    def groups(self, t: int, label: str) -> list[Group]:
        """The groups in position order, with verdicts where they are judged.

        Raises:
            LedgerError: there are texts to derive from token ids, and `decode` is not set; or the
                round's rows are not those that were recorded.
        """
        self.check_seals([t])
        known = self._recent.groups(t, label)
        if known is None:
            known = groups_.groups(self._database, t, label, self.decode)
            self._recent.keep_groups(t, label, 0, known)
        return known

    def forget(self) -> None:
        """Drops what is kept in memory: what is read next comes from the file."""
        self._recent.clear()

    def group_count(self, t: int, label: str) -> int:
        """How many groups there are, judged or not."""
        return self._count("SELECT count(*) FROM groups WHERE round = ? AND label = ?", t, label)

    def judged_count(self, t: int, label: str) -> int:
        """How many groups are judged."""
        query = "SELECT count(*) FROM groups WHERE round = ? AND label = ? AND judged"
        return self._count(query, t, label)

    def labels(self, t: int) -> list[str]:
        """The labels under which a round has groups."""
        query = "SELECT DISTINCT label FROM groups WHERE round = ? ORDER BY label"
        return [label for (label,) in self._database.rows(query, t)]

    def add_verdicts(
        self,
        t: int,
        label: str,
        start: int,
        verdicts: Sequence[Sequence[Verdict]],
        fingerprints: str | Sequence[str],
    ) -> None:
        """Judges the groups at `start`, `start` + 1, …, which were written unjudged.

        Of the judging models' replies as much is kept as `reply_limit` says. `fingerprints`: of the
        judging, one for all of them or one for each.
        """
        names = fingerprints
        if isinstance(names, str):
            names = [names] * len(verdicts)
        kept = [[_cut(verdict, self.reply_limit) for verdict in row] for row in verdicts]
        bare = [[_cut(verdict, 0) for verdict in row] for row in verdicts]
        with self.transaction():
            groups_.add_verdicts(self._database, t, label, start, kept, names)
            self._recent.keep_verdicts(t, label, start, bare, names)

    def with_replies(self, t: int, label: str) -> list[Group]:
        """The groups in position order, their verdicts with what judging models wrote.

        Raises:
            LedgerError: as `groups`.
        """
        replies = groups_.replies(self._database, t, label)
        return [
            replace(
                group,
                verdicts=tuple(
                    replace(verdict, replies=replies.get((p, g), ()))
                    for g, verdict in enumerate(group.verdicts)
                ),
            )
            for p, group in enumerate(self.groups(t, label))
        ]

    def clear_verdicts(self, t: int, label: str) -> None:
        """Makes the groups unjudged again; their comparisons go too, the responses stay."""
        groups_.clear_verdicts(self._database, t, label)
        self._recent.forget_groups(t, label)

    def add_comparisons(
        self, t: int, label: str, start: int, comparisons: Sequence[Sequence[Comparison]]
    ) -> None:
        """Writes the comparisons inside the groups at `start`, `start` + 1, …"""
        groups_.add_comparisons(self._database, t, label, start, comparisons)

    def comparisons(self, t: int, label: str) -> list[list[Comparison]]:
        """For each group, in position order, the comparisons inside it."""
        return groups_.comparisons(self._database, t, label)

    # Versions

    def add_rubric(
        self,
        version: int,
        parent: int | None,
        text: str,
        status: RubricStatus,
        reason: str,
        t: int,
    ) -> None:
        """Notes an event in the life of a rubric version; one version may have several."""
        entry = RubricEntry(version, parent, text, status, reason, t)
        with self._adding("rubrics", [t]):
            versions.add_rubric(self._database, entry)

    def rubrics(self) -> list[RubricEntry]:
        """All events of all rubric versions, in order."""
        return versions.rubrics(self._database)

    # Reviews of the rubric

    def add_anchors(self, prompts: Iterable[Prompt], entries: Sequence[AnchorEntry]) -> None:
        """Appends anchors; `prompts` are theirs, added where they are not there yet."""
        with self._adding("anchors", [entry.round for entry in entries]):
            self.add_prompts(prompts)
            reviews.add_anchors(self._database, entries)

    def anchors(self) -> list[AnchorEntry]:
        """All anchors, in the order in which they were appended."""
        return reviews.anchors(self._database)

    def add_alarms(self, entries: Sequence[AlarmEntry]) -> None:
        """Writes the alarms of one round."""
        with self._adding("alarms", [entry.round for entry in entries]):
            reviews.add_alarms(self._database, entries)

    def alarms(self) -> list[AlarmEntry]:
        """All alarms, oldest first."""
        return reviews.alarms(self._database)

    def add_review(self, entry: ReviewEntry) -> None:
        """Writes what became of a round's review."""
        with self._adding("review", [entry.round]):
            reviews.add_review(self._database, entry)

    def reviews(self) -> list[ReviewEntry]:
        """All reviews, oldest first."""
        return reviews.reviews(self._database)

    # Policies

    def add_policy(self, version: int, t: int, sha256: str, saved: bool) -> None:
        """Notes a policy version; noting it again (a replay) may only change `saved`.

        Raises:
            LedgerError: the version is there with other weights or another round.
        """
        with self._adding("policies", [t]):
            versions.add_policy(self._database, PolicyEntry(version, t, sha256, saved))

    def mark_saved(self, version: int, saved: bool) -> None:
        """Notes that a policy version's directory was written or deleted; not in the digest."""
        versions.mark_saved(self._database, version, saved)

    def policies(self) -> list[PolicyEntry]:
        """All policy versions, in order."""
        return versions.policies(self._database)

    @contextmanager
    def _adding(self, part: str, rounds: Iterable[int]) -> Iterator[None]:
        """A transaction that adds to a part of rounds; of recorded ones, that part is sealed anew.

        A command or a fork may add to what is recorded; damage to it is refused first.
        """
        with self.transaction():
            own = sorted(set(rounds))
            self.check_seals(own)
            yield
            for t in own:
                seals.seal_again(self._database, t, part)

    def _count(self, query: str, *values: Any) -> int:
        return int(self._database.rows(query, *values)[0][0])

    @reads_rows
    def _run(self, key: str) -> dict[str, Any]:
        value = self._database.rows("SELECT value FROM run WHERE key = ?", key)[0][0]
        return dict(json.loads(value))


def _cut(verdict: Verdict, limit: int) -> Verdict:
    """The verdict with so many characters of each reply; with none of them at 0."""
    if not verdict.replies:
        return verdict
    return replace(verdict, replies=tuple(r[:limit] for r in verdict.replies if limit))
