"""What the creator knows of the prompts that were asked: a pool, folded round by round.

The estimates of round t are a function of the groups they rest on, of the pool after the rounds
before t, and of a generator named by the run's seed and t. The pool takes them in only when a later
step needs them, so composing a round twice counts it once. A run that goes on folds the groups of
the rounds before in the same way, and so comes to the same pool.

What is stored with a prompt is what it is worth: where an estimator holds responses back, the value
from those (`held_P`), while parents are always drawn by the value that chooses (`values_P`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from creator.config import CreatorConfig
from creator.estimators.evidence import Estimated, Estimator, evidence_of, stamped
from creator.estimators.trial import usable
from creator.pool import Pool
from creator.pool_index import numbers
from creator.samplers.candidates import Candidates
from selfplay.core.seeding import Seed
from selfplay.core.types import Estimate, Group, Now, Prompt

History: TypeAlias = Callable[[int], Sequence[Group]]
"""From an earlier round to the judged groups that its estimates rest on."""


class Archive(Protocol):
    """What the creator asks of the run's ledger."""

    def prompts(self, ids: Sequence[str]) -> list[Prompt]:
        """The prompts with these ids, in their order."""

    def estimates(self, since: int = 0) -> list[Estimate]:
        """Every estimate made in round `since` or later, oldest first."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Estimates from groups of one policy version and one judging, each prompt once."""

    groups: Sequence[Group]
    rows: NDArray[np.intp]
    """Of the prompts, in the pool."""
    now: Now
    """The round of the estimates; the policy version and the judging of the groups."""
    made: Estimated

    def stamped(self, metric: str) -> list[Estimate]:
        """The estimates as they are stored."""
        made = self.made
        if made.held_P is not None:
            whole_P = np.array([np.isfinite(group.rewards).sum() for group in self.groups])
            made = replace(made, values_P=made.held_P, counts_P=whole_P - made.counts_P)
        return stamped(self.groups, made, metric, self.now.round)


@dataclass(frozen=True, eq=False)
class Eligible:
    """The prompts that parents may be drawn from."""

    prompts: Sequence[Prompt]
    columns: Candidates
    """As the sampler reads them, in the prompts' order."""

    def __len__(self) -> int:
        return len(self.prompts)


class Memory:
    """The pool of a run, its estimator, and whom they make eligible."""

    def __init__(
        self, config: CreatorConfig, archive: Archive, history: History, seed: Seed
    ) -> None:
        """Knows nothing yet.

        Args:
            config: the estimator, and how many rounds a prompt stays eligible.
            archive: the run's prompts and stored estimates.
            history: groups of earlier rounds, asked for when the run goes on.
            seed: of the run.

        Raises:
            ConfigError: the estimator reads what groups do not hold.
        """
        self._estimator: Estimator = usable(config.estimator)
        self._metric: str = config.estimator.name
        self._rounds = config.memory
        self._archive, self._history, self._seed = archive, history, seed
        self._pool = Pool()
        self._folded = 0
        self._pending: tuple[int, list[Measured]] = (0, [])

    def measure(self, t: int, groups: Sequence[Group]) -> list[Measured]:
        """The estimates of round t."""
        self._fold(t - 1)
        found = self._measured(t, groups, self._seed.at(t, "estimate"))
        self._pending = (t, found)
        return found

    def measure_within(self, t: int, groups: Sequence[Group], seed: Seed) -> list[Measured]:
        """Estimates from round t's own groups; they are forgotten, for round t + 1 makes them."""
        self._fold(t)
        return self._measured(t, groups, seed)

    def estimates(self, measured: Sequence[Measured]) -> list[Estimate]:
        """All of them as they are stored."""
        return [made for part in measured for made in part.stamped(self._metric)]

    def eligible(self, now: Now, measured: Sequence[Measured]) -> Eligible:
        """The prompts measured now, and those whose newest estimate is young enough.

        A stored estimate made under another judging fingerprint is stale and left out.
        """
        newest = {
            stored.prompt_id: stored.fingerprint
            for stored in self._archive.estimates(now.round - self._rounds + 1)
            if stored.metric == self._metric
        }
        ids = [id_ for id_, judging in newest.items() if judging == now.fingerprint]
        ids += [group.prompt.id for part in measured for group in part.groups]
        prompts = self._archive.prompts(list(dict.fromkeys(ids)))
        return Eligible(prompts, self._columns(prompts, now, measured))

    def _columns(
        self, prompts: Sequence[Prompt], now: Now, measured: Sequence[Measured]
    ) -> Candidates:
        """What the pool knows of the prompts, and in its place what was measured now."""
        rows = self._rows(prompts)
        scores_P = self._pool.candidates(now).scores_P[rows].astype(np.float64)
        state = self._pool.state(rows, now)
        places = {prompt.id: i for i, prompt in enumerate(prompts)}
        for part in measured:
            at = [places[group.prompt.id] for group in part.groups]
            scores_P[at] = part.made.values_P
            for name in ("seen_P", "successes_P", "failures_P"):
                getattr(state, name)[at] = getattr(part.made.state, name)
            state = replace(state, tasks_K=part.made.state.tasks_K)
        return Candidates(
            scores_P=scores_P,
            ages_P=now.round - state.seen_P,
            successes_P=state.successes_P,
            failures_P=state.failures_P,
            tasks_P=self._pool.codes([prompt.task for prompt in prompts]),
            task_names=self._pool.tasks,
            tasks_K=state.tasks_K if len(state.tasks_K) else None,
        )

    def _fold(self, last: int) -> None:
        """Takes the estimates of all rounds up to `last` into the pool."""
        for t in range(self._folded + 1, last + 1):
            pending, found = self._pending
            if pending != t:
                found = self._measured(t, self._history(t), self._seed.at(t, "estimate"))
            for part in found:
                self._pool.update(part.rows, part.made, part.now)
            self._folded = t

    def _measured(self, t: int, groups: Sequence[Group], seed: Seed) -> list[Measured]:
        """Estimates by the pool as it is, judging by judging."""
        found: list[Measured] = []
        rng = seed.numpy()
        for alike in by_judging(groups):
            now = Now(t, alike[0].policy_version, alike[0].fingerprint)
            prompts = [group.prompt for group in alike]
            rows = self._rows(prompts)
            state = self._pool.state(rows, now)
            if found:
                state = replace(state, tasks_K=found[-1].made.state.tasks_K)
            tasks_P = self._pool.codes([prompt.task for prompt in prompts])
            made = self._estimator(evidence_of(alike, t, tasks_P, state), rng)
            found.append(Measured(alike, rows, now, made))
        return found

    def _rows(self, prompts: Sequence[Prompt]) -> NDArray[np.intp]:
        """Where the prompts are in the pool; new ones come in.

        Prompts come in, and tasks get their codes, in the order in which the run's groups have
        them, whenever that is: so neither depends on where a run stopped.
        """
        tasks_P = self._pool.codes([prompt.task for prompt in prompts])
        return self._pool.add(numbers([prompt.id for prompt in prompts]), tasks_P)


def by_judging(groups: Sequence[Group]) -> list[list[Group]]:
    """The groups by policy version and judging fingerprint, all groups of a prompt made one."""
    found: dict[tuple[int, str], dict[str, Group]] = {}
    for group in groups:
        alike = found.setdefault((group.policy_version, group.fingerprint), {})
        other = alike.get(group.prompt.id)
        alike[group.prompt.id] = group if other is None else joined(other, group)
    return [list(alike.values()) for alike in found.values()]


def joined(group: Group, other: Group) -> Group:
    """Two judged groups of one prompt as one."""
    return replace(
        group,
        responses=(*group.responses, *other.responses),
        verdicts=(*group.verdicts, *other.verdicts),
    )
