"""Recorded groups: prompts with responses, and rewards, that came from somewhere else.

Four layouts:

- `groups`: one row for each prompt, with `responses` (a list of texts) and `rewards` (a list of
  numbers or nulls, as long; absent when nothing was scored) beside the prompt's columns. Further
  lists, one entry for each response: `violations` (names of broken constraints), `token_ids`, and
  `logprobs` (nats, one for each token, under the reference of `solver.reference=precomputed`);
- `comparisons`: one row for each, with `chosen`, `rejected` and, where known, by how much
  (`margin`, or a score of each side) and how surely (`probability`, 0.5 to 1) the first is the
  better. Both are texts behind a prompt column, or chats of which the last turn is the response. It
  is a group of two; where the scores do not put the chosen one first, its rewards are missing;
- `demonstrations`: one row for each, with a `completion` behind the prompt's columns, or a chat
  that ends with the answer: a group of one. Its reward is 1, or what a `label` (true: 1, false: 0)
  or a `reward` beside it says;
- `gsm8k_solutions`: GSM8K's published `example_model_solutions.jsonl`, in which every column other
  than question and ground_truth is a model with `is_correct` and `solution`.

`selfplay.data.columns` has the other names under which these columns are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from selfplay.core.errors import ConfigError, DataError, nearest
from selfplay.core.guard import shown
from selfplay.core.notices import note
from selfplay.core.numbers import finite
from selfplay.core.types import WIN, Group, Prompt, Purpose, Response, Verdict
from selfplay.data.chats import ends_with_answer
from selfplay.data.columns import (
    CHOSEN_COLUMNS,
    COMPLETION_COLUMNS,
    PROMPT_COLUMNS,
    first_of,
    flattened,
)
from selfplay.data.comparisons import read_comparison, sides_of
from selfplay.data.prompts import PromptFileOptions, find_columns, make_prompt
from selfplay.data.remarks import Census
from selfplay.data.rows import TableRow, read_rows
from selfplay.data.singles import marking_of, read_single
from selfplay.data.turns import asked_before

Tokenize: TypeAlias = Callable[[str], Sequence[int]]

AUTO = "auto"
"""The layout that the columns have."""
OF_RESPONSES = {"responses", "rewards", "violations", "token_ids", "logprobs"}
"""Columns that are no part of the prompt."""

NO_REWARD = "no reward was recorded"
FINGERPRINT = "recorded"
"""Judging fingerprint of groups whose rewards were read from a file."""
LARGEST_ID = 2**31 - 1
"""Of a token."""


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
    place: str = ""
    """File and line."""


@dataclass(frozen=True)
class RecordedFile:
    """What a file of recorded responses held."""

    records: list[Recorded]
    notes: tuple[str, ...]
    """What is worth knowing before they are used."""


@dataclass(frozen=True)
class _Layout:
    """What a layout has made of the rows."""

    records: list[Recorded]
    used: frozenset[str]
    """Columns that have a meaning."""
    golden: bool = False
    """Whether a column holds gold answers."""
    notes: list[str] = field(default_factory=list)


def read_recorded(path: Path, layout: str = "groups", limit: int = 0) -> list[Recorded]:
    """The records of a `recorded_file`; tells what is worth knowing of it. Raises as that."""
    found = recorded_file(path, layout, limit)
    for text in found.notes:
        note(text)
    return found.records


def recorded_file(path: Path, layout: str = "groups", limit: int = 0) -> RecordedFile:
    """The recorded groups of a file, the first `limit` rows of it (0: all).

    The layout `auto` is `groups` where there are responses, `comparisons` where there are chosen
    ones, and `demonstrations` where there are completions or chats that end with the answer.

    Raises:
        ConfigError: an unknown layout.
        DataError: the file or a row cannot be used; the message names file and line.
    """
    if layout not in (AUTO, *LAYOUTS):
        raise ConfigError(f"no layout is called '{layout}'; {nearest(layout, (AUTO, *LAYOUTS))}")
    rows = [flattened(row) for row in read_rows(path, limit)]
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    made = LAYOUTS[layout_of(rows, names) if layout == AUTO else layout](path, rows, names)
    census = Census(path, names, made.used, made.golden)
    seen: set[tuple[Any, ...]] = set()
    for record in made.records:
        said = (record.prompt.id, record.responses, record.rewards, record.token_ids)
        census.count(record.prompt, record.place, repeated=said in seen)
        census.compare(record.prompt, record.responses, record.rewards, record.place)
        seen.add(said)
    return RecordedFile(made.records, (*census.notes(), *made.notes))


def layout_of(rows: Sequence[TableRow], names: Sequence[str]) -> str:
    """The layout that the columns have."""
    if "responses" in names:
        return "groups"
    if first_of(CHOSEN_COLUMNS, names):
        return "comparisons"
    prompt = first_of(PROMPT_COLUMNS, names) or ""
    answered = any(ends_with_answer(row.values.get(prompt)) for row in rows)
    return "demonstrations" if answered or first_of(COMPLETION_COLUMNS, names) else "groups"


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
            f"{recorded.place}: expected a log-probability for each of the {len(token_ids)} tokens "
            f"of response {g} to '{recorded.prompt.text[:60]}', found {len(logprobs)}; record "
            "`token_ids` with them"
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


def _read_groups(path: Path, rows: Sequence[TableRow], names: Sequence[str]) -> _Layout:
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
                _lists(row, "logprobs", n, _is_logprob),
                place=row.place,
            )
        )
    return _Layout(records, columns.used | OF_RESPONSES, bool(columns.answer))


_ENTRIES = {
    "violations": "texts",
    "token_ids": f"token ids from 0 to {LARGEST_ID}",
    "logprobs": "finite numbers",
}
"""What the lists of a column hold."""


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
        f"{_ENTRIES[name]}, found something else"
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_ID


def _is_logprob(value: Any) -> bool:
    return not isinstance(value, str) and finite(value) is not None


def _read_comparisons(path: Path, rows: Sequence[TableRow], names: Sequence[str]) -> _Layout:
    sides = sides_of(names, transcript=True)
    rest = [row.without(sides.used) for row in rows]
    columns = find_columns(PromptFileOptions(), rest, path, within=False)
    sides = replace(sides, transcript=not columns.prompt)
    records = []
    for row, others in zip(rows, rest, strict=True):
        one = read_comparison(row, sides)
        prompt = make_prompt(others, columns, asked_before(others, columns, one.turns))
        rewards = (None, None) if one.margin is None else (one.margin, 0.0)
        records.append(
            Recorded(
                prompt,
                (one.chosen, one.rejected),
                rewards,
                probability=one.probability,
                place=row.place,
            )
        )
    unsure = [record.place for record in records if record.rewards[0] is None]
    notes = []
    if unsure:
        notes.append(
            f"{len(unsure):,} comparisons have scores that do not put the chosen response first, "
            f"the first at {unsure[0]}; they are left out"
        )
    return _Layout(records, columns.used | sides.used, bool(columns.answer), notes)


def _read_demonstrations(path: Path, rows: Sequence[TableRow], names: Sequence[str]) -> _Layout:
    marking = marking_of(names)
    rest = [row.without(marking.used) for row in rows]
    columns = find_columns(PromptFileOptions(), rest, path, within=False)
    records = []
    for row, others in zip(rows, rest, strict=True):
        one = read_single(row, marking, columns.prompt)
        # Where the prompt's column holds the whole conversation, its turns are all there is.
        alone = others if marking.completion else others.without({columns.prompt})
        prompt = make_prompt(alone, columns, asked_before(alone, columns, one.turns))
        records.append(Recorded(prompt, (one.response,), (one.reward,), place=row.place))
    bad = sum(record.rewards[0] == 0 for record in records)
    unsaid = sum(record.rewards[0] is None for record in records)
    notes = []
    if marking.label:
        notes.append(
            f"{path}: '{marking.label}' says that {bad:,} of {len(records):,} responses are bad "
            "ones; their reward is 0"
            + (f"; {unsaid:,} are not said to be either, and have none" if unsaid else "")
        )
    return _Layout(records, columns.used | marking.used, bool(columns.answer), notes)


def _responses(row: TableRow) -> tuple[str, ...]:
    found = row.values.get("responses")
    if not isinstance(found, list) or not found:
        raise DataError(
            f"{row.place}: expected 'responses', a list of one or more texts, found {shown(found)}"
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
    reward = None if isinstance(value, str) else finite(value)
    if reward is None:
        raise DataError(
            f"{place}: expected rewards to be finite numbers of a usual size or null, found "
            f"{shown(value)}"
        )
    return reward


def _read_gsm8k_solutions(path: Path, rows: Sequence[TableRow], names: Sequence[str]) -> _Layout:
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
        prompt = make_prompt(row.without(set(models)), columns)
        records.append(Recorded(prompt, texts, rewards, place=row.place))
    return _Layout(records, frozenset(names), golden=True)


def _solution(name: str, value: object, place: str) -> tuple[str, float]:
    """A model's solution and whether it was correct, as text and reward."""
    if isinstance(value, Mapping):
        text, correct = value.get("solution"), value.get("is_correct")
        if isinstance(text, str) and isinstance(correct, bool):
            return text, float(correct)
    raise DataError(
        f"{place}: expected '{name}' to have is_correct and solution, found {shown(value)}"
    )


LAYOUTS: Mapping[str, Callable[[Path, Sequence[TableRow], Sequence[str]], _Layout]] = {
    "groups": _read_groups,
    "comparisons": _read_comparisons,
    "demonstrations": _read_demonstrations,
    "gsm8k_solutions": _read_gsm8k_solutions,
}
"""Readers by layout."""


def check_ids(records: Sequence[Recorded], vocabulary: int) -> None:
    """Refuses recorded tokens that the model does not have.

    Raises:
        DataError: an id is not in the vocabulary; names the file and line.
    """
    for record in records:
        unknown = [i for ids in record.token_ids for i in ids if i >= vocabulary]
        if unknown:
            raise DataError(
                f"{record.place}: expected token ids below {vocabulary}, the size of the model's "
                f"vocabulary, found {unknown[0]}; record the tokens of this model, or leave the "
                "column out so that the texts are tokenised"
            )
