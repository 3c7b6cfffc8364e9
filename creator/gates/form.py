"""Turns down what a rewriting model returns in place of one new prompt.

Each slip has a reason that can be counted: nothing at all, the parent again, a rewriting template's
markers, a preamble, a refusal, an answer, several prompts, a text that asks nothing where the
parent asks (`creator.gates.slips` has the patterns and their limits), a length out of proportion.

A prompt that is fluent and senseless passes. Puzzles pass: code wrote them.
"""

from __future__ import annotations

from collections.abc import Sequence

from creator.gates.context import HasArchive
from creator.gates.slips import find_slip
from creator.gates.table import WellFormedOptions
from creator.gates.words import asked_text, figures
from selfplay.core.types import Prompt
from selfplay.core.words import folded, words


class WellFormed:
    """Compares each child with its parents, whom the archive knows."""

    def __init__(self, options: WellFormedOptions, surroundings: HasArchive) -> None:
        self._options = options
        self._archive = surroundings.archive
        self._markers = [folded(marker) for marker in options.markers]

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        """As `Gate.reasons`."""
        wanted = {parent for prompt in prompts for parent in prompt.lineage.parents}
        parents = {
            parent.id: asked_text(parent) for parent in self._archive.prompts(sorted(wanted))
        }
        return [
            ""
            if prompt.puzzle is not None
            else self._reason(asked_text(prompt), [parents[i] for i in prompt.lineage.parents])
            for prompt in prompts
        ]

    def _reason(self, text: str, parents: Sequence[str]) -> str:
        if not words(text):
            return "empty"
        if any(_same(text, parent) for parent in parents):
            return "unchanged"
        plain, before = folded(text), [folded(parent) for parent in parents]
        for marker in self._markers:
            if marker in plain and not any(marker in parent for parent in before):
                return "template marker"
        return find_slip(plain, before) or self._out_of_proportion(text, parents)

    def _out_of_proportion(self, text: str, parents: Sequence[str]) -> str:
        """A child of several parents may be as long as all of them together."""
        if not parents:
            return ""
        length, lengths = len(words(text)), [len(words(parent)) for parent in parents]
        shortest, longest, slack = min(lengths), sum(lengths), self._options.slack
        if length < min(self._options.shortest * shortest, shortest - slack):
            return "too short beside its parent"
        if length > max(self._options.longest * longest, longest + slack):
            return "too long beside its parent"
        return ""


def _same(text: str, parent: str) -> bool:
    return words(text) == words(parent) and figures(text) == figures(parent)
