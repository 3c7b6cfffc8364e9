"""Prompt files: JSON Lines, CSV, Parquet or a saved `datasets` directory, as prompts.

A prompt is a string (one user message) or a list of chat messages. A gold answer may stand at the
end of a worked solution after a marker, as GSM8K's do after "####"; then the text after the last
marker is the answer and the solution stays in `extra` under its column's name. Rows that make the
same prompt (messages, task and answer) collapse into one. The file is read twice, once for what its
columns mean, so that its rows are never all in memory beside its prompts. Rows that
`selfplay export` wrote are the prompts that it exported (`selfplay.data.exported`), whatever their
other columns say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.core.errors import ConfigError, DataError, nearest
from selfplay.core.types import Chat, Message, Prompt, user
from selfplay.data.exported import provenance_of
from selfplay.data.rows import TableRow, each_row

PROMPT_COLUMNS = ("prompt", "question", "instruction", "messages")
ANSWER_COLUMNS = ("answer", "gold", "ground_truth")
GSM8K_MARKER = "####"


@dataclass(frozen=True)
class PromptFileOptions:
    """Which file, and what its columns mean."""

    path: str = ""
    """A .jsonl, .ndjson, .csv or .parquet file, or a directory saved by `datasets`."""
    prompt: str = "auto"
    """Column of the prompt; `auto`: the first of prompt, question, instruction, messages."""
    answer: str = "auto"
    """Column of the gold answer; `auto`: the first there is of answer, gold, ground_truth, if any;
    `none`: the file's prompts have no gold."""
    answer_marker: str = "auto"
    """The answer is the text after the last one; `auto`: "####" if every answer has it; empty: the
    whole column."""
    task: str = ""
    """Column of the task's name; empty: every prompt's task is `default`."""
    limit: int = 0
    """Rows to read; 0 for all."""

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ConfigError(f"prompts.limit: expected 0 (all rows) or more, found {self.limit}")


@dataclass(frozen=True)
class PromptFile:
    """What a prompt file held."""

    prompts: list[Prompt]
    """In the file's order, without duplicates."""
    rows: int
    duplicates: int
    """Rows that repeated an earlier prompt."""
    conflicts: tuple[str, ...]
    """Ids of prompts that ask what an earlier one asks, with another gold answer."""
    columns: Columns
    """What the columns were taken to mean."""


@dataclass(frozen=True)
class Columns:
    """The columns' meaning, once the file is known."""

    prompt: str
    answer: str | None
    answer_marker: str
    task: str | None


def read_prompts(options: PromptFileOptions) -> PromptFile:
    """The prompts of a file.

    Raises:
        DataError: the file, a column or a row cannot be used; the message names file and line.
    """
    path = Path(options.path)
    columns = find_columns(options, each_row(path, options.limit), path)
    rows = 0
    distinct: dict[str, Prompt] = {}
    asked: set[tuple[str, Chat]] = set()
    conflicts = []
    for row in each_row(path, options.limit):
        rows += 1
        prompt = make_prompt(row, columns)
        if prompt.id in distinct:
            continue
        if (prompt.task, prompt.messages) in asked:
            conflicts.append(prompt.id)
        asked.add((prompt.task, prompt.messages))
        distinct[prompt.id] = prompt
    prompts = list(distinct.values())
    return PromptFile(prompts, rows, rows - len(prompts), tuple(conflicts), columns)


def find_columns(options: PromptFileOptions, rows: Iterable[TableRow], path: Path) -> Columns:
    """What the columns mean, from the options and from all rows.

    Raises:
        DataError: a column is not in the file.
    """
    names, marked = _names(rows, {options.answer, *ANSWER_COLUMNS})
    prompt = options.prompt
    if prompt == "auto":
        prompt = next((name for name in PROMPT_COLUMNS if name in names), "")
        if not prompt:
            raise DataError(
                f"{path}: expected a column called {', '.join(PROMPT_COLUMNS[:-1])} or "
                f"{PROMPT_COLUMNS[-1]}, found {', '.join(names) or 'none'}; "
                "name the prompt's column, or add a header if the file has none"
            )
    answer: str | None = options.answer
    if answer == "auto":
        answer = next((name for name in ANSWER_COLUMNS if name in names and name != prompt), None)
    answer = None if answer == "none" else answer
    for wanted in (prompt, answer, options.task):
        if wanted and wanted not in names:
            raise DataError(
                f"{path}: there is no column '{wanted}'; columns: {', '.join(names)}; "
                f"{nearest(wanted, names)}"
            )
    marker = options.answer_marker
    if marker == "auto":
        # GSM8K's if every answer has it.
        marker = GSM8K_MARKER if answer in marked else ""
    return Columns(prompt, answer, marker, options.task or None)


def _names(rows: Iterable[TableRow], answers: Set[str]) -> tuple[list[str], Set[str]]:
    """All columns' names in order, and those of `answers` that have the marker in every row."""
    names: dict[str, None] = {}
    marked = set(answers)
    for row in rows:
        names |= dict.fromkeys(row.values)
        # Gone for good once a row is without it, so that later rows cost nothing.
        marked -= {name for name in marked if GSM8K_MARKER not in str(row.values.get(name))}
    return list(names), marked


def make_prompt(row: TableRow, columns: Columns) -> Prompt:
    """The prompt that a row spells.

    Raises:
        DataError: no prompt text, malformed messages, an answer that is no text or number, or an
            exported puzzle that was changed.
    """
    values = row.values
    messages = _chat(values.get(columns.prompt), f"{row.place}, column '{columns.prompt}'")
    exported = provenance_of(values, row.place)
    if exported is not None:
        return exported.prompt(messages, row.place)
    used = {columns.prompt, columns.task}
    if not columns.answer_marker:
        used.add(columns.answer)
    return Prompt(
        messages=messages,
        task=_task(row, columns.task),
        answer=_answer(row, columns),
        extra={name: value for name, value in values.items() if name not in used},
    )


def _chat(value: object, where: str) -> Chat:
    """A prompt column's value as a chat."""
    if isinstance(value, str) and value.strip():
        return user(value)
    if value is None or value == [] or isinstance(value, str):
        raise DataError(f"{where}: expected a prompt, found an empty one")
    if not isinstance(value, list):
        raise DataError(
            f"{where}: expected text or a list of messages, found {type(value).__name__}"
        )
    chat = tuple(_message(entry, f"{where}, message {i}") for i, entry in enumerate(value, 1))
    if chat[-1].role == "assistant":
        raise DataError(
            f"{where}: expected messages that end before the answer, found the assistant's turn "
            "last; drop it"
        )
    if not any(message.content.strip() for message in chat):
        raise DataError(f"{where}: expected a prompt, found an empty one")
    return chat


def _message(entry: object, where: str) -> Message:
    role, content = (
        (entry.get("role"), entry.get("content")) if isinstance(entry, Mapping) else (None, None)
    )
    if not isinstance(role, str) or not isinstance(content, str):
        raise DataError(f"{where}: expected an object with role and content, found {entry!r}")
    return Message(role, content)


def _task(row: TableRow, column: str | None) -> str:
    if column is None:
        return "default"
    value = row.values.get(column)
    if value is None or not str(value).strip():
        raise DataError(f"{row.place}, column '{column}': expected a task's name, found none")
    return str(value)


def _answer(row: TableRow, columns: Columns) -> str | None:
    """The gold answer, after its marker where there is one."""
    value: Any = row.values.get(columns.answer) if columns.answer else None
    if value is None:
        return None
    where = f"{row.place}, column '{columns.answer}'"
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise DataError(f"{where}: expected text or a number, found {type(value).__name__}")
    text = str(value)
    if columns.answer_marker and columns.answer_marker not in text:
        raise DataError(f"{where}: expected the marker '{columns.answer_marker}' before the answer")
    answer = text.rpartition(columns.answer_marker)[2] if columns.answer_marker else text
    if not answer.strip():
        raise DataError(f"{where}: expected a gold answer, found an empty one")
    return answer.strip()
