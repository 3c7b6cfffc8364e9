"""Pairs from scored groups."""

from __future__ import annotations

import numpy as np

from selfplay.core.types import Group, Prompt, Response, Verdict, user
from solver.pairs import max_min_pairs


def scored(*rewards: float | None) -> Group:
    responses = tuple(
        Response(str(i), np.array([i], np.int32), None, "stop") for i in range(len(rewards))
    )
    verdicts = [Verdict.missing("x") if r is None else Verdict(r) for r in rewards]
    return Group(Prompt(user("?")), responses, "train", 0).judged(verdicts, "f")


def test_the_best_is_paired_with_the_worst() -> None:
    (pair,) = max_min_pairs([scored(0.5, 2.0, -1.0)]).pairs
    assert (pair.chosen.text, pair.rejected.text, pair.margin) == ("1", "2", 3.0)


def test_missing_rewards_are_ignored_and_counted() -> None:
    pairing = max_min_pairs([scored(None, 1.0, 0.0)])
    assert (pairing.pairs[0].chosen.text, pairing.missing) == ("1", 1)


def test_ties_and_unscored_groups_give_no_pair_and_are_counted() -> None:
    pairing = max_min_pairs([scored(1.0, 1.0), scored(1.0, None), scored(0.0, 1.0)])
    assert (len(pairing.pairs), pairing.ties, pairing.unscored) == (1, 1, 1)
