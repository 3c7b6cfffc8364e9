"""Core types as rows and back: pure functions, exact both ways.

A missing number is NULL in a row and NaN (or None) in a core type. JSON is written only where a
value is nested, and not for empty values. Mapping order is kept in `Prompt.extra`, where it is the
column order of the user's file, and sorted elsewhere.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from selfplay.core.errors import DataError, LedgerError
from selfplay.core.types import (
    Comparison,
    Estimate,
    Lineage,
    Message,
    Prompt,
    Puzzle,
    Rejection,
    Response,
    Verdict,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)

P = ParamSpec("P")
T = TypeVar("T")

_ordered = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_sorted = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


def canonical_json(value: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces: equal values are equal texts."""
    return _sorted(dict(value))


def number(value: float) -> float | None:
    """NaN as NULL."""
    return None if math.isnan(value) else value


def from_number(value: float | None) -> float:
    """NULL as NaN."""
    return math.nan if value is None else value


def prompt_row(prompt: Prompt) -> tuple[Any, ...]:
    """A row of `prompts`, from `id` on.

    Raises:
        DataError: a further column of the user's file cannot be kept as JSON.
    """
    puzzle, lineage = prompt.puzzle, prompt.lineage
    return (
        prompt.id,
        _ordered([[message.role, message.content] for message in prompt.messages]),
        prompt.task,
        prompt.answer,
        _ordered([puzzle.generator, puzzle.attributes, puzzle.index]) if puzzle else None,
        _extra(prompt) if prompt.extra else None,
        lineage.operator,
        lineage.model,
        lineage.seed,
        lineage.round,
        lineage.policy_version,
        lineage.fingerprint,
    )


def _extra(prompt: Prompt) -> str:
    try:
        return _ordered(dict(prompt.extra))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"prompt {prompt.id}: expected further columns of text, numbers, lists and objects, "
            f"found {error}; convert or drop the columns among {sorted(prompt.extra)}"
        ) from error


def reads_rows(decode: Callable[P, T]) -> Callable[P, T]:
    """A function that decodes what the ledger holds: what cannot be decoded was damaged.

    The one place where a damaged value becomes an error of the program: a `LedgerError`.
    """

    @wraps(decode)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return decode(*args, **kwargs)
        except (*_UNREADABLE, zlib.error) as error:
            raise LedgerError(
                f"a value of the ledger cannot be read ({error}), so the file was damaged; "
                "`selfplay digest --verify` says which rounds are whole. Restore it from a copy"
            ) from error

    return guarded


@reads_rows
def prompt_from(row: Sequence[Any], parents: Sequence[str]) -> Prompt:
    """The prompt of a row of `prompts`, from `id` on."""
    _, messages, task, answer, puzzle, extra, operator, model, seed, round_, policy, mark = row
    return Prompt(
        messages=tuple(Message(role, content) for role, content in json.loads(messages)),
        task=task,
        answer=answer,
        puzzle=_puzzle_from(puzzle) if puzzle else None,
        extra=json.loads(extra) if extra else {},
        lineage=Lineage(tuple(parents), operator, model, seed, round_, policy, mark),
    )


def _puzzle_from(text: str) -> Puzzle:
    generator, attributes, index = json.loads(text)
    return Puzzle(generator, tuple((name, level) for name, level in attributes), index)


def response_row(
    group_id: int, position: int, response: Response, keep_text: bool
) -> tuple[Any, ...]:
    """A row of `responses`."""
    logprobs = response.logprobs
    return (
        group_id,
        position,
        response.text if keep_text else None,
        np.asarray(response.token_ids, "<i4").tobytes(),
        None if logprobs is None else np.asarray(logprobs, "<f4").tobytes(),
        response.finish_reason,
    )


@reads_rows
def tokens_from(blob: bytes) -> NDArray[np.int32]:
    """Shape (T,): a writable copy."""
    return np.frombuffer(blob, "<i4").astype(np.int32)


@reads_rows
def response_from(row: Sequence[Any], text: str, token_ids: NDArray[np.int32]) -> Response:
    """The response of a row (logprobs, finish_reason), with its text and token ids."""
    blob, finish_reason = row
    logprobs = None if blob is None else np.frombuffer(blob, "<f4").astype(np.float32)
    return Response(text, token_ids, logprobs, finish_reason)


def verdict_row(group_id: int, position: int, verdict: Verdict) -> tuple[Any, ...]:
    """A row of `verdicts`."""
    return (
        group_id,
        position,
        verdict.reward,
        verdict.reason,
        _scores_json(tuple(verdict.scores.items())) if verdict.scores else None,
        _ordered(verdict.violations) if verdict.violations else None,
    )


@lru_cache(maxsize=1024)
def _scores_json(scores: tuple[tuple[str, float], ...]) -> str:
    """Cached, since a verifier's scores are few and a round has hundreds of them."""
    return canonical_json(dict(scores))


@reads_rows
def verdict_from(row: Sequence[Any]) -> Verdict:
    """The verdict of a row of `verdicts`, from `reward` on."""
    reward, reason, scores, violations = row
    return Verdict(
        reward,
        reason,
        json.loads(scores) if scores else {},
        tuple(json.loads(violations)) if violations else (),
    )


def deflated(text: str) -> bytes:
    """A text, compressed; half a surrogate pair becomes a question mark."""
    return zlib.compress(text.encode("utf-8", "replace"))


@reads_rows
def inflated(blob: bytes) -> str:
    """What `deflated` was given."""
    return zlib.decompress(blob).decode()


def comparison_row(group_id: int, position: int, comparison: Comparison) -> tuple[Any, ...]:
    """A row of `comparisons`."""
    pair = (comparison.winner, comparison.loser)
    return (group_id, position, *pair, comparison.probability, comparison.judge)


def estimate_row(composed: int, position: int, estimate: Estimate) -> tuple[Any, ...]:
    """A row of `estimates`."""
    return (
        composed,
        position,
        estimate.prompt_id,
        estimate.metric,
        number(estimate.value),
        estimate.n,
        estimate.round,
        estimate.policy_version,
        estimate.fingerprint,
    )


@reads_rows
def estimate_from(row: Sequence[Any]) -> Estimate:
    """The estimate of a row of `estimates`, from `prompt_id` on."""
    prompt_id, metric, value, *stamp = row
    return Estimate(prompt_id, metric, from_number(value), *stamp)


def rejection_row(t: int, position: int, rejection: Rejection) -> tuple[Any, ...]:
    """A row of `rejections`."""
    return (t, position, rejection.operator, rejection.parent, rejection.reason)
