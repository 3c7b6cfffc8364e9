"""A map of the prompts: their sentence embeddings, projected to the plane by principal components.

Near points mean alike as far as two components can tell; the page says what share of the spread
these hold. Drawn are the first prompts that the page embeds, so that each point can be opened.
Signs of the components are fixed, so that the map of a live run does not flip as it grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.core.embedding import Embedder
from selfplay.core.errors import ModelError, ResourceError
from selfplay.report.explorer import Explorer

POINTS = 1_000
CHARACTERS = 512
"""Of a prompt that are embedded: about the 128 tokens that the packaged model was trained on."""


@dataclass
class Mapper:
    """Embeds each prompt once, however often the map is drawn."""

    model: str | None
    """As for `Embedder`; None for no map."""
    _embedder: Embedder | None = None
    _vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def draw(self, found: Explorer) -> dict[str, Any]:
        """The points of the map, or why there is none."""
        records = [record for record in found.records.values() if "e" in record][:POINTS]
        if self.model is None or len(records) < 3:
            few = f"It takes 3 prompts or more, and this page has {len(records)}."
            why = "None was asked for." if self.model is None else few
            return {"missing": why, "points": []}
        try:
            vectors_ND = self._embedded({record["id"]: record["t"] for record in records})
        except (ModelError, ResourceError) as error:
            return {"missing": str(error), "points": []}
        places_N2, share = projected(vectors_ND)
        return {
            "missing": "",
            "model": self.model,
            "share": round(share, 3),
            "points": [
                [record["id"], round(float(x), 4), round(float(y), 4)]
                for record, (x, y) in zip(records, places_N2, strict=True)
            ],
        }

    def _embedded(self, texts: dict[str, str]) -> NDArray[np.float32]:
        fresh = [id_ for id_ in texts if id_ not in self._vectors]
        if fresh:
            self._embedder = self._embedder or Embedder(self.model or "")
            vectors = self._embedder.embed([texts[id_][:CHARACTERS] for id_ in fresh])
            self._vectors |= dict(zip(fresh, vectors, strict=True))
        return np.stack([self._vectors[id_] for id_ in texts])


def projected(
    vectors_ND: NDArray[np.float32] | Sequence[Sequence[float]],
) -> tuple[NDArray[np.float64], float]:
    """The first two principal components, scaled to −1 … 1, and their share of the variance.

    Shape (N, 2). Each component points to where its largest loading is positive. Vectors that are
    all equal are all put in the middle, with a share of 1.
    """
    centred_ND = np.asarray(vectors_ND, np.float64)
    centred_ND = centred_ND - centred_ND.mean(axis=0)
    _, spreads, loadings = np.linalg.svd(centred_ND, full_matrices=False)
    total = float((spreads**2).sum())
    if total < 1e-12:
        return np.zeros((len(centred_ND), 2)), 1.0
    axes_2D = np.zeros((2, centred_ND.shape[1]))
    axes_2D[: min(2, len(loadings))] = loadings[:2]
    largest = np.abs(axes_2D).argmax(axis=1)
    signs = np.sign(axes_2D[np.arange(2), largest])
    places_N2 = centred_ND @ (axes_2D * np.where(signs == 0, 1.0, signs)[:, None]).T
    return places_N2 / np.abs(places_N2).max(), float((spreads[:2] ** 2).sum()) / total
