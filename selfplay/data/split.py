"""Held-out prompts taken away from a run's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selfplay.core.errors import require
from selfplay.core.types import Prompt


@dataclass(frozen=True)
class SplitOptions:
    """Held-out prompts taken away from the run's own, chosen by a hash of their content."""

    share: float = 0.1
    """About which share of the prompts is held out."""
    limit: int = 500
    """Most prompts that are held out."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a share outside [0, 1), or a negative limit.
        """
        require(0 <= self.share < 1, f"{where}.share", "a share from 0 to below 1", self.share)
        require(self.limit >= 0, f"{where}.limit", "0 or more", self.limit)


def split_off(options: SplitOptions, prompts: Sequence[Prompt]) -> list[Prompt]:
    """Those of the prompts whose hash falls below the share, up to the limit.

    Whether a prompt is below depends on its content alone, so a longer file keeps the split that
    a shorter one had, until the limit cuts it off.
    """
    threshold = int(options.share * 2**64)
    return [prompt for prompt in prompts if int(prompt.id, 16) < threshold][: options.limit]


def without(prompts: Sequence[Prompt], heldout: Sequence[Prompt]) -> list[Prompt]:
    """`prompts` less those whose text is held out."""
    texts = {prompt.normalized for prompt in heldout}
    return [prompt for prompt in prompts if prompt.normalized not in texts]
