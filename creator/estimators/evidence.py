"""What estimators read and give: columns over P prompts, everything in plain sight.

An estimator is a pure function: what it remembers of a prompt comes in with the evidence (`State`)
and goes out, changed, with the estimates. Missing is NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from creator.estimators.moments import FloatArray, IntArray, counts
from selfplay.core.errors import ConfigError
from selfplay.core.types import JUDGEMENT, Estimate, Group

NEVER = -1
"""The round in which a prompt was last scored that never was."""


@dataclass(frozen=True, eq=False)
class State:
    """What is remembered of P prompts, and of K tasks, from one estimate to the next.

    It is worth nothing under another judging fingerprint: start from a new one then.
    """

    successes_P: FloatArray
    """Successes seen, faded by forgetting; a prior's are not among them."""
    failures_P: FloatArray
    """As for successes."""
    best_P: FloatArray
    """The highest reward ever; NaN without any."""
    seen_P: IntArray
    """Round of the last scored responses, or `NEVER`."""
    visits_P: IntArray
    """How many estimates had scored responses."""
    tasks_K: FloatArray
    """Value of each task, by its code; tasks beyond the end are worth 0."""

    @classmethod
    def new(cls, size: int) -> State:
        """That of `size` prompts of which nothing is known."""
        zeros, never = np.zeros(size), np.full(size, NEVER)
        return cls(zeros, zeros, np.full(size, np.nan), never, np.zeros_like(never), np.zeros(0))


@dataclass(frozen=True, eq=False)
class Evidence:
    """Columns over P prompts with up to G responses each."""

    rewards_PG: FloatArray
    """NaN where missing, also past the end of a shorter group."""
    round: int = 0
    """The round in which the estimate is made."""
    tokens_PG: NDArray[Any] | None = None
    """Generated tokens of each response; NaN or 0 where there is none."""
    logps_PG: FloatArray | None = None
    """Log-probability of each response under the policy that sampled it, in nats; NaN: unknown."""
    judgements_PGJ: FloatArray | None = None
    """Each response's rewards by J judges, or by J repeats of one judge; NaN where missing."""
    policies_PG: IntArray | None = None
    """Which of several policies each response is from, counted from 0; below 0: from none."""
    tasks_P: IntArray | None = None
    """Code of each prompt's task, counted from 0."""
    state: State | None = None
    """What earlier estimates remember; None: nothing."""

    def __post_init__(self) -> None:
        shape = self.rewards_PG.shape
        if len(shape) != 2:
            raise ValueError(f"rewards_PG has two axes, prompts and responses; found {shape}")
        columns = {
            "tokens_PG": (self.tokens_PG, shape),
            "logps_PG": (self.logps_PG, shape),
            "policies_PG": (self.policies_PG, shape),
            "judgements_PGJ": (self.judgements_PGJ, shape),
            "tasks_P": (self.tasks_P, shape[:1]),
            "state": (None if self.state is None else self.state.seen_P, shape[:1]),
        }
        for name, (column, expected) in columns.items():
            if column is not None and column.shape[: len(expected)] != expected:
                raise ValueError(f"{name}: expected {expected} first, found {column.shape}")

    @property
    def counts_P(self) -> IntArray:
        """Scored responses of each prompt."""
        return counts(self.rewards_PG)

    @property
    def previous(self) -> State:
        """What earlier estimates remember."""
        return self.state or State.new(len(self.rewards_PG))

    def restricted(self, chosen_PG: NDArray[np.bool_]) -> Evidence:
        """The same with the rewards and judgements of the chosen responses alone."""
        judged = self.judgements_PGJ
        return replace(
            self,
            rewards_PG=np.where(chosen_PG, self.rewards_PG, np.nan),
            judgements_PGJ=None
            if judged is None
            else np.where(chosen_PG[..., None], judged, np.nan),
        )


@dataclass(frozen=True, eq=False)
class Estimated:
    """What an estimator makes of the evidence."""

    values_P: FloatArray
    """At least 0; NaN where it cannot be computed."""
    counts_P: IntArray
    """Scored responses that each value rests on."""
    state: State
    """What is to be remembered."""
    held_P: FloatArray | None = None
    """Each value again, from responses that had no part in `values_P`: what the prompts that are
    chosen by `values_P` are really worth. None where nothing was held back."""


Estimator: TypeAlias = Callable[[Evidence, np.random.Generator], Estimated]
"""A function of the evidence, and of the generator where it draws."""


def required(column: NDArray[Any] | None, name: str, reader: str) -> NDArray[Any]:
    """The column.

    Raises:
        ConfigError: it is None.
    """
    if column is None:
        raise ConfigError(f"'{reader}' needs {name}, which it was not given")
    return column


def estimated(evidence: Evidence, values_P: FloatArray, **remembered: FloatArray) -> Estimated:
    """The estimates, with the visit noted and the `remembered` columns of the state replaced.

    A prompt without a scored response is not visited: its state stays as it was.
    """
    before, counts_P = evidence.previous, evidence.counts_P
    scored_P = counts_P > 0
    columns = {
        name: column if name == "tasks_K" else np.where(scored_P, column, getattr(before, name))
        for name, column in remembered.items()
    }
    visited = replace(
        before,
        seen_P=np.where(scored_P, evidence.round, before.seen_P),
        visits_P=before.visits_P + scored_P,
        **columns,
    )
    return Estimated(np.asarray(values_P, dtype=np.float64), counts_P, visited)


def stateless(measure: Callable[[FloatArray], FloatArray]) -> Estimator:
    """An estimator from a function of rewards_PG to values_P."""
    return lambda evidence, rng: estimated(evidence, measure(evidence.rewards_PG))


def evidence_of(
    groups: Sequence[Group],
    t: int,
    tasks_P: IntArray | None = None,
    state: State | None = None,
) -> Evidence:
    """The evidence of judged groups in round `t`: one row a group, padded to the largest."""
    return Evidence(
        rewards_PG=padded([group.rewards for group in groups]),
        round=t,
        tokens_PG=padded([np.array([r.length for r in group.responses]) for group in groups]),
        logps_PG=padded([np.array([_logp(r.logprobs) for r in g.responses]) for g in groups]),
        judgements_PGJ=repeated(groups),
        tasks_P=tasks_P,
        state=state,
    )


def stamped(groups: Sequence[Group], made: Estimated, metric: str, t: int) -> list[Estimate]:
    """The estimates of judged groups as the ledger keeps them: what each rests on, and when."""
    numbers = zip(made.values_P.tolist(), made.counts_P.tolist(), strict=True)
    return [
        Estimate(g.prompt.id, metric, value, n, t, g.policy_version, g.fingerprint)
        for g, (value, n) in zip(groups, numbers, strict=True)
    ]


def repeated(groups: Sequence[Group]) -> FloatArray | None:
    """Each response's rewards by the repeats of its judge; None where nothing was repeated."""
    verdicts = [verdict for group in groups for verdict in group.verdicts]
    names = {name for v in verdicts for name in v.scores if name.startswith(JUDGEMENT)}
    if not names:
        return None
    ordered = sorted(names, key=lambda name: int(name.removeprefix(JUDGEMENT)))
    columns = [
        padded([np.array([v.scores.get(name, np.nan) for v in g.verdicts]) for g in groups])
        for name in ordered
    ]
    return np.stack(columns, axis=-1)


def padded(rows: Sequence[NDArray[Any]]) -> FloatArray:
    """Rows of different lengths as one array, NaN past their ends. Shape (rows, longest)."""
    columns = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for i, row in enumerate(rows):
        columns[i, : len(row)] = row
    return columns


def _logp(logprobs: NDArray[np.float32] | None) -> float:
    return float("nan") if logprobs is None else float(logprobs.sum(dtype=np.float64))
