"""What a row of the table of objectives says. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from selfplay.core.components import Row

Shape: TypeAlias = Literal["pairs", "groups", "weights", "class"]
"""What `factory` names: a loss of pairs, a loss of whole groups, weights of single responses (each
a pure function of a batch and the options), or a class that does all by itself."""

Need: TypeAlias = Literal[
    "pairs",  # a preferred and a rejected response of one prompt
    "groups",  # two or more scored responses of a prompt
    "unpaired",  # single responses, each good or bad
    "responses",  # scored responses, one of a prompt is enough
    "reference",  # log-probabilities of a reference policy
    "reference logits",  # its whole distributions
    "sampling",  # log-probabilities under π_old, the whole policy as the stage begins
    "constraints",  # verdicts that name the constraints a response breaks
    "value head",
    "reward head",
    "whole weights",  # no adapter of the policy's own
]


@dataclass(frozen=True)
class ObjectiveRow(Row):
    """An objective: where it is, what it needs, and what the documentation says of it."""

    shape: Shape = "class"
    needs: tuple[Need, ...] = ()
    reference: str = ""
    """The reference policy where `solver.reference` is null; empty for objectives without one."""
    reference_weight: str = ""
    """The option that, at 0, leaves the reference unread; empty where it is always read."""
    trainer: str = ""
    """TRL's trainer that computes the loss, and takes `solver.trl`; empty for losses of our own."""
    formula: str = ""
    """The minimised loss, in the notation of docs/objectives.md."""
    when: str = ""
    """When to use it, in one sentence."""
    source: str = ""
    """Paper and equation or section."""
    whole_step: bool = False
    """The loss couples all items of an optimiser step, so that none of them is split off."""

    def reads_reference(self, options: Any) -> bool:
        """With these options, is the reference policy asked for anything?"""
        weight = getattr(options, self.reference_weight) if self.reference_weight else 1
        return bool(self.reference and weight)
