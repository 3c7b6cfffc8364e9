"""A probe that asks every prompt once, so that several gates share the answers they pay for.

Made anew for each round: answers of an older policy are not what the next round asks for.
"""

from __future__ import annotations

from collections.abc import Sequence

from selfplay.core.types import Group, Probe, Prompt


class AskedOnce:
    """Hands on only the prompts that were not asked yet for as many answers."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._groups: dict[tuple[str, int], Group] = {}

    @property
    def groups(self) -> list[Group]:
        """Everything that was answered, in order: estimates of children can start from it."""
        return list(self._groups.values())

    def __call__(self, prompts: Sequence[Prompt], n: int) -> list[Group]:
        """As `Probe`."""
        missing = {p.id: p for p in prompts if (p.id, n) not in self._groups}
        if missing:
            asked = list(missing.values())
            for prompt, group in zip(asked, self._probe(asked, n), strict=True):
                self._groups[prompt.id, n] = group
        return [self._groups[prompt.id, n] for prompt in prompts]
