"""What is counted about a round's groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from selfplay.core.types import GENERATED, Group


def response_metrics(groups: Sequence[Group]) -> dict[str, float]:
    """Responses, tokens, mean length and the share that was cut off."""
    responses = [response for group in groups for response in group.responses]
    if not responses:
        return {"responses": 0.0, GENERATED: 0.0}
    lengths = [response.length for response in responses]
    return {
        "responses": float(len(responses)),
        GENERATED: float(sum(lengths)),
        "length": float(np.mean(lengths)),
        "truncated": float(np.mean([r.finish_reason == "length" for r in responses])),
    }


def verdict_metrics(groups: Sequence[Group]) -> dict[str, float]:
    """Mean reward, the share of rewards that is missing, and the share of mixed groups.

    A mixed group has different rewards: those are what a policy gradient can learn from.
    """
    rewards = [group.rewards for group in groups]
    if not rewards:
        return {"missing": 0.0}
    flat = np.concatenate(rewards)
    known = flat[np.isfinite(flat)]
    spread = [np.ptp(r[np.isfinite(r)]) for r in rewards if np.isfinite(r).any()]
    metrics = {"missing": 1.0 - known.size / flat.size}
    if known.size:
        metrics |= {"reward": float(known.mean()), "mixed": float(np.mean(np.array(spread) > 0))}
    return metrics


def commonest_reason(groups: Sequence[Group]) -> str:
    """Why verdicts are missing, most often."""
    reasons = Counter(v.reason for group in groups for v in group.verdicts if v.reward is None)
    return reasons.most_common(1)[0][0] if reasons else "none is missing"
