"""What evolution operators have brought, round by round: a table that grows.

A round's attempts are a *cohort*. What becomes of its children is found out later, so an old cohort
still changes. Counts are kept as columns, since every round reads all of them: a run of thousands
of rounds reads them as quickly as a young one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np

from creator.estimators.moments import FloatArray


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
