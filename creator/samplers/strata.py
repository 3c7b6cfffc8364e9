"""Samplers that divide the prompts first: by quantile of the score, by task, by the tasks' values.

- stratified: as many from each quantile of the positive scores, uniformly within;
- quotas: a fixed share for each task, and another sampler within;
- categories: each draw picks a task with P(c) ∝ exp(Q(c)/τ) among those with prompts left, then one
  of its prompts uniformly.

Where numbers do not divide, or a part has too few, `apportioned` decides.

Sources: categories is SEC's, arXiv 2505.14970, section 3; the others are survey sampling's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from creator.estimators.evidence import required
from creator.estimators.moments import FloatArray, Floats, IntArray, Integers, ratio
from creator.samplers.candidates import Candidates, Sampler, filled
from creator.samplers.draws import apportioned, descending
from creator.samplers.table import CategoriesOptions, QuotasOptions, StratifiedOptions


def stratified(options: StratifiedOptions) -> Sampler:
    """As many from each quantile of the positive scores; zeros only when those are used up."""

    def sample(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
        scores_P = filled(candidates.scores_P)
        # Shuffled first, so that equal scores on both sides of a quantile are there by chance.
        positive = rng.permutation(np.flatnonzero(scores_P))
        order, _ = descending(scores_P[positive])
        strata = np.array_split(positive[order], options.strata)
        zeros = np.flatnonzero(scores_P == 0)
        parts = spread_over(k, np.ones(len(strata)), strata, rng)
        rest = min(k, len(scores_P)) - len(parts)
        return np.concatenate([parts, chosen(zeros, max(0, rest), rng)])

    return sample


def quotas(options: QuotasOptions) -> Sampler:
    """Each task its share, drawn by another sampler within; what a task lacks goes to the rest."""
    inner: Sampler = options.of.build()

    def sample(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
        members = members_of(required(candidates.tasks_P, "tasks_P", "quotas"))
        names = candidates.task_names[: len(members)]
        shares_K = np.ones(len(members))
        shares_K[: len(names)] = [options.shares.get(name, 1.0) for name in names]
        room_K = np.array([len(rows) for rows in members], dtype=np.int64)
        counts_K = apportioned(k, shares_K, room_K, rng)
        drawn = [
            rows[inner(candidates.only(rows), int(count), rng)]
            for rows, count in zip(members, counts_K, strict=True)
            if count
        ]
        return rng.permutation(np.concatenate([np.empty(0, dtype=np.intp), *drawn]))

    return sample


def categories(options: CategoriesOptions) -> Sampler:
    """Tasks by Boltzmann's rule on their values, then a prompt of the task uniformly."""

    def sample(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
        members = members_of(required(candidates.tasks_P, "tasks_P", "categories"))
        room_K = np.array([len(rows) for rows in members], dtype=np.int64)
        logits_K = filled(task_values(candidates, len(members))) / options.temperature
        picks = task_sequence(logits_K, room_K, k, rng)
        drawn = np.empty(len(picks), dtype=np.intp)
        for task in np.unique(picks):
            places = np.flatnonzero(picks == task)
            drawn[places] = chosen(members[task], len(places), rng)
        return drawn

    return sample


def task_values(candidates: Candidates, tasks: int) -> Floats:
    """Value of each task: the candidates' own, or the mean of its known scores. Shape (tasks,)."""
    if candidates.tasks_K is not None:
        missing = max(0, tasks - len(candidates.tasks_K))
        return np.concatenate([candidates.tasks_K[:tasks], np.zeros(missing)])
    tasks_P = required(candidates.tasks_P, "tasks_P", "categories")
    known_P = np.isfinite(candidates.scores_P)
    of_known, scores = tasks_P[known_P], candidates.scores_P[known_P]
    # Relative to the largest, so that the sums cannot overflow.
    largest = float(np.abs(scores).max(initial=0.0)) or 1.0
    totals_K = np.bincount(of_known, weights=scores / largest, minlength=tasks)
    return ratio(totals_K, np.bincount(of_known, minlength=tasks)) * largest


def task_sequence(logits_K: Floats, room_K: IntArray, k: int, rng: np.random.Generator) -> IntArray:
    """Tasks of `min(k, Σ room)` successive draws, P ∝ exp(logit) among those with room left.

    Each batch is drawn as if nothing could run out and passes over what has: what is left of
    independent draws has the distribution without the tasks that ran out.
    """
    drawn = np.empty(0, dtype=np.int64)
    total = min(k, int(room_K.sum()))
    while len(drawn) < total:
        left_K = room_K - np.bincount(drawn, minlength=len(room_K))
        logits = np.where(left_K > 0, logits_K, -np.inf)
        weights = np.exp(logits - logits.max())
        batch = rng.choice(len(room_K), total - len(drawn), p=weights / weights.sum())
        drawn = np.append(drawn, batch[earlier_equals(batch) < left_K[batch]])
    return drawn


def earlier_equals(values: IntArray) -> IntArray:
    """For each element, how many equal ones stand before it."""
    order = np.argsort(values, kind="stable")
    _, starts, lengths = np.unique(values[order], return_index=True, return_counts=True)
    places = np.empty(len(values), dtype=np.int64)
    places[order] = np.arange(len(values)) - np.repeat(starts, lengths)
    return places


def spread_over(
    k: int, shares_K: FloatArray, parts: list[NDArray[np.intp]], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Up to `k` members of the parts, apportioned, uniformly within, in random order."""
    room_K = np.array([len(part) for part in parts], dtype=np.int64)
    counts_K = apportioned(k, shares_K, room_K, rng)
    drawn = [chosen(part, int(n), rng) for part, n in zip(parts, counts_K, strict=True)]
    return rng.permutation(np.concatenate(drawn))


def chosen(rows: NDArray[np.intp], k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """`min(k, rows)` of the rows, uniformly without replacement, in random order."""
    return rows[rng.choice(len(rows), min(k, len(rows)), replace=False)] if len(rows) else rows


def members_of(tasks_P: Integers) -> list[NDArray[np.intp]]:
    """The rows of each task, by its code, ascending."""
    # NumPy sorts integers of 16 bits or fewer by counting.
    narrow_P = tasks_P.astype(np.min_scalar_type(int(tasks_P.max(initial=0))))
    order = np.argsort(narrow_P, kind="stable")
    ends = np.cumsum(np.bincount(tasks_P))
    return np.split(order, ends[:-1]) if len(ends) else []
