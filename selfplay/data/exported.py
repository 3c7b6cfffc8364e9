"""Prompts that `selfplay export` wrote, read back: the same prompts, with the same ids.

Every exported prompt has a column `selfplay` with its id, its task, its gold answer, its further
columns as JSON and, of a puzzle, the generator's item, so that its exact verifier still works. Its
family comes along as one more column: prompts that were kin stay together in later splits. A row
whose text was changed makes another prompt, which the id tells; of a puzzle that is refused, since
its verifier would score another question.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfplay.core.errors import DataError
from selfplay.core.types import Chat, Level, Prompt, Puzzle

COLUMN = "selfplay"
FAMILY = "exported_family"
"""In `Prompt.extra` of what was read back: the family that the prompt had in the run it is from."""


@dataclass(frozen=True)
class Provenance:
    """What the column says, as far as reading needs it."""

    id: str
    task: str
    answer: str | None
    puzzle: Puzzle | None
    extra: Mapping[str, Any]
    """With the family."""

    def prompt(self, messages: Chat, place: str) -> Prompt:
        """The prompt with these messages.

        Raises:
            DataError: the text of a puzzle was changed.
        """
        prompt = Prompt(messages, self.task, self.answer, self.puzzle, self.extra)
        if self.puzzle is not None and prompt.id != self.id:
            raise DataError(
                f"{place}: expected the puzzle {self.id} as it was exported, found another text, "
                f"which its generator cannot verify; restore it, or drop the column '{COLUMN}'"
            )
        return prompt


def provenance_of(values: Mapping[str, Any], place: str) -> Provenance | None:
    """What a row's column says; None for a row that `selfplay export` did not write.

    Raises:
        DataError: the column is there and is not as it was written.
    """
    found = values.get(COLUMN)
    if not isinstance(found, Mapping):
        return None
    try:
        return Provenance(
            id=str(found["id"]),
            task=str(found["task"]),
            answer=None if found["answer"] is None else str(found["answer"]),
            puzzle=_puzzle(found["puzzle"]) if found.get("puzzle") else None,
            extra=_extra(found),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{place}: expected the column '{COLUMN}' as `selfplay export` writes it, found "
            f"{error!r}; export again, or drop the column"
        ) from error


def _extra(found: Mapping[str, Any]) -> dict[str, Any]:
    own = json.loads(found["extra"]) if found.get("extra") else {}
    family = found.get("family")
    return own | ({FAMILY: f"{int(family, 16):016x}"} if family else {})


def _puzzle(found: Mapping[str, Any]) -> Puzzle:
    levels = [(str(entry["name"]), _level(entry["level"])) for entry in found["attributes"]]
    return Puzzle(str(found["generator"]), tuple(levels), int(found["index"]))


def _level(level: float) -> Level:
    return int(level) if float(level).is_integer() else float(level)
