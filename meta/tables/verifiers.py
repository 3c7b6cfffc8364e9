"""Verifiers in code beside that of answers: names, options and where their code is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from selfplay.core.components import Row
from selfplay.core.errors import nearest, require
from selfplay.core.json_schemas.validation import check_schema
from selfplay.core.json_text import READERS

EVALUATIONS: Mapping[str, str] = {
    "strict": "the response as it is",
    "loose": "the response, or what is left of it without its first or last line or its asterisks",
}
"""What of a response has to follow an instruction, as in IFEval."""

REWARDS: Mapping[str, str] = {
    "share": "the share of the instructions that are followed",
    "all": "1 where all of them are followed, else 0",
}
"""What the instructions of a prompt amount to."""


@dataclass(frozen=True)
class InstructionsOptions:
    """How the instructions that a prompt brings along are verified."""

    evaluation: str = "strict"
    """One of `EVALUATIONS`."""
    reward: str = "share"
    """One of `REWARDS`."""

    def check(self, where: str) -> None:
        """Refuses what is in neither table.

        Raises:
            ConfigError: says which there are.
        """
        _one_of(self.evaluation, EVALUATIONS, f"{where}.evaluation")
        _one_of(self.reward, REWARDS, f"{where}.reward")


@dataclass(frozen=True)
class JsonSchemaOptions:
    """What JSON a response has to hold. Exactly one of `schema`, `file` and `column` is given."""

    schema: dict[str, Any] = field(default_factory=dict)
    """The JSON Schema itself."""
    file: str = ""
    """A JSON file that holds it."""
    column: str = ""
    """The column of the prompt file that holds each prompt's own, as a mapping or as JSON text."""
    extract: str = "auto"
    """Where the JSON is: `whole` (all of the response), `fenced` (its last block between lines of
    three backticks), or `auto` (the block where the whole is no JSON)."""

    def check(self, where: str) -> None:
        """Refuses what could not be judged by.

        Raises:
            ConfigError: no schema or several, one that cannot be checked, an unknown extraction.
        """
        given = sum(map(bool, (self.schema, self.file, self.column)))
        require(given == 1, where, "one of schema, file and column", f"{given} of them")
        _one_of(self.extract, READERS, f"{where}.extract")
        check_schema(self.schema, f"{where}.schema")


def _one_of(name: str, table: Mapping[str, object], where: str) -> None:
    require(name in table, where, " or ".join(table), f"'{name}'; {nearest(name, table)}")


ROWS: Mapping[str, Row] = {
    "instructions": Row(
        "meta.judges.instructions:InstructionsJudge",
        InstructionsOptions,
        "the share of the prompt's verifiable instructions (IFEval's kinds) that are followed",
    ),
    "json_schema": Row(
        "meta.judges.json_schema:JsonSchemaJudge",
        JsonSchemaOptions,
        "1 for a response whose JSON is valid under a JSON Schema",
    ),
}
