"""Log-probabilities that generation recorded, held against those that learning finds.

Generation and learning may round differently: other kernels, other shapes, fewer bits. So figures
of generation stand for the learning policy's only if responses that are scored anew agree, each of
them: all of a small round, an even sample of a larger one. Where one does not, every response is
scored anew, and policy gradients weigh each by how much likelier learning finds it.

Under top-p or top-k a response is drawn from what is left of a distribution. Its figures are then
those of another policy than the one that learns: they are never taken for its own, nothing corrects
a gradient for them, and how far the two lie apart is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Place: TypeAlias = tuple[int, int]
"""As `solver.learning.stage.Place`."""

TokenLogps: TypeAlias = NDArray[np.float32]
"""Shape (T,), nats: one for each token of a response."""

TOLERANCE = 0.02
"""Largest difference, in nats per response, up to which recorded log-probabilities are believed: it
moves a probability ratio by 2 %, a tenth of the usual clip. Beyond, responses are scored anew, and
policy gradients weigh them by how much likelier learning finds them (`Generated.corrections`)."""

MOST = 2.0
"""Largest weight that corrects a response for the difference of generation and learning."""

CHECKED = 32
"""Responses up to which each one's figures are checked; of more, as many evenly spread. A forward
pass over them costs little beside learning from a round."""


class Generated:
    """What generation recorded of a stage's responses."""

    def __init__(
        self,
        drawn: Mapping[Place, TokenLogps],
        truncated: bool,
        score: Callable[[Sequence[Place]], Sequence[TokenLogps]],
    ) -> None:
        """Scores nothing yet.

        Args:
            drawn: log π of each token under the distribution that the current policy drew it from.
            truncated: that was cut by top-p or top-k.
            score: log π of the same, under the whole distribution, as learning finds it.
        """
        finite = {place: logps for place, logps in drawn.items() if np.isfinite(logps).all()}
        self._not_finite = len(drawn) - len(finite)
        self._cut = finite if truncated else {}
        self.recorded: Mapping[Place, TokenLogps] = {} if truncated else finite
        """The responses whose figures mean what the learning policy's do. None whose are not all
        finite: a token that a generator calls impossible was not drawn from it."""
        self._score = score

    @cached_property
    def gaps(self) -> NDArray[np.float64]:
        """Shape (C,), nats: log π recorded at generation - log π scored now, of those checked."""
        return self._compared(self.recorded)

    @property
    def mismatch(self) -> float:
        """Mean |gap|, nats per response; NaN where nothing that was recorded could be used."""
        return float(np.abs(self.gaps).mean()) if self.gaps.size else float("nan")

    @property
    def believed(self) -> bool:
        """May the recorded figures stand for this policy's?"""
        return bool(np.abs(self.gaps).max(initial=0.0) <= TOLERANCE)

    def corrections(
        self, places: Sequence[Place], scored: Sequence[TokenLogps]
    ) -> NDArray[np.float64]:
        """Shape (N,): min(π_old(y) / π_gen(y), `MOST`), for responses that π_gen sampled.

        1 for a response without recorded figures that mean the same.

        Args:
            places: of the responses.
            scored: log π_old of their tokens.

        Source: Ionides, 2008 (truncated importance sampling).
        """
        ratios = [
            np.exp(min(np.log(MOST), _total(old) - _total(self.recorded[place])))
            if place in self.recorded
            else 1.0
            for place, old in zip(places, scored, strict=True)
        ]
        return np.array(ratios)

    def found(self) -> dict[str, float]:
        """What is worth reporting.

        `generation_mismatch` and `generation_mismatch_max`: |gap| of `generation_checked`
        responses; `generation_truncation`: nats by which top-p and top-k made a response likelier;
        `generation_not_finite`: responses with figures that no drawn token can have.
        """
        told: dict[str, float] = {}
        if self.gaps.size:
            told["generation_mismatch"] = self.mismatch
            told["generation_mismatch_max"] = float(np.abs(self.gaps).max())
            told["generation_checked"] = float(self.gaps.size)
        if self._cut:
            told["generation_truncation"] = float(self._compared(self._cut).mean())
        if self._not_finite:
            told["generation_not_finite"] = float(self._not_finite)
        return told

    def _compared(self, drawn: Mapping[Place, TokenLogps]) -> NDArray[np.float64]:
        """Shape (C,): generation's figures less those scored now, of up to `CHECKED` responses."""
        places = list(drawn)
        chosen = np.linspace(0, len(places) - 1, min(CHECKED, len(places))).round().astype(int)
        checked = [places[i] for i in chosen]
        anew = self._score(checked) if checked else []
        return np.array(
            [_total(drawn[place]) - _total(now) for place, now in zip(checked, anew, strict=True)]
        )


def _total(logps_T: TokenLogps) -> float:
    return float(logps_T.sum(dtype=np.float64))
