"""Admission gates: what a child must pass to be asked. They compose with AND."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from creator.context import CreatorContext
from creator.gates.table import LengthOptions
from selfplay.core.components import NoOptions
from selfplay.core.types import Prompt


class Gate(Protocol):
    """One condition of admission."""

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        """For each prompt, why it is turned down; empty where it passes."""


class Duplicate:
    """Turns down a prompt that the run knows, or that stands earlier in the same list."""

    def __init__(self, options: NoOptions, surroundings: CreatorContext) -> None:
        self._known = surroundings.known

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        """As `Gate.reasons`."""
        seen = self._known([prompt.id for prompt in prompts])
        reasons = []
        for prompt in prompts:
            reasons.append("duplicate" if prompt.id in seen else "")
            seen.add(prompt.id)
        return reasons


class Heldout:
    """Turns down a prompt whose text stands in the held-out set: it would be trained on.

    Always the first gate, whatever the configuration says.
    """

    def __init__(self, surroundings: CreatorContext) -> None:
        self._heldout = surroundings.heldout

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        """As `Gate.reasons`."""
        return ["held out" if p.normalized in self._heldout else "" for p in prompts]


class Length:
    """Turns down a prompt outside the bounds of tokens."""

    def __init__(self, options: LengthOptions, surroundings: CreatorContext) -> None:
        self._low = options.min_tokens
        self._high = min(options.max_tokens or surroundings.max_tokens, surroundings.max_tokens)
        self._lengths = surroundings.lengths

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        """As `Gate.reasons`."""
        return [self._reason(length) for length in self._lengths(prompts)]

    def _reason(self, length: int) -> str:
        if length > self._high:
            return f"too long: over {self._high} tokens"
        return f"too short: under {self._low} tokens" if length < self._low else ""


def admit(prompts: Sequence[Prompt], gates: Sequence[Gate]) -> list[str]:
    """For each prompt the first reason to turn it down, or an empty string.

    A prompt that one gate turned down is not shown to the next.
    """
    verdicts = [""] * len(prompts)
    for gate in gates:
        standing = [i for i, reason in enumerate(verdicts) if not reason]
        reasons = gate.reasons([prompts[i] for i in standing])
        for i, reason in zip(standing, reasons, strict=True):
            verdicts[i] = reason
    return verdicts
