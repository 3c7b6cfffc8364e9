"""Held-out accuracy: the share of right answers by the verifier, greedy and sampled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from selfplay.config.settings import EvaluationConfig
from selfplay.core.types import Group, Sampling

GREEDY = "heldout/greedy"
SAMPLED = "heldout/sampled"


def samplings(config: EvaluationConfig, train: Sampling, edge: bool) -> dict[str, Sampling]:
    """How the held-out prompts are asked, by the name of the resulting metric.

    Greedy and at temperature 1 always; at the further temperatures for the first and the last
    policy (`edge`), which tells learning from sharpening.
    """
    full = replace(train, n=config.samples, temperature=1.0, top_p=1.0, top_k=0)
    plans = {GREEDY: replace(full, n=1, temperature=0.0), SAMPLED: full}
    if edge:
        plans |= {f"heldout/t{t:g}": replace(full, temperature=t) for t in config.temperatures}
    return plans


def accuracy(groups: Sequence[Group], name: str) -> dict[str, float]:
    """Mean reward over prompts, overall as `name` and per task as `name/<task>`.

    Missing verdicts are left out and counted as `name/missing` where there are any. Every prompt
    weighs the same; a prompt without any verdict has no weight.
    """
    by_task: Mapping[str, list[float]] = defaultdict(list)
    missing = 0
    for group in groups:
        known = group.rewards[np.isfinite(group.rewards)]
        missing += len(group.rewards) - known.size
        if known.size:
            by_task[group.prompt.task].append(float(known.mean()))
    if not by_task:
        return {f"{name}/missing": float(missing)} if missing else {}
    metrics = {name: float(np.mean([value for values in by_task.values() for value in values]))}
    if len(by_task) > 1:
        metrics |= {f"{name}/{task}": float(np.mean(by_task[task])) for task in sorted(by_task)}
    return metrics | ({f"{name}/missing": float(missing)} if missing else {})
