"""What a chooser of operators reads, and what it gives.

The rules that all choosers keep: an operator of weight 0 is never chosen; the picks are a function
of the arms and the generator; without any evidence every operator with a weight can come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from creator.bandits.yields import Cohorts
from creator.estimators.moments import FloatArray


@dataclass(frozen=True, eq=False)
class Arms:
    """K operators with what each has brought in T rounds, oldest first."""

    weights_K: FloatArray
    """As configured: 0 or more, one of them above."""
    trials_TK: FloatArray
    """Attempts of which it is known how they ended."""
    learnable_TK: FloatArray
    informativeness_TK: FloatArray
    """Sums over the children of each round."""


Chooser: TypeAlias = Callable[[Arms, int, np.random.Generator], NDArray[np.intp]]
"""`choose(arms, count, rng)`: the operator of each of `count` parents, as positions among K."""


def arms_of(names: Sequence[str], weights: Sequence[float], cohorts: Cohorts) -> Arms:
    """The operators as arms.

    Those of one name, which lineage cannot tell apart, share what it brought.
    """
    past = cohorts.columns(names)
    return Arms(
        np.array(weights, dtype=np.float64),
        past["tried"] - (past["admitted"] - past["judged"]),
        past["learnable"],
        past["informativeness"],
    )
