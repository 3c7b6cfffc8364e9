"""Prompts that leave no room for an answer in the model's context: refused, or left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selfplay.config.settings import RunConfig
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.notices import note
from selfplay.core.types import Prompt
from solver.solver import Solver

DROP = "drop"


@dataclass(frozen=True)
class Room:
    """How much room prompts have, and what becomes of those that need more."""

    solver: Solver
    tokens: int
    """Most tokens of a prompt."""
    drop: bool
    """Whether the originals that are longer are left out."""
    drop_heldout: bool
    """The same of held-out prompts."""

    @classmethod
    def of(cls, config: RunConfig, solver: Solver) -> Room:
        """What the configuration says; a split of the prompts follows `prompts.long`.

        Raises:
            ConfigError: no prompt at all could have room.
        """
        tokens = solver.context - config.solver.sampling.max_new_tokens
        if tokens < 1:
            raise ConfigError(
                f"solver.sampling.max_new_tokens: expected fewer than the model's context of "
                f"{solver.context} tokens, found {solver.context - tokens}"
            )
        long = getattr(config.prompts.options, "long", "refuse")
        heldout = getattr(config.evaluation.source.options, "long", long)
        return cls(solver, tokens, long == DROP, heldout == DROP)

    def kept(self, originals: Sequence[Prompt], heldout: Sequence[Prompt]) -> frozenset[str]:
        """Ids of the prompts that have room, of all that a run begins with.

        Raises:
            DataError: some have none and are not to be dropped, or no original is left; says how
                many there are, how long the first is and how it begins.
        """
        parts = ((originals, self.drop), (heldout, self.drop_heldout))
        found = [id_ for prompts, drop in parts for id_ in self._fitting(prompts, drop)]
        kept = frozenset(found)
        if originals and not any(prompt.id in kept for prompt in originals):
            raise DataError(
                f"no prompt is left: all {len(originals)} are longer than {self.tokens} tokens"
            )
        return kept

    def _fitting(self, prompts: Sequence[Prompt], drop: bool) -> list[str]:
        lengths = self.solver.prompt_lengths(prompts)
        long = [i for i, length in enumerate(lengths) if length > self.tokens]
        if long:
            first = long[0]
            words = (
                f"{len(long)} of {len(prompts)} prompts are longer than the {self.tokens} tokens "
                f"that the model's context of {self.solver.context} leaves beside max_new_tokens; "
                f"the first has {lengths[first]} and begins '{prompts[first].text[:60]}'"
            )
            if not drop:
                raise DataError(
                    f"{words}. Leave them out (prompts.long=drop, of a file), lower "
                    "solver.sampling.max_new_tokens, or take a model with a longer context"
                )
            note(f"{words}; they are left out")
        return [p.id for p, length in zip(prompts, lengths, strict=True) if length <= self.tokens]
