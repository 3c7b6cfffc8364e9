"""Recorded groups: prompts with responses, and rewards, that came from somewhere else.

Two layouts:

- `groups`: one row for each prompt, with `responses` (a list of texts) and `rewards` (a list of
  numbers or nulls, as long; absent when nothing was scored) beside the prompt's columns;
- `gsm8k_solutions`: GSM8K's published `example_model_solutions.jsonl`, in which every column other
  than question and ground_truth is a model with `is_correct` and `solution`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from selfplay.core.errors import ConfigError, DataError, nearest
from selfplay.core.types import Group, Prompt, Purpose, Response, Verdict
from selfplay.data.prompts import PromptFileOptions, find_columns, make_prompt
from selfplay.data.rows import TableRow, read_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

Tokenize: TypeAlias = Callable[[str], Sequence[int]]

NO_REWARD = "no reward was recorded"
FINGERPRINT = "recorded"
"""Judging fingerprint of groups whose rewards were read from a file."""


@dataclass(frozen=True)
class Recorded:
    """One prompt with its recorded responses."""

    prompt: Prompt
    responses: tuple[str, ...]
    rewards: tuple[float | None, ...]
    """One for each response; None where none was recorded."""


def read_recorded(path: Path, layout: str = "groups", limit: int = 0) -> list[Recorded]:
    """The recorded groups of a file, the first `limit` rows of it (0: all).

    Raises:
        ConfigError: an unknown layout.
        DataError: the file or a row cannot be used; the message names file and line.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"no layout is called '{layout}'; {nearest(layout, LAYOUTS)}")
    return LAYOUTS[layout](path, read_rows(path, limit))


def to_group(
    recorded: Recorded, tokenize: Tokenize | None = None, purpose: Purpose = "train"
) -> Group:
    """The group that a record stands for.

    Recorded text is tokenised once, here; without `tokenize` the token ids are empty and the text
    alone is kept. There are no log-probabilities.
    """
    group = Group(
        prompt=recorded.prompt,
        responses=tuple(
            Response(text, _token_ids(text, tokenize), None, "recorded")
            for text in recorded.responses
        ),
        purpose=purpose,
        policy_version=0,
    )
    verdicts = [Verdict.missing(NO_REWARD) if r is None else Verdict(r) for r in recorded.rewards]
    return group.judged(verdicts, FINGERPRINT)


def _token_ids(text: str, tokenize: Tokenize | None) -> NDArray[np.int32]:
    return np.array(tokenize(text) if tokenize else [], dtype=np.int32)


def _read_groups(path: Path, rows: Sequence[TableRow]) -> list[Recorded]:
    columns = find_columns(PromptFileOptions(), rows, path)
    records = []
    for row in rows:
        responses = _responses(row)
        rewards = _rewards(row, len(responses))
        prompt = make_prompt(_without(row, {"responses", "rewards"}), columns)
        records.append(Recorded(prompt, responses, rewards))
    return records


def _responses(row: TableRow) -> tuple[str, ...]:
    found = row.values.get("responses")
    if not isinstance(found, list) or not found:
        raise DataError(
            f"{row.place}: expected 'responses', a list of one or more texts, found {found!r}"
        )
    if not all(isinstance(text, str) for text in found):
        raise DataError(f"{row.place}: expected 'responses' to be texts, found other values")
    return tuple(found)


def _rewards(row: TableRow, n: int) -> tuple[float | None, ...]:
    found = row.values.get("rewards")
    if found is None:
        return (None,) * n
    if not isinstance(found, list) or len(found) != n:
        length = len(found) if isinstance(found, list) else type(found).__name__
        raise DataError(
            f"{row.place}: expected one reward (a number or null) for each of the {n} responses, "
            f"found {length}"
        )
    return tuple(_reward(value, row.place) for value in found)


def _reward(value: Any, place: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DataError(f"{place}: expected rewards to be finite numbers or null, found {value!r}")
    return float(value)


def _read_gsm8k_solutions(path: Path, rows: Sequence[TableRow]) -> list[Recorded]:
    options = PromptFileOptions(prompt="question", answer="ground_truth", answer_marker="A:")
    columns = find_columns(options, rows, path)
    records = []
    for row in rows:
        models = {
            name: solution
            for name, solution in row.values.items()
            if name not in (columns.prompt, columns.answer)
        }
        solutions = [_solution(name, value, row.place) for name, value in models.items()]
        if not solutions:
            raise DataError(f"{row.place}: expected at least one model's solution, found none")
        texts, rewards = zip(*solutions, strict=True)
        records.append(Recorded(make_prompt(_without(row, set(models)), columns), texts, rewards))
    return records


def _solution(name: str, value: object, place: str) -> tuple[str, float]:
    """A model's solution and whether it was correct, as text and reward."""
    if isinstance(value, Mapping):
        text, correct = value.get("solution"), value.get("is_correct")
        if isinstance(text, str) and isinstance(correct, bool):
            return text, float(correct)
    raise DataError(f"{place}: expected '{name}' to have is_correct and solution, found {value!r}")


def _without(row: TableRow, names: set[str]) -> TableRow:
    """The row without some columns."""
    return TableRow(row.place, {k: v for k, v in row.values.items() if k not in names})


LAYOUTS: Mapping[str, Callable[[Path, Sequence[TableRow]], list[Recorded]]] = {
    "groups": _read_groups,
    "gsm8k_solutions": _read_gsm8k_solutions,
}
"""Readers by layout."""
