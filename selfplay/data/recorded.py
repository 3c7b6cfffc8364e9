"""Recorded groups: prompts with responses, and rewards, that came from somewhere else.

Four layouts:

- `groups`: one row for each prompt, with `responses` (a list of texts) and `rewards` (a list of
  numbers or nulls, as long; absent when nothing was scored) beside the prompt's columns. Further
  lists, one entry for each response: `violations` (names of broken constraints), `token_ids`, and
  `logprobs` (nats, one for each token, under the reference of `solver.reference=precomputed`);
- `comparisons`: one row for each, with `chosen`, `rejected` and, where known, by how much
  (`margin`) and how surely (`probability`, 0.5 to 1) the first is the better. Both are texts behind
  a prompt column, or chats of which the last turn is the response and, without a prompt column, the
  others are the prompt. It is a group of two;
- `demonstrations`: one row for each, with a `completion` behind the prompt's columns: what should
  be imitated, a group of one whose reward is 1;
- `gsm8k_solutions`: GSM8K's published `example_model_solutions.jsonl`, in which every column other
  than question and ground_truth is a model with `is_correct` and `solution`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from selfplay.core.errors import ConfigError, DataError, nearest
from selfplay.core.types import WIN, Group, Prompt, Purpose, Response, Verdict
from selfplay.data.comparisons import is_number, read_comparison
from selfplay.data.prompts import PromptFileOptions, find_columns, make_prompt
from selfplay.data.rows import TableRow, read_rows

Tokenize: TypeAlias = Callable[[str], Sequence[int]]

AUTO = "auto"
"""The layout that the first row has."""
OF_RESPONSES = {"responses", "rewards", "violations", "token_ids", "logprobs"}
"""Columns that are no part of the prompt."""

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
    violations: tuple[tuple[str, ...], ...] = ()
    """For each response, the constraints that it breaks; empty where none were recorded."""
    token_ids: tuple[tuple[int, ...], ...] = ()
    """Of each response; empty where the text alone was recorded."""
    logprobs: tuple[tuple[float, ...], ...] = ()
    """Nats, one for each token of each response; empty where none were recorded."""
    probability: float | None = None
    """Of a comparison: how likely the first response is better than the second."""


def read_recorded(path: Path, layout: str = "groups", limit: int = 0) -> list[Recorded]:
    """The recorded groups of a file, the first `limit` rows of it (0: all).

    The layout `auto` is `comparisons` where the first row has a chosen response, `demonstrations`
    where it has a completion, else `groups`.

    Raises:
        ConfigError: an unknown layout.
        DataError: the file or a row cannot be used; the message names file and line.
    """
    if layout not in (AUTO, *LAYOUTS):
        raise ConfigError(f"no layout is called '{layout}'; {nearest(layout, (AUTO, *LAYOUTS))}")
    rows = read_rows(path, limit)
    if layout == AUTO:
        told = {"chosen": "comparisons", "completion": "demonstrations"}
        layout = next((told[name] for name in told if name in rows[0].values), "groups")
    return LAYOUTS[layout](path, rows)


def to_group(
    recorded: Recorded, tokenize: Tokenize | None = None, purpose: Purpose = "train"
) -> Group:
    """The group that a record stands for.

    Recorded text is tokenised once, here, unless its tokens were recorded too; without `tokenize`
    the token ids are then empty and the text alone is kept.

    Raises:
        DataError: log-probabilities were recorded for other tokens than these.
    """
    group = Group(
        prompt=recorded.prompt,
        responses=tuple(_response(recorded, g, tokenize) for g in range(len(recorded.responses))),
        purpose=purpose,
        policy_version=0,
    )
    verdicts = [_verdict(recorded, g) for g in range(len(recorded.responses))]
    return group.judged(verdicts, FINGERPRINT)


def _response(recorded: Recorded, g: int, tokenize: Tokenize | None) -> Response:
    text = recorded.responses[g]
    ids = recorded.token_ids[g] if recorded.token_ids else tokenize(text) if tokenize else ()
    token_ids = np.array(ids, dtype=np.int32)
    if not recorded.logprobs:
        return Response(text, token_ids, None, "recorded")
    logprobs = np.array(recorded.logprobs[g], dtype=np.float32)
    if len(logprobs) != len(token_ids):
        raise DataError(
            f"expected a log-probability for each of the {len(token_ids)} tokens of response {g} "
            f"to '{recorded.prompt.text[:60]}', found {len(logprobs)}; record `token_ids` with them"
        )
    return Response(text, token_ids, logprobs, "recorded")


def _verdict(recorded: Recorded, g: int) -> Verdict:
    reward = recorded.rewards[g]
    if reward is None:
        return Verdict.missing(NO_REWARD)
    scores = {}
    if recorded.probability is not None:
        scores[f"{WIN}{1 - g}"] = 1.0 - recorded.probability if g else recorded.probability
    violations = recorded.violations[g] if recorded.violations else ()
    return Verdict(reward, scores=scores, violations=violations)


def _read_groups(path: Path, rows: Sequence[TableRow]) -> list[Recorded]:
    columns = find_columns(PromptFileOptions(), rows, path)
    records = []
    for row in rows:
        responses = _responses(row)
        n = len(responses)
        records.append(
            Recorded(
                make_prompt(row.without(OF_RESPONSES), columns),
                responses,
                _rewards(row, n),
                _lists(row, "violations", n, _is_text),
                _lists(row, "token_ids", n, _is_id),
                _lists(row, "logprobs", n, is_number),
            )
        )
    return records


def _lists(row: TableRow, name: str, n: int, is_entry: Callable[[Any], bool]) -> tuple[Any, ...]:
    """A column with a list for each of the n responses; empty where the row has no such column."""
    found = row.values.get(name)
    if found is None:
        return ()
    whole = isinstance(found, list) and len(found) == n
    if whole and all(isinstance(entry, list) and all(map(is_entry, entry)) for entry in found):
        return tuple(tuple(entry) for entry in found)
    raise DataError(
        f"{row.place}: expected '{name}' to hold one list for each of the {n} responses, of "
        f"{'texts' if is_entry is _is_text else 'numbers'}, found something else"
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _read_comparisons(path: Path, rows: Sequence[TableRow]) -> list[Recorded]:
    found = [read_comparison(row) for row in rows]
    columns = find_columns(PromptFileOptions(), [one.asked for one in found], path)
    return [
        Recorded(
            make_prompt(one.asked, columns),
            (one.chosen, one.rejected),
            (one.margin, 0.0),
            probability=one.probability,
        )
        for one in found
    ]


def _read_demonstrations(path: Path, rows: Sequence[TableRow]) -> list[Recorded]:
    columns = find_columns(PromptFileOptions(), rows, path)
    records = []
    for row in rows:
        text = row.values.get("completion")
        if not isinstance(text, str) or not text:
            raise DataError(f"{row.place}: expected 'completion', a text, found {text!r}")
        prompt = make_prompt(row.without({"completion"}), columns)
        records.append(Recorded(prompt, (text,), (1.0,)))
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
        records.append(Recorded(make_prompt(row.without(set(models)), columns), texts, rewards))
    return records


def _solution(name: str, value: object, place: str) -> tuple[str, float]:
    """A model's solution and whether it was correct, as text and reward."""
    if isinstance(value, Mapping):
        text, correct = value.get("solution"), value.get("is_correct")
        if isinstance(text, str) and isinstance(correct, bool):
            return text, float(correct)
    raise DataError(f"{place}: expected '{name}' to have is_correct and solution, found {value!r}")


LAYOUTS: Mapping[str, Callable[[Path, Sequence[TableRow]], list[Recorded]]] = {
    "groups": _read_groups,
    "comparisons": _read_comparisons,
    "demonstrations": _read_demonstrations,
    "gsm8k_solutions": _read_gsm8k_solutions,
}
"""Readers by layout."""
