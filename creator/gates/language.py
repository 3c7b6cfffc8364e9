"""Turns down a prompt in another language than its parent's, or than those allowed.

The language is told offline (`selfplay.core.language`): enough to find a rewriter that answers an
English prompt in Chinese or French. A text of a few words, code or formulas have no language that
can be told.
"""

from __future__ import annotations

from collections.abc import Sequence

from creator.gates.context import HasArchive
from creator.gates.table import LanguageOptions
from creator.gates.words import asked_text
from selfplay.core.language import language_of
from selfplay.core.types import Prompt


class SameLanguage:
    """Compares each child's language with its parents', or with those allowed."""

    def __init__(self, options: LanguageOptions, surroundings: HasArchive) -> None:
        self._options = options
        self._archive = surroundings.archive

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        """As `Gate.reasons`."""
        allowed: set[str | None] = set(self._options.allowed)
        wanted = {parent for p in prompts for parent in p.lineage.parents if not allowed}
        spoken = {p.id: language_of(asked_text(p)) for p in self._archive.prompts(sorted(wanted))}
        return [
            self._reason(
                language_of(asked_text(prompt)),
                allowed or {spoken[parent] for parent in prompt.lineage.parents},
            )
            for prompt in prompts
        ]

    def _reason(self, language: str | None, allowed: set[str | None]) -> str:
        if language is None:
            return "" if self._options.unknown else "language unknown"
        # A parent whose language cannot be told is no ground to turn a child down.
        if not allowed or None in allowed or language in allowed:
            return ""
        return f"in another language: {language}"
