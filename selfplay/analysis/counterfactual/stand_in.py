"""An alternative in the creator's place: it estimates and draws as the creator does, no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from creator.config import CreatorConfig
from creator.memory import Eligible, History, Memory
from creator.pool_index import texts
from creator.samplers.candidates import Sampler
from creator.samplers.shares import first_shares
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Now
from selfplay.ledger import Ledger


@dataclass(frozen=True)
class Pick:
    """What one alternative makes of one round."""

    name: str
    values: Mapping[str, float]
    """By the id of each eligible prompt; NaN where unknown."""
    shares: Mapping[str, float] | None
    """Their probabilities of being drawn first; None where the sampler's are not known."""
    drawn: Sequence[Sequence[str]]
    """Ids, draw by draw."""


class StandIn:
    """One alternative, with a memory of its own."""

    def __init__(
        self, name: str, config: CreatorConfig, ledger: Ledger, history: History, seed: Seed
    ) -> None:
        """Knows nothing yet.

        Args:
            name: of the alternative.
            config: its estimator and sampler.
            ledger: the run's, of which nothing but prompts is read.
            history: from a round to the groups that its estimates rest on.
            seed: of the run.

        Raises:
            ConfigError: the estimator reads what groups do not hold.
        """
        self.name = name
        self._config = config
        self._memory = Memory(config, ledger, history, seed, config.pool)
        self._sample: Sampler = config.sampler.build()

    def choose(
        self, now: Now, groups: Sequence[Group], lots: Sequence[Seed], replayed: int = 0
    ) -> Pick:
        """Estimates from the groups, and draws once with each of the lots.

        As many prompts as the run `replayed` in this round; parents, where it replayed none.
        """
        measured = self._memory.measure(now.round, groups)
        parents = max(1, round(self._config.parents * self._config.batch))
        return self._pick(self._memory.eligible(now, measured), replayed or parents, lots)

    def _pick(self, eligible: Eligible, count: int, lots: Sequence[Seed]) -> Pick:
        ids = texts(eligible.prompts.ids[eligible.prompts.rows])
        columns = eligible.columns
        shares_P = first_shares(self._config.sampler, columns)
        return Pick(
            self.name,
            values=dict(zip(ids, np.asarray(columns.scores_P, np.float64).tolist(), strict=True)),
            shares=None if shares_P is None else dict(zip(ids, shares_P.tolist(), strict=True)),
            drawn=[[ids[i] for i in self._sample(columns, count, lot.numpy())] for lot in lots],
        )
