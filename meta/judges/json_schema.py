"""Structured output: is the JSON in a response valid under a JSON Schema?

The JSON is read strictly, out of the whole response or out of its last fenced block; nothing is
repaired. The verdict's scores are `json` (there is a JSON value) and `json_schema` (it is valid).
Its violations say where in the schema the keywords stand that are broken, the first few of them,
or `json` where there is no JSON value.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meta.judges import fingerprint_of
from meta.judges.table import JsonSchemaOptions
from meta.rubrics.rubric import Rubric
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.json_schemas.validation import broken_keywords, check_schema
from selfplay.core.json_text import READERS, parse_json
from selfplay.core.types import Group, Prompt, Verdict

MOST_VIOLATIONS = 8
"""More are left out: a value of another shape breaks everything."""


class JsonSchemaJudge:
    """Scores responses by a schema."""

    name = "json_schema"
    scale = (0.0, 1.0)

    def __init__(self, options: JsonSchemaOptions, rubric: Rubric | None = None) -> None:
        """The rubric is not used. Raises ConfigError for a file that holds no schema."""
        self._column = options.column
        self._read = READERS[options.extract]
        self._schema = options.schema or (_from_file(options.file) if options.file else None)
        self.content = "" if self._schema is None else fingerprint_of(self._schema)

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """Verdicts with the scores `json` and `json_schema`."""
        return [self._verdicts(group) for group in groups]

    def _verdicts(self, group: Group) -> tuple[Verdict, ...]:
        try:
            schema = self._column_of(group.prompt) if self._schema is None else self._schema
        except (ConfigError, DataError) as error:
            return tuple(Verdict.missing(f"json_schema: {error}") for _ in group.responses)
        return tuple(self._verdict(schema, response.text) for response in group.responses)

    def _verdict(self, schema: Any, text: str) -> Verdict:
        try:
            value = self._read(text)
        except ValueError:
            return Verdict(0.0, "", {"json": 0.0, "json_schema": 0.0}, ("json",))
        try:
            broken = broken_keywords(value, schema)
        except DataError as error:
            return Verdict.missing(f"json_schema: {error}")
        valid = float(not broken)
        return Verdict(valid, "", {"json": 1.0, "json_schema": valid}, broken[:MOST_VIOLATIONS])

    def _column_of(self, prompt: Prompt) -> Any:
        """The prompt's own schema.

        Raises:
            ConfigError: it is one that cannot be checked.
            DataError: there is none.
        """
        given = prompt.extra.get(self._column)
        if given is None:
            raise DataError(f"the prompt has no column '{self._column}'")
        try:
            schema = parse_json(given, keys_once=True) if isinstance(given, str) else given
        except ValueError as error:
            raise DataError(f"column '{self._column}' is no JSON: {error}") from error
        check_schema(schema, self._column)
        return schema


def _from_file(name: str) -> Any:
    where = f"judge 'json_schema': {name}"
    try:
        schema = parse_json(Path(name).read_text(encoding="utf-8"), keys_once=True)
    except OSError as error:
        raise ConfigError(f"{where}: expected a JSON file: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{where}: expected JSON: {error}") from error
    check_schema(schema, where)
    return schema
