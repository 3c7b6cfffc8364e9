"""Prompt files: JSON Lines, CSV, Parquet or a saved `datasets` directory, as prompts.

A prompt is a string (one user message) or a list of chat messages, with what other columns say
belongs to it: a system message, an input to an instruction, earlier turns (`selfplay.data.columns`
has the names that are known). A gold answer may stand at the end of a worked solution after a
marker, as GSM8K's do after "####"; then the text after the last marker is the answer and the
solution stays in `extra` under its column's name. Rows that make the same prompt (messages, task
and answer) collapse into one. The file is read twice, once for what its columns mean, so that its
rows are never all in memory beside its prompts. Rows that `selfplay export` wrote are the prompts
that it exported (`selfplay.data.exported`), whatever their other columns say.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.core.errors import ConfigError, DataError, nearest, require
from selfplay.core.guard import shown
from selfplay.core.numbers import is_number, number_text
from selfplay.core.types import Chat, Message, Prompt, user
from selfplay.data.chats import question_of
from selfplay.data.columns import (
    ANSWER_COLUMNS,
    HISTORY_COLUMNS,
    INPUT_COLUMNS,
    PROMPT_COLUMNS,
    SYSTEM_COLUMNS,
    first_of,
    flattened,
    value_at,
)
from selfplay.data.exported import provenance_of
from selfplay.data.remarks import Census
from selfplay.data.rows import TableRow, each_row

GSM8K_MARKER = "####"
LONG = ("refuse", "drop")


@dataclass(frozen=True)
class PromptFileOptions:
    """Which file, and what its columns mean."""

    path: str = ""
    """A .jsonl, .ndjson, .csv or .parquet file, or a directory saved by `datasets`."""
    prompt: str = "auto"
    """Column of the prompt; `auto`: the first of prompt, question, instruction, messages,
    conversations, conversation, problem, query, input."""
    system: str = "auto"
    """Column of a system message before the prompt; `auto`: system or system_prompt, if any;
    `none`: the prompt's column alone is asked."""
    input: str = "auto"
    """Column of what is asked below the prompt's text; `auto`: beside an instruction, the first of
    input, context, query, if any; `none`: the prompt's column alone is asked."""
    answer: str = "auto"
    """Column of the gold answer, a dot leading into an object; `auto`: the first there is of
    answer, gold, ground_truth, expected_answer, reward_model.ground_truth, if any; `none`: the
    file's prompts have no gold."""
    answer_marker: str = "auto"
    """The answer is the text after the last one; `auto`: "####" if every answer has it; empty: the
    whole column."""
    task: str = ""
    """Column of the task's name; empty: every prompt's task is `default`."""
    limit: int = 0
    """Rows to read; 0 for all."""
    long: str = "refuse"
    """Prompts that leave no room for an answer in the model's context: `refuse` ends the run before
    it begins, `drop` leaves them out and says how many."""

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ConfigError(f"prompts.limit: expected 0 (all rows) or more, found {self.limit}")
        require(self.long in LONG, "prompts.long", " or ".join(LONG), f"'{self.long}'")


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
    notes: tuple[str, ...] = ()
    """What is worth knowing before they are asked."""


@dataclass(frozen=True)
class Columns:
    """The columns' meaning, once the file is known."""

    prompt: str
    """Empty where the conversations stand in other columns."""
    answer: str | None
    answer_marker: str
    task: str | None
    system: str | None = None
    input: str | None = None
    history: str | None = None
    names: tuple[str, ...] = ()
    """All columns of the file."""

    @property
    def asked(self) -> frozenset[str]:
        """Those that make the prompt."""
        found = (self.prompt, self.task, self.system, self.input, self.history)
        return frozenset(name for name in found if name)

    @property
    def used(self) -> frozenset[str]:
        """Those that have a meaning, the gold answer's too; an object counts as a whole."""
        return self.asked | {(self.answer or "").partition(".")[0], self.answer or ""}


def read_prompts(options: PromptFileOptions) -> PromptFile:
    """The prompts of a file.

    Raises:
        DataError: the file, a column or a row cannot be used; the message names file and line.
    """
    path = Path(options.path)
    columns = find_columns(options, map(flattened, each_row(path, options.limit)), path)
    census = Census(path, columns.names, columns.used, bool(columns.answer))
    distinct: dict[str, Prompt] = {}
    for row in map(flattened, each_row(path, options.limit)):
        prompt = make_prompt(row, columns)
        census.count(prompt, row.place, repeated=prompt.id in distinct)
        distinct.setdefault(prompt.id, prompt)
    prompts = list(distinct.values())
    conflicts = tuple(census.conflicts)
    return PromptFile(prompts, census.rows, census.duplicates, conflicts, columns, census.notes())


def find_columns(
    options: PromptFileOptions, rows: Iterable[TableRow], path: Path, within: bool = True
) -> Columns:
    """What the columns mean, from the options and from all rows.

    Args:
        options: which column is which.
        rows: of the file, as `flattened`.
        path: of the file, for messages.
        within: whether the prompt has to be in a column of its own.

    Raises:
        DataError: a column is not in the file.
    """
    names, marked, listed = _names(rows, {options.answer, *ANSWER_COLUMNS})
    prompt = options.prompt
    if prompt == "auto":
        prompt = first_of(PROMPT_COLUMNS, names) or ""
        if not prompt and within:
            raise DataError(
                f"{path}: expected a column called {', '.join(PROMPT_COLUMNS[:-1])} or "
                f"{PROMPT_COLUMNS[-1]}, found {', '.join(names) or 'none'}; "
                "name the prompt's column, or add a header if the file has none"
            )
    others = [name for name in names if name != prompt]
    answer = _chosen(options.answer, ANSWER_COLUMNS, others)
    system = _chosen(options.system, SYSTEM_COLUMNS, others)
    beside = INPUT_COLUMNS if prompt == "instruction" else ()
    extra_input = _chosen(options.input, beside, others)
    for wanted in (prompt, answer, options.task, system, extra_input):
        if wanted and wanted not in names:
            raise DataError(
                f"{path}: there is no column '{wanted}'; columns: {', '.join(names)}; "
                f"{nearest(wanted, names)}"
            )
    marker = options.answer_marker
    if marker == "auto":
        # GSM8K's if every answer has it.
        marker = GSM8K_MARKER if answer in marked else ""
    history = first_of(HISTORY_COLUMNS, [name for name in others if name in listed])
    return Columns(
        prompt, answer, marker, options.task or None, system, extra_input, history, tuple(names)
    )


def _chosen(option: str, known: Iterable[str], names: list[str]) -> str | None:
    """The column that an option names, `auto` being the first known one that is there."""
    if option == "auto":
        return first_of(tuple(known), names)
    return None if option == "none" else option


def _names(rows: Iterable[TableRow], answers: Set[str]) -> tuple[list[str], Set[str], Set[str]]:
    """The columns' names in order; those of `answers` marked in every row; those that hold lists.

    Of columns inside others, those of `answers` are named where a row has them.
    """
    names: dict[str, None] = {}
    listed: set[str] = set()
    marked = set(answers)
    nested = [name for name in answers if "." in name]
    for row in rows:
        names |= dict.fromkeys(row.values)
        listed |= {name for name in HISTORY_COLUMNS if isinstance(row.values.get(name), list)}
        names |= {name: None for name in nested if value_at(row.values, name) is not None}
        # Gone for good once a row is without it, so that later rows cost nothing.
        marked -= {name for name in marked if GSM8K_MARKER not in str(row.values.get(name))}
    return list(names), marked, listed


def make_prompt(row: TableRow, columns: Columns, messages: Chat | None = None) -> Prompt:
    """The prompt that a row spells.

    Args:
        row: as `flattened`.
        columns: what they mean.
        messages: what is asked, where that is known already.

    Raises:
        DataError: no prompt text, malformed messages, an answer that is no text or number, or an
            exported puzzle that was changed.
    """
    values = row.values
    messages = asked(row, columns) if messages is None else messages
    exported = provenance_of(values, row.place)
    if exported is not None:
        return exported.prompt(messages, row.place)
    used = columns.asked if columns.answer_marker else columns.asked | {columns.answer}
    return Prompt(
        messages=messages,
        task=_task(row, columns.task),
        answer=_answer(row, columns),
        extra={name: _kept(value) for name, value in values.items() if name not in used},
    )


def asked(row: TableRow, columns: Columns) -> Chat:
    """What a row asks: its prompt with its input, behind earlier turns and a system message.

    Raises:
        DataError: as `make_prompt`.
    """
    where = f"{row.place}, column '{columns.prompt}'"
    chat = question_of(row.values.get(columns.prompt), where)
    given = _text(row, columns.input)
    if given:
        if len(chat) > 1:
            raise DataError(
                f"{where}: expected a text beside '{columns.input}', found messages; put the input "
                "into them, or leave it out with prompts.input=none"
            )
        chat = user(f"{chat[0].content}\n\n{given}")
    return with_system(row, columns, (*_history(row, columns), *chat))


def with_system(row: TableRow, columns: Columns, chat: Chat) -> Chat:
    """The chat behind the row's system message, where it has one.

    Raises:
        DataError: the chat has another one.
    """
    said = _text(row, columns.system)
    if not said or chat[0] == Message("system", said):
        return chat
    if chat[0].role == "system":
        raise DataError(
            f"{row.place}: expected one system message, found one in '{columns.system}' and "
            "another in the chat; drop one, or leave the column out with prompts.system=none"
        )
    return (Message("system", said), *chat)


def _text(row: TableRow, column: str | None) -> str:
    """A column's text; empty where there is none."""
    value = row.values.get(column) if column else None
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    if not isinstance(value, str):
        raise DataError(f"{row.place}, column '{column}': expected a text, found {shown(value)}")
    return value


def _history(row: TableRow, columns: Columns) -> list[Message]:
    """Earlier turns, recorded as pairs of what the user and the assistant said."""
    pairs = (row.values.get(columns.history) if columns.history else None) or []
    turns: list[Message] = []
    for pair in pairs:
        said = pair if isinstance(pair, list) and len(pair) == 2 else []
        texts = [text for text in said if isinstance(text, str)]
        if len(texts) != 2:
            raise DataError(
                f"{row.place}, column '{columns.history}': expected pairs of [user, assistant], "
                f"found {shown(pair)}"
            )
        turns += [Message("user", texts[0]), Message("assistant", texts[1])]
    return turns


def _kept(value: Any) -> Any:
    """A further column's value as the ledger can keep it: null for NaN and for what is infinite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _kept(member) for name, member in value.items()}
    return [_kept(member) for member in value] if isinstance(value, list) else value


def _task(row: TableRow, column: str | None) -> str:
    if column is None:
        return "default"
    value = row.values.get(column)
    if value is None or not str(value).strip():
        raise DataError(f"{row.place}, column '{column}': expected a task's name, found none")
    return str(value)


def _answer(row: TableRow, columns: Columns) -> str | None:
    """The gold answer, after its marker where there is one; none where the number is NaN."""
    column = columns.answer
    value: Any = value_at(row.values, column) if column else None
    if value is None or ("." in (column or "") and value == ""):
        return None
    where = f"{row.place}, column '{column}'"
    try:
        text = number_text(value) if is_number(value) else value
    except ValueError as error:
        raise DataError(
            f"{where}: expected a gold answer, found {error}; write it as a text if it is meant"
        ) from error
    if text is None:
        return None
    if not isinstance(text, str):
        raise DataError(f"{where}: expected text or a number, found {type(value).__name__}")
    if columns.answer_marker and columns.answer_marker not in text:
        raise DataError(f"{where}: expected the marker '{columns.answer_marker}' before the answer")
    answer = text.rpartition(columns.answer_marker)[2] if columns.answer_marker else text
    if not answer.strip():
        raise DataError(f"{where}: expected a gold answer, found an empty one")
    return answer.strip()
