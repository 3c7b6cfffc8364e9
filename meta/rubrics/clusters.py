"""Clusters of prompts that stay what they are: centroids fixed at first use, the nearest one wins.

MPO (arXiv 2504.20157) gives mathematics one rubric per cluster of prompts, three clusters in each
of seven subjects. Here a subject is a prompt's task. The centroids are found once, by spherical
k-means (Dhillon & Modha, 2001) from k-means++ seeds (Arthur & Vassilvitskii, 2007) over sentence
embeddings, and are data from then on: a prompt of any later round belongs where it always would
have, and a cluster's rubric keeps its meaning. A prompt of a task without clusters belongs to none.

Left out: new clusters for prompts that are far from all, and moving centroids, either of which
would change what a recorded rubric was for.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from selfplay.core.errors import DataError
from selfplay.core.seeding import Seed
from selfplay.core.types import Prompt

MAX_CLUSTERS = 64
ITERATIONS = 50


@dataclass(frozen=True)
class Cluster:
    """One place in the space of embeddings."""

    name: str
    task: str
    """Whose prompts it takes."""
    centroid: str
    """A unit vector, shape (D,): little-endian float32 in base64, so that it is kept exactly."""

    @cached_property
    def vector(self) -> NDArray[np.float32]:
        """The centroid, shape (D,).

        Raises:
            DataError: it is no base64 of finite float32 numbers.
        """
        try:
            found = np.frombuffer(base64.b64decode(self.centroid, validate=True), dtype="<f4")
        except ValueError as error:
            raise DataError(f"cluster '{self.name}': the centroid is damaged: {error}") from error
        if not found.size or not np.isfinite(found).all():
            raise DataError(f"cluster '{self.name}': expected a centroid of finite numbers")
        return found.astype(np.float32)


@dataclass(frozen=True)
class Clusters:
    """All clusters, and the embedding model whose vectors they are among."""

    model: str
    """Name of the embedding model; vectors of another one mean nothing here."""
    clusters: tuple[Cluster, ...]

    def __post_init__(self) -> None:
        names = self.names
        if not 1 <= len(names) <= MAX_CLUSTERS or len(set(names)) < len(names):
            raise DataError(
                f"clusters: expected 1 to {MAX_CLUSTERS} with names of their own, found "
                f"{', '.join(names) or 'none'}"
            )
        sizes = sorted({cluster.vector.size for cluster in self.clusters})
        if len(sizes) > 1:
            raise DataError(f"clusters: expected centroids of one size, found sizes {sizes}")

    @property
    def names(self) -> tuple[str, ...]:
        """In order."""
        return tuple(cluster.name for cluster in self.clusters)

    @property
    def fingerprint(self) -> str:
        """12 hex digits of a hash over model, names, tasks and centroids."""
        content = json.dumps(asdict(self), sort_keys=True)
        return hashlib.blake2b(content.encode(), digest_size=6).hexdigest()

    def assign(
        self, prompts: Sequence[Prompt], vectors_PD: NDArray[np.float32]
    ) -> list[str | None]:
        """Each prompt's cluster; None where its task has none. Of equally near ones the first.

        Raises:
            DataError: the vectors have another size than the centroids.
        """
        width = self.clusters[0].vector.size
        if vectors_PD.shape != (len(prompts), width):
            raise DataError(
                f"clusters: expected embeddings of shape ({len(prompts)}, {width}), found "
                f"{vectors_PD.shape}; use the embedding model '{self.model}'"
            )
        places: dict[str, list[int]] = {}
        for k, cluster in enumerate(self.clusters):
            places.setdefault(cluster.task, []).append(k)
        cosines_PK = vectors_PD @ np.stack([cluster.vector for cluster in self.clusters]).T
        found: list[str | None] = []
        for prompt, cosines_K in zip(prompts, cosines_PK, strict=True):
            own = places.get(prompt.task)
            found.append(self.names[own[int(cosines_K[own].argmax())]] if own else None)
        return found


def fit_clusters(
    prompts: Sequence[Prompt],
    vectors_PD: NDArray[np.float32],
    per_task: int,
    model: str,
    seed: Seed,
) -> Clusters:
    """Up to `per_task` clusters in each task, called `TASK-1`, …, the largest first.

    Args:
        prompts: those of the first use.
        vectors_PD: their unit-normalised embeddings.
        per_task: clusters of a task; fewer where its prompts have fewer different embeddings.
        model: name of the embedding model.
        seed: of the k-means++ seeds.

    Raises:
        DataError: no prompts, or more clusters than `MAX_CLUSTERS`.
    """
    tasks = sorted({prompt.task for prompt in prompts})
    found: list[Cluster] = []
    for task in tasks:
        rows = [i for i, prompt in enumerate(prompts) if prompt.task == task]
        centroids_KD = spherical_k_means(vectors_PD[rows], per_task, seed.at(task).numpy())
        found += [
            Cluster(f"{task}-{k + 1}", task, _encoded(centroid_D))
            for k, centroid_D in enumerate(centroids_KD)
        ]
    return Clusters(model, tuple(found))


def spherical_k_means(
    vectors_ND: NDArray[np.float32], k: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Unit centroids, shape (K, D) with K ≤ k, in falling order of their clusters' sizes."""
    centroids_KD = _seeds(vectors_ND.astype(np.float64), k, rng)
    places_N = np.full(len(vectors_ND), -1)
    for _ in range(ITERATIONS):
        nearest_N = (vectors_ND @ centroids_KD.T).argmax(axis=1)
        if (nearest_N == places_N).all():
            break
        places_N = nearest_N
        for c in range(len(centroids_KD)):
            total_D = vectors_ND[places_N == c].sum(axis=0)
            size = float(np.linalg.norm(total_D))
            # Vectors that cancel out, and an empty cluster, have no direction: the old one stays.
            centroids_KD[c] = total_D / size if size > 0 else centroids_KD[c]
    sizes_K = np.bincount(places_N, minlength=len(centroids_KD))
    order_K = np.argsort(-sizes_K, kind="stable")
    return centroids_KD[order_K[sizes_K[order_K] > 0]].astype(np.float32)


def _seeds(
    vectors_ND: NDArray[np.float64], k: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """K-means++: each further seed is drawn by its squared distance to those before it."""
    seeds = [vectors_ND[int(rng.integers(len(vectors_ND)))]]
    while len(seeds) < k:
        cosines_NK = vectors_ND @ np.stack(seeds).T
        distances_N = np.maximum(1.0 - cosines_NK.max(axis=1), 0.0)
        distances_N[distances_N < 1e-6] = 0.0
        if not distances_N.sum():
            break
        seeds.append(
            vectors_ND[int(rng.choice(len(vectors_ND), p=distances_N / distances_N.sum()))]
        )
    return np.stack(seeds)


def _encoded(vector_D: NDArray[np.float32]) -> str:
    return base64.b64encode(vector_D.astype("<f4").tobytes()).decode()
