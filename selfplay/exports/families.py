"""Lineage families, and a split of the prompts that cuts through none of them.

A family is a connected component of the lineage graph, all prompts of the run included: parents,
siblings, cousins, and through a cross-over the families of both parents. Prompts of one family
share text and answers, so a family is on one side of a split as a whole. Prompts that were read
from an export are kin if they were so in the run that they are from. Families are taken in the
order of a hash of their smallest prompt id, and one that would pass the wanted share is skipped, so
the share is never passed and, where families are small, nearly reached.

Left out: likeness without descent; deduplicate for that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from selfplay.data.exported import FAMILY
from selfplay.ledger.database import Database


def families(database: Database, ids_N: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The family of each prompt, shape (N,): the smallest prompt id in it."""
    rows = chain(database.stream("SELECT child, parent FROM lineage"), _exported(database))
    ends = (int(id_, 16) for edge in rows for id_ in edge)
    return smallest_kin(ids_N, np.fromiter(ends, np.uint64).reshape(-1, 2))


def _exported(database: Database) -> Iterator[tuple[str, str]]:
    """Of the prompts that were read from an export: id, and the family that they had."""
    query = "SELECT id, json_extract(extra, ?) FROM prompts WHERE instr(extra, ?)"
    rows = database.stream(query, f"$.{FAMILY}", FAMILY)
    return ((id_, family) for id_, family in rows if isinstance(family, str))


def smallest_kin(ids_N: NDArray[np.uint64], edges_E2: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The smallest id in the connected component of each id, shape (N,).

    Args:
        ids_N: nodes asked for.
        edges_E2: undirected edges, shape (E, 2); they may have further nodes.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes_M, places = np.unique(
        np.concatenate([ids_N, edges_E2.ravel()]).astype(np.uint64), return_inverse=True
    )
    if not len(nodes_M):
        return ids_N
    ends_E2 = places[len(ids_N) :].reshape(-1, 2)
    graph = coo_array(
        (np.ones(len(ends_E2), np.int8), (ends_E2[:, 0], ends_E2[:, 1])),
        shape=(len(nodes_M), len(nodes_M)),
    )
    _, labels_M = connected_components(graph, directed=False)
    # Nodes ascend, so the first of a component is its smallest.
    _, firsts = np.unique(labels_M, return_index=True)
    smallest_N: NDArray[np.uint64] = nodes_M[firsts[labels_M[places[: len(ids_N)]]]]
    return smallest_N


def validation_mask(families_N: NDArray[np.uint64], share: float, seed: int) -> NDArray[np.bool_]:
    """Which prompts are for validation, shape (N,): at most `share` of them, whole families."""
    names_F, places_N, sizes_F = np.unique(families_N, return_inverse=True, return_counts=True)
    room = int(share * len(families_N))
    taken_F = np.zeros(len(names_F), bool)
    order = sorted(range(len(names_F)), key=lambda f: _mark(int(names_F[f]), seed)) if room else ()
    for f in order:
        if sizes_F[f] <= room:
            taken_F[f] = True
            room -= int(sizes_F[f])
    mask_N: NDArray[np.bool_] = taken_F[places_N]
    return mask_N


def _mark(family: int, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed} {family:016x}".encode(), digest_size=8).digest()
