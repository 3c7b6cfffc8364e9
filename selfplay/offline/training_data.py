"""Recorded data for an offline learning job: what it must hold, what is held out, what fits."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from selfplay.core.errors import DataError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Verdict
from selfplay.data.recorded import Recorded, check_ids, to_group
from solver.objectives.table import OBJECTIVES
from solver.solver import Solver

SINGLES = ", ".join(
    name for name, row in OBJECTIVES.items() if row.needs and not {"groups", "pairs"} & {*row.needs}
)
"""Objectives for one response to a prompt."""


def check_teaches(groups: Sequence[Group], objective: str, needs: Set[str], path: str) -> None:
    """Refuses data of which the objective could learn nothing at all.

    Raises:
        DataError: no rewards, one response to each prompt under an objective that compares, or no
            two responses of which one is better.
    """
    scored = max((int(np.isfinite(group.rewards).sum()) for group in groups), default=0)
    if scored == 0:
        raise DataError(
            f"{path}: expected rewards, found none; add a list `rewards` beside `responses`, or "
            "record comparisons (`chosen`, `rejected`) or demonstrations (`completion`)"
        )
    if scored < 2 and {"groups", "pairs"} & needs:
        raise DataError(
            f"{path}: {objective} compares the responses of a prompt, and no prompt has two scored "
            f"ones (n = 1); record more of them in one row, or choose an objective for single "
            f"responses (solver.objective: {SINGLES})"
        )
    if "pairs" in needs and not any(map(comparable, groups)):
        raise DataError(
            f"{path}: {objective} learns from pairs, and no prompt has two responses with "
            "different rewards; record rewards that differ, or comparisons"
        )


def comparable(group: Group) -> bool:
    """Is one of its responses better than another, by reward or by the constraints kept?"""
    known = group.rewards[np.isfinite(group.rewards)]
    if len(known) > 1 and known.max() > known.min():
        return True
    scored = [verdict for verdict in group.verdicts if verdict.reward is not None]
    return len({bool(verdict.violations) for verdict in scored}) > 1


def held_out(groups: Sequence[Group], share: float, seed: Seed) -> tuple[list[Group], list[Group]]:
    """Those to learn from, and those of a drawn share of the prompts, which are kept apart."""
    asked = sorted({group.prompt.normalized for group in groups})
    count = round(share * len(asked))
    drawn = seed.numpy().permutation(len(asked))[:count]
    kept = {asked[i] for i in drawn.tolist()}
    learned = [group for group in groups if group.prompt.normalized not in kept]
    return learned, [group for group in groups if group.prompt.normalized in kept]


def tokenized(records: Sequence[Recorded], solver: Solver, end_of_sequence: bool) -> list[Group]:
    """The records in the solver's tokens; see `fitting`.

    Args:
        end_of_sequence: put what ends a turn behind each text.
    """
    check_ids(records, solver.vocabulary)
    groups = [
        to_group(found, partial(solver.tokenize, closed=end_of_sequence)) for found in records
    ]
    lengths = solver.prompt_lengths([group.prompt for group in groups])
    return [fitting(g, n, solver.context) for g, n in zip(groups, lengths, strict=True)]


def fitting(group: Group, prompt_tokens: int, context: int) -> Group:
    """The group with what is longer than the context missing, with its reason."""
    return replace(
        group,
        verdicts=tuple(
            Verdict.missing(f"{prompt_tokens + response.length} tokens, in a context of {context}")
            if prompt_tokens + response.length > context
            else verdict
            for response, verdict in zip(group.responses, group.verdicts, strict=True)
        ),
    )


def comparison_accuracy(
    groups: Sequence[Group], scores: Sequence[NDArray[np.float32]]
) -> tuple[float, int]:
    """Share of the comparisons on which scores and rewards agree, a tied score counting half.

    Returns:
        the accuracy (NaN without comparisons), and how many comparisons there are: two responses
        of a prompt with different rewards.
    """
    right, total = 0.0, 0
    for group, scores_G in zip(groups, scores, strict=True):
        rewards_GG = group.rewards[:, None] - group.rewards[None, :]
        gaps_GG = scores_G[:, None] - scores_G[None, :]
        better_GG = rewards_GG > 0
        total += int(better_GG.sum())
        right += float((gaps_GG[better_GG] > 0).sum() + 0.5 * (gaps_GG[better_GG] == 0).sum())
    return (right / total if total else float("nan")), total
