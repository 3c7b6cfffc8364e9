"""What is counted about a round's groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from selfplay.core.types import GENERATED, Group


def generated_tokens(groups: Sequence[Group]) -> int:
    """Tokens of the responses that a model gave; recorded ones cost none."""
    responses = [response for group in groups for response in group.responses]
    return sum(r.length for r in responses if r.finish_reason != "recorded")


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


def is_mixed(group: Group) -> bool:
    """Do the rewards that are known differ, or does one of them break a constraint and another not?

    Those groups an objective on groups can learn from.
    """
    known = [(v.reward, bool(v.violations)) for v in group.verdicts if v.reward is not None]
    return len(set(known)) > 1


def verdict_metrics(groups: Sequence[Group]) -> dict[str, float]:
    """Mean reward, the share of rewards that is missing, and the share of mixed groups.

    Where responses break constraints, the share of those too.
    """
    rewards = [group.rewards for group in groups]
    if not rewards:
        return {"missing": 0.0}
    flat = np.concatenate(rewards)
    known = flat[np.isfinite(flat)]
    violates = [bool(v.violations) for group in groups for v in group.verdicts]
    mixed = [is_mixed(group) for group in groups if np.isfinite(group.rewards).any()]
    metrics = {"missing": 1.0 - known.size / flat.size}
    if any(violates):
        metrics["violations"] = float(np.mean(violates))
    if known.size:
        metrics |= {"reward": float(known.mean()), "mixed": float(np.mean(mixed))}
    return metrics


def commonest_reason(groups: Sequence[Group]) -> str:
    """Why verdicts are missing, most often."""
    reasons = Counter(v.reason for group in groups for v in group.verdicts if v.reward is None)
    return reasons.most_common(1)[0][0] if reasons else "none is missing"
