"""What operators and gates are told about the run: one object for all of them.

Most of it stays as it is while a run lasts. What may be asked of models belongs to one round and
comes with a `RoundServices`, so that a round that was interrupted asks nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from creator.gates.asked_once import AskedOnce
from creator.gates.context import Embeds
from creator.pool.archive import Archive
from creator.scales import Scales, on_one_scale, unit
from selfplay.core.gym import Spaces
from selfplay.core.text import TextModel
from selfplay.core.types import Group, Probe, Prompt


@dataclass(frozen=True)
class RoundServices:
    """What the creator may ask for while it composes, recorded as it is answered."""

    estimate: Probe
    """Fresh samples of prompts that were asked before."""
    probe: Probe
    """Answers to children that are not admitted yet."""
    rewriter: TextModel
    """Writes prompts."""


@dataclass
class CreatorContext:
    """Everything an operator or a gate may ask for; each takes what it needs."""

    archive: Archive
    """The prompts that were admitted, the children of the round being composed included."""
    known: Callable[[Collection[str]], set[str]]
    """Which of these ids were admitted before the round."""
    heldout: frozenset[str]
    """Normalised texts of the held-out prompts."""
    lengths: Callable[[Sequence[Prompt]], list[int]]
    """Tokens of each prompt, chat template included."""
    max_tokens: int
    """The longest prompt that leaves room for an answer in the model's context."""
    embedder: Embeds
    """The embedding model, loaded at its first use."""
    read_texts: Callable[[str], list[str]]
    """The prompts' texts in a benchmark's file."""
    final_answer: Callable[[str], str | None]
    """A response's final answer in one spelling for equal answers; None where there is none."""
    scales: Scales = unit
    """The scales that responses to prompts are judged on."""
    spaces: Spaces = field(default_factory=dict)
    """The difficulty spaces of puzzles."""
    directory: Path | None = None
    """Where what is computed of every prompt may be kept; None: nowhere beyond the process."""
    parents: Sequence[Prompt] = ()
    """Those drawn for the children that are being made: for operators that need a second one."""
    _turn: RoundServices | None = None
    _asked: AskedOnce | None = None

    def begin(self, turn: RoundServices) -> None:
        """A composition begins, and with it new answers."""
        self._turn, self._asked = turn, AskedOnce(turn.probe)
        self.archive.begin()

    @property
    def rewriter(self) -> TextModel:
        """The model that writes prompts."""
        return self._now.rewriter

    def probe(self, prompts: Sequence[Prompt], n: int) -> list[Group]:
        """`n` judged responses to each prompt, their rewards in shares of the judge's scale.

        Gates that ask the same share the answers.
        """
        if self._asked is None:
            raise RuntimeError("nothing can be asked before a composition begins")
        return on_one_scale(self._asked(prompts, n), self.scales)

    @property
    def _now(self) -> RoundServices:
        if self._turn is None:
            raise RuntimeError("nothing can be asked before a composition begins")
        return self._turn
