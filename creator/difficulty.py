"""How difficult puzzles are, on the scale of their own spaces."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from selfplay.core.gym import Spaces
from selfplay.core.types import Prompt


def difficulty(prompt: Prompt, spaces: Spaces) -> float | None:
    """0 at the easiest level of every attribute, 1 at the hardest; None without a space."""
    space = spaces.get(prompt.puzzle.generator) if prompt.puzzle else None
    if prompt.puzzle is None or space is None:
        return None
    ladders = [(space.levels[name], level) for name, level in prompt.puzzle.attributes]
    return fmean(ladder.index(level) / max(1, len(ladder) - 1) for ladder, level in ladders)


def mean_difficulty(prompts: Sequence[Prompt], spaces: Spaces) -> dict[str, float]:
    """`{"difficulty": mean}` over the prompts that have one; empty where none has."""
    known = [value for prompt in prompts if (value := difficulty(prompt, spaces)) is not None]
    return {"difficulty": fmean(known)} if known else {}
