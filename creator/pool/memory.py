"""What the creator knows of the prompts that were asked: a pool, folded round by round.

The estimates of round t are a function of the groups they rest on, of the pool after the rounds
before t, and of a generator named by the run's seed and t. The pool takes them in only when a later
step needs them, so composing a round twice counts it once; then those leave it that it has no room
for. A run that goes on folds the groups of the rounds before in the same way, and so comes to the
same pool; `PoolFile` spares it most of them.

What is stored with a prompt is what it is worth: where an estimator holds responses back, the value
from those (`held_P`), while parents are always drawn by the value that chooses (`values_P`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from creator.config import CreatorConfig
from creator.estimators.evidence import Estimator, evidence_of, required
from creator.estimators.staleness import discounted, trust
from creator.estimators.table import TrustOptions
from creator.pool.archive import LazyPrompts, PromptReader
from creator.pool.contents import Replacement
from creator.pool.dropping import dropped
from creator.pool.file import PoolFile
from creator.pool.measured import Measured, by_judging
from creator.pool.pool import Pool, numbers
from creator.pool.retirement import success_rates, visited
from creator.pool.table import PoolOptions
from creator.samplers.candidates import Candidates
from selfplay.core.seeding import Seed
from selfplay.core.types import Estimate, Group, Now, Prompt

History: TypeAlias = Callable[[int], Sequence[Group]]
"""From an earlier round to the judged groups that its estimates rest on."""


class PoolHistory(PromptReader, Protocol):
    """What is asked of the run's ledger."""

    def judgings(self, t: int) -> frozenset[str]:
        """The judging fingerprints in force when round t was composed; none where not recorded."""


@dataclass(frozen=True, eq=False)
class Eligible:
    """The prompts that parents may be drawn from."""

    prompts: LazyPrompts
    columns: Candidates
    """As the sampler reads them, by the prompts' places: the order in which they came."""

    def __len__(self) -> int:
        return len(self.columns)


class Memory:
    """The pool of a run, its estimator, and whom they make eligible."""

    def __init__(
        self,
        config: CreatorConfig,
        archive: PoolHistory,
        history: History,
        seed: Seed,
        pool: PoolOptions | None = None,
        directory: Path | None = None,
    ) -> None:
        """Knows nothing yet.

        Args:
            config: the estimator, and how many rounds a prompt stays eligible.
            archive: the run's prompts.
            history: groups of earlier rounds, asked for when the run goes on.
            seed: of the run.
            pool: which prompts stay; None: as configured.
            directory: for a copy of the pool; None: a run that goes on folds every round anew.

        Raises:
            ConfigError: the estimator reads what groups do not hold.
        """
        self._estimator: Estimator = config.estimator.build()
        self._metric: str = config.estimator.name
        self._rounds = config.memory
        self._options: PoolOptions = pool or config.pool
        self._replacement: Replacement = self._options.replacement.build()
        self._archive, self._history, self._seed = archive, history, seed
        fades = self._options.trust != TrustOptions()
        self._trust = self._options.trust if fades else None
        self._file = PoolFile(directory, (seed, config.estimator, self._options, "one scale"))
        self.pool = Pool()
        self._held = 0
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
        """The prompts measured now, and those of the pool whose newest estimate is young enough.

        An estimate made under another judging fingerprint is stale and left out; so are prompts
        that rest, those measured now as well.
        """
        may = self.pool.available(now, self._rounds)
        for part in measured:
            may[part.rows] = part.standing.rests_P <= now.round
        rows = np.flatnonzero(may)
        shelf = LazyPrompts(self._archive, self.pool.ids, rows)
        return Eligible(shelf, self._columns(rows, now, measured))

    def _columns(
        self, rows: NDArray[np.intp], now: Now, measured: Sequence[Measured]
    ) -> Candidates:
        """What the pool knows of the rows, and in its place what was measured now."""
        columns = self.pool.candidates(now).only(rows)
        for part in measured:
            columns = part.overwritten(columns, rows, now)
        if self._trust is None:
            return columns
        lags_P = self.pool.lags(now)[rows]
        for part in measured:
            places, _ = part.among(rows)
            lags_P[places] = now.policy_version - part.now.policy_version
        trust_P = trust(required(columns.ages_P, "ages_P", "trust"), lags_P, self._trust)
        return replace(columns, scores_P=discounted(columns.scores_P, trust_P))

    def _fold(self, last: int) -> None:
        """Takes the estimates of all rounds up to `last` into the pool."""
        if last > 0 and self._folded == len(self.pool) == 0:
            self._folded, self.pool = self._file.load(last, self._merged)
            self._held = len(self.pool)
        for t in range(self._folded + 1, last + 1):
            pending, found = self._pending
            if pending != t:
                found = self._measured(t, self._history(t), self._seed.at(t, "estimate"))
            for part in found:
                self.pool.update(part.rows, part.made, part.now)
                self.pool.stand(part.rows, part.standing)
            if found:
                # Those of clusters that have no prompt in this round are in force as well.
                alike = frozenset(part.now.fingerprint for part in found)
                in_force = alike | self._archive.judgings(t)
                self._make_room(replace(found[-1].now, alike=in_force))
            self._folded = t
            self._file.folded(t, [group for part in found for group in part.groups], self.pool)

    def _merged(self, t: int) -> list[Group]:
        """The groups of an earlier round as they are measured: each prompt once."""
        return [group for alike in by_judging(self._history(t)) for group in alike]

    def _make_room(self, now: Now) -> None:
        """Lets those prompts go that the pool has no room for."""
        contents = self.pool.contents(now, self._held, self._trust)
        going = dropped(contents, self.pool.tasks, self._options, self._replacement)
        if len(going):
            self.pool.remove(going)
        self._held = len(self.pool)

    def _measured(self, t: int, groups: Sequence[Group], seed: Seed) -> list[Measured]:
        """Estimates by the pool as it is, judging by judging."""
        found: list[Measured] = []
        rng = seed.numpy()
        for alike in by_judging(groups):
            now = Now(t, alike[0].policy_version, alike[0].fingerprint)
            prompts = [group.prompt for group in alike]
            rows = self._rows(prompts)
            state = self.pool.state(rows, now)
            if found:
                state = replace(state, tasks_K=found[-1].made.state.tasks_K)
            tasks_P = self.pool.codes([prompt.task for prompt in prompts])
            evidence = evidence_of(alike, t, tasks_P, state)
            rates_P = success_rates(evidence.rewards_PG, self._options.success)
            standing = visited(self.pool.standing(rows, now), rates_P, t, self._options.retire)
            made = self._estimator(evidence, rng)
            found.append(Measured(alike, rows, now, made, standing))
        return found

    def _rows(self, prompts: Sequence[Prompt]) -> NDArray[np.intp]:
        """Where the prompts are in the pool; new ones come in.

        Prompts come in, and names get their codes, in the order in which the run's groups have
        them, whenever that is: so neither depends on where a run stopped.
        """
        tasks_P = self.pool.codes([prompt.task for prompt in prompts])
        operators_P = self.pool.operator_codes([prompt.lineage.operator for prompt in prompts])
        return self.pool.add(numbers([prompt.id for prompt in prompts]), tasks_P, operators_P)
