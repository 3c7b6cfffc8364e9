"""Held-out prompts taken away from a run's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selfplay.core.types import Prompt


@dataclass(frozen=True)
class SplitOptions:
    """Held-out prompts taken away from the run's own, chosen by a hash of their content."""

    share: float = 0.1
    limit: int = 500


def split_off(options: SplitOptions, prompts: Sequence[Prompt]) -> list[Prompt]:
    """Those of the prompts whose hash falls below the share, up to the limit.

    Membership depends on a prompt's content alone, so a longer file keeps the split that a
    shorter one had.
    """
    threshold = int(options.share * 2**64)
    return [prompt for prompt in prompts if int(prompt.id, 16) < threshold][: options.limit]


def without(prompts: Sequence[Prompt], heldout: Sequence[Prompt]) -> list[Prompt]:
    """`prompts` less those whose text is held out."""
    texts = {prompt.text for prompt in heldout}
    return [prompt for prompt in prompts if prompt.text not in texts]
