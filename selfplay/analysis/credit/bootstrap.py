"""Intervals of sums over held-out prompts, by drawing the prompts anew.

Prompts come in blocks where what is known of each is too large to keep. The interval says how much
the figure hangs on which prompts are held out; that another run of the same configuration would
learn otherwise is not in it.

Source: Efron & Tibshirani, 1993, the percentile bootstrap, chapter 13.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from selfplay.analysis.credit.replay import FloatArray

DRAWS = 1000
LEVEL = 0.95
LEAST = 8
"""Blocks below which there is no interval."""


def intervals(
    parts_KB: FloatArray, sizes_B: NDArray[np.int64], rng: np.random.Generator
) -> FloatArray:
    """Low and high end for each of K means over prompts. Shape (K, 2), NaN with too few blocks.

    Args:
        parts_KB: what each block adds to the mean over all prompts; a mean is its row's sum.
        sizes_B: prompts in each block.
        rng: draws the blocks.
    """
    blocks = len(sizes_B)
    if blocks < LEAST:
        return np.full((len(parts_KB), 2), np.nan)
    drawn_RB = rng.multinomial(blocks, np.full(blocks, 1.0 / blocks), size=DRAWS)
    scale_R = sizes_B.sum() / (drawn_RB @ sizes_B)
    means_KR = parts_KB @ drawn_RB.T * scale_R
    tail = (1.0 - LEVEL) / 2
    return np.asarray(np.quantile(means_KR, [tail, 1.0 - tail], axis=1).T)
