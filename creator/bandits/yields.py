"""What each evolution operator has brought: children tried, admitted, learnable, solved later.

A round's children and rejections are a *cohort*, by operator. A child's first group that was
trained on says whether it is *learnable*: some responses succeed and some fail. A child that
mostly failed then and reaches the bar in a group of a later round, trained on or asked for an
estimate, is *solved later*. Both are noted in the cohort in which the child was born.

Cohorts are a fold over what the ledger holds, round by round. Each round is taken in once, when it
is first asked for, so composing a round twice counts nothing twice, and a run that goes on comes
to the same cohorts. Left out: a prompt that an operator gives back unchanged (`repeat`) is nobody's
child, and a child is its last operator's alone, whatever made its parents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol, TypeAlias

import numpy as np

from creator.estimators.evidence import padded
from creator.estimators.learnability import outcomes
from creator.estimators.moments import FloatArray, means, variances
from selfplay.core.types import Group, Prompt, Rejection

GIVEN = frozenset({"original", "heldout", "imported"})
"""What lineage calls prompts that no operator made."""


Judged: TypeAlias = Callable[[int], Sequence[Group]]
"""From a round to its judged groups: those trained on, and those asked for estimates."""


class OperatorHistory(Protocol):
    """What is asked of the run's ledger."""

    def composition(self, t: int) -> Sequence[Prompt]:
        """The prompts of round `t`."""

    def rejections(self, t: int) -> Sequence[Rejection]:
        """The children that round `t` did not admit."""


@dataclass(frozen=True)
class Born:
    """Where a child's yield is counted."""

    round: int
    operator: str


class Yields:
    """The cohorts of a run."""

    def __init__(
        self, archive: OperatorHistory, judged: Judged, success: float = 0.5, bar: float = 0.5
    ) -> None:
        """Knows nothing yet.

        Args:
            archive: the run's ledger.
            judged: the groups of a round.
            success: the lowest reward of a response that succeeds, as a share of the judge's scale.
            bar: the success rate from which on a prompt counts as solved.
        """
        self._archive, self._judged = archive, judged
        self._success, self._bar = success, bar
        self._cohorts = Cohorts()
        self._unjudged: dict[str, Born] = {}
        self._unsolved: dict[str, Born] = {}

    def until(self, t: int) -> Cohorts:
        """The cohorts of the rounds 1 to `t`, as round `t` left them; a later round changes them.

        Raises:
            ValueError: a later round was asked for before, and what it added is not taken back.
        """
        if t < len(self._cohorts):
            raise ValueError(f"round {len(self._cohorts)} is counted already, found {t}")
        for later in range(len(self._cohorts) + 1, t + 1):
            prompts, rejections = self._archive.composition(later), self._archive.rejections(later)
            self._fold(later, prompts, rejections, self._judged(later))
        return self._cohorts

    def _fold(
        self,
        t: int,
        prompts: Sequence[Prompt],
        rejections: Sequence[Rejection],
        groups: Sequence[Group],
    ) -> None:
        self._cohorts.append(attempts(t, prompts, rejections))
        born = {child.id: Born(t, child.lineage.operator) for child in children(t, prompts)}
        self._unjudged |= born
        rewards_PG = padded([group.rewards for group in groups])
        outcomes_PG = outcomes(rewards_PG, self._success)
        rates, spreads = means(outcomes_PG).tolist(), variances(outcomes_PG).tolist()
        failed: dict[str, Born] = {}
        for group, rate, spread in zip(groups, rates, spreads, strict=True):
            if not np.isfinite(rate):
                continue
            id_ = group.prompt.id
            if id_ in self._unsolved and rate >= self._bar:
                self._count(self._unsolved.pop(id_), Yield(solved_later=1))
            elif id_ in self._unjudged and group.purpose == "train":
                first = self._unjudged.pop(id_)
                if rate < self._bar:
                    failed[id_] = first
                if np.isfinite(spread):
                    mixed = int(0.0 < rate < 1.0)
                    self._count(first, Yield(judged=1, learnable=mixed, informativeness=spread))
        self._unsolved |= failed

    def _count(self, born: Born, more: Yield) -> None:
        self._cohorts.add(born.round - 1, born.operator, more)


def children(t: int, prompts: Iterable[Prompt]) -> list[Prompt]:
    """Those of the prompts that an operator made in round `t`, each once."""
    distinct = {prompt.id: prompt for prompt in prompts}.values()
    return [p for p in distinct if p.lineage.round == t and p.lineage.operator not in GIVEN]


def attempts(
    t: int, prompts: Iterable[Prompt], rejections: Iterable[Rejection]
) -> dict[str, Yield]:
    """What round `t` tried and admitted, before anything of it is judged."""
    found: dict[str, Yield] = {}
    for child in children(t, prompts):
        name = child.lineage.operator
        found[name] = found.get(name, NONE) + Yield(tried=1, admitted=1)
    for rejection in rejections:
        found[rejection.operator] = found.get(rejection.operator, NONE) + Yield(tried=1)
    return found


def operator_metrics(
    t: int,
    prompts: Iterable[Prompt],
    rejections: Iterable[Rejection],
    cohorts: Cohorts,
    operators: Iterable[str] = (),
) -> dict[str, float]:
    """Running totals as round `t` is composed: `operator/<name>/tried` and so on.

    Args:
        t: the round; the attempts of its own count already, their outcomes are not known yet.
        prompts: of the round.
        rejections: of the round.
        cohorts: of the rounds before.
        operators: names that are listed even if they were never tried.
    """
    found = dict.fromkeys(operators, NONE) | cohorts.totals()
    for operator, counted in attempts(t, prompts, rejections).items():
        found[operator] = found.get(operator, NONE) + counted
    return {
        f"operator/{name}/{what}": float(getattr(found[name], what))
        for name in sorted(found)
        for what in ("tried", "admitted", "learnable", "solved_later", "informativeness")
    }


@dataclass(frozen=True)
class Yield:
    """What became of an operator's attempts."""

    tried: int = 0
    """Attempts: children, and the rejections in their place."""
    admitted: int = 0
    judged: int = 0
    """Children whose first group tells: two or more of its responses have a reward."""
    learnable: int = 0
    """Of those judged: some responses succeeded and some failed."""
    solved_later: int = 0
    """Below the bar in their first group, and not in one of a later round."""
    informativeness: float = 0.0
    """Sum over the judged of p(1 − p) of their first success rate, unbiased: at most 0.5 each."""

    def __add__(self, other: Yield) -> Yield:
        return _yield(np.add(_counts(self), _counts(other)))

    @property
    def trials(self) -> int:
        """Attempts of which it is known how they ended: all but children without a judgement."""
        return self.tried - (self.admitted - self.judged)


NONE = Yield()

Cohort: TypeAlias = Mapping[str, Yield]
"""What was born, or turned down, in one round: by operator, those that were tried."""

_FIELDS = tuple(field.name for field in fields(Yield))


class Cohorts:
    """The cohorts of the rounds from 1 on."""

    def __init__(self, rounds: Iterable[Cohort] = ()) -> None:
        """Begins with cohorts that are known, oldest first."""
        self._places: dict[str, int] = {}
        self._length = 0
        self._table = np.zeros((16, 0, len(_FIELDS)))
        for cohort in rounds:
            self.append(cohort)

    def append(self, cohort: Cohort) -> None:
        """The next round's."""
        if self._length == len(self._table):
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
        self._length += 1
        for operator, counted in cohort.items():
            self.add(self._length - 1, operator, counted)

    def add(self, index: int, operator: str, more: Yield) -> None:
        """Counts something more in the cohort at an index."""
        if operator not in self._places:
            self._places[operator] = len(self._places)
            self._table = np.pad(self._table, ((0, 0), (0, 1), (0, 0)))
        self._table[index, self._places[operator]] += _counts(more)

    def columns(self, operators: Sequence[str]) -> dict[str, FloatArray]:
        """A count's name to its values, each of shape (T, K) for T cohorts and K operators."""
        table_TKF = np.zeros((self._length, len(operators), len(_FIELDS)))
        for k, operator in enumerate(operators):
            if operator in self._places:
                table_TKF[:, k] = self._table[: self._length, self._places[operator]]
        return {name: table_TKF[:, :, i] for i, name in enumerate(_FIELDS)}

    def totals(self) -> dict[str, Yield]:
        """The sum of the cohorts, by operator."""
        sums_NF = self._table[: self._length].sum(axis=0)
        return {operator: _yield(sums_NF[place]) for operator, place in self._places.items()}

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Cohort]:
        return (self[i] for i in range(self._length))

    def __getitem__(self, index: int) -> Cohort:
        row_NF = self._table[: self._length][index]
        found = {operator: _yield(row_NF[place]) for operator, place in self._places.items()}
        return {operator: counted for operator, counted in found.items() if counted.tried}


def _counts(counted: Yield) -> tuple[float, ...]:
    return tuple(vars(counted).values())  # `dataclasses.astuple` copies deeply


def _yield(counts_F: FloatArray) -> Yield:
    *whole, informativeness = counts_F.tolist()
    tried, admitted, judged, learnable, solved_later = map(int, whole)
    return Yield(tried, admitted, judged, learnable, solved_later, informativeness)
