"""Strengths from paired comparisons (Bradley & Terry, 1952, Biometrika 39).

P(i is better than j) = σ(s_i − s_j). The strengths are the mode under a prior worth `PRIOR` of a
tie with a middling opponent of strength 0: without one, whoever never lost would be infinitely
strong, and a strong one would flatten what was compared. Found by Newton's method with the damping
of generalised self-concordant functions (Sun & Tran-Dinh, 2019, Mathematical Programming 178), with
which it always converges.

Left out: ties as an outcome of their own (Rao & Kupper); half a win for each side stands for one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PRIOR = 0.01
"""Comparisons that the prior is worth."""
STEPS = 200
TOLERANCE = 1e-12
"""A step shorter than this is the last."""


def strengths(wins_NN: NDArray[np.float64]) -> NDArray[np.float64]:
    """Strength of each of N opponents, shape (N,), 0 being the middling one.

    Args:
        wins_NN: how often i was better than j, in comparisons or parts of one; 0 on the diagonal.
    """
    games_NN = wins_NN + wins_NN.T
    strengths_N = np.zeros(len(wins_NN))
    for _ in range(STEPS):
        chance_NN = _logistic(strengths_N[:, None] - strengths_N)
        middling_N = _logistic(strengths_N)
        gradient_N = (wins_NN - games_NN * chance_NN).sum(axis=1) + PRIOR * (0.5 - middling_N)
        weights_NN = games_NN * chance_NN * (1.0 - chance_NN)
        curvature_N = weights_NN.sum(axis=1) + PRIOR * middling_N * (1.0 - middling_N)
        step_N = np.linalg.solve(np.diag(curvature_N) - weights_NN, gradient_N)
        length = 2.0 * float(np.abs(step_N).max(initial=0.0))
        if length < TOLERANCE:
            break
        strengths_N = strengths_N + step_N * np.log1p(length) / length
    return strengths_N


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))
