"""On which scales a run's prompts are judged: kept in its ledger, for whoever reads it later.

Building a judge may load a model, so commands that only read a run take the scales from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from creator.scales import Scale, Scales, unit
from selfplay.config.settings import RunConfig
from selfplay.core.tasks import Partition
from selfplay.core.types import Prompt

COMMON = ""
"""Stands for the judge of prompts that no task takes."""


def scales_by(config: RunConfig, bounds: Mapping[str, tuple[float, float]]) -> Scales:
    """The scale of each prompt.

    Args:
        config: whose tasks take prompts.
        bounds: lowest and highest reward by a task's name, `COMMON` for all other prompts; empty
            where they were not kept: rewards are then taken as they are.
    """
    if not bounds:
        return unit
    partition = Partition((task.name, task.match) for task in config.tasks)
    known = {name: Scale(name, low, high) for name, (low, high) in bounds.items()}

    def scales(prompts: Sequence[Prompt]) -> list[Scale]:
        return [known.get(partition.of(prompt) or COMMON, known[COMMON]) for prompt in prompts]

    return scales
