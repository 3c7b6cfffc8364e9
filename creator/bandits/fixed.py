"""Operators in fixed shares, as eva has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from creator.bandits.chooser import Arms, Chooser
from selfplay.core.components import NoOptions


def fixed(options: NoOptions) -> Chooser:
    """Draws in proportion to the configured weights; yields are not looked at."""

    def choose(arms: Arms, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
        shares_K = arms.weights_K / arms.weights_K.sum()
        return rng.choice(len(shares_K), size=count, p=shares_K)

    return choose
