"""What is said of a round whose evolution brought nothing, or too little."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from selfplay.core.types import Rejection


def commonest(rejections: Sequence[Rejection]) -> str:
    """The reason that was given most often, with its count and its operators.

    `near duplicate (41 of 60, by deepen and rarer)`; empty without any.
    """
    reasons = Counter(rejection.reason for rejection in rejections)
    if not reasons:
        return ""
    reason, count = reasons.most_common(1)[0]
    operators = Counter(r.operator for r in rejections if r.reason == reason)
    named = " and ".join(name for name, _ in operators.most_common(2))
    return f"{reason} ({count:,} of {len(rejections):,}, by {named})"


def why_barren(eligible: int, known: int, rejections: Sequence[Rejection]) -> str:
    """Why a round that was to have children has none.

    Args:
        eligible: prompts that parents could be drawn from.
        known: prompts that the pool knows.
        rejections: of the round.
    """
    if rejections:
        return f"no child was admitted, most often turned down: {commonest(rejections)}"
    if not eligible:
        return (
            f"none of the {known:,} prompts that are known may be a parent: they rest, are too "
            "old for creator.memory, or were scored under another judging"
        )
    return "no child was asked for: creator.batch times creator.evolved is less than one"
