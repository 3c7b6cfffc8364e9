"""The verifier: does the response contain the right answer?

- A prompt with a *puzzle* is scored by its generator's own scorer (reasoning-gym).
- A prompt with a *gold answer* is compared with the answer found in the response: bare numbers
  exactly, mathematics by math-verify (LaTeX, fractions, percentages, sets, symbolic equality),
  any other gold by equality after normalisation of case, spacing and outer punctuation. A gold is
  itself searched for its final answer, so a worked solution ending in "#### 18" will do.

A response without an answer that can be parsed is a *wrong answer*: reward 0, with the score
`answered` 0. Missing is for what the verifier could not do: a prompt with nothing to verify
against, a scorer that failed, a time limit that ran out.

Time limits use SIGALRM, which works in the main thread alone. In another thread bare numbers and
texts are compared all the same, puzzles are scored without a limit, and what needs math-verify is
missing with a reason that says so.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from tokenize import TokenError
from types import FrameType
from typing import Any

from meta.config import VerifierOptions
from meta.judges import judging_fingerprint
from meta.judges.answers import (
    Answer,
    find_answer,
    first_sentence,
    plain_number,
    same_number,
    same_text,
    without_unit,
)
from meta.rubric import Rubric
from selfplay.core.errors import DataError
from selfplay.core.gym import gym_score
from selfplay.core.types import Group, Prompt, Puzzle, Verdict

NOTHING_TO_VERIFY = "the prompt has neither a gold answer nor a puzzle to verify against"
NEEDS_MAIN_THREAD = "math-verify's time limit works in the main thread only"

_WORD = re.compile(r"[^\W\d_]{2,}")
_LATEX_TEXT = re.compile(r"\\[a-zA-Z]+")
_MATH_WORDS = frozenset({"pi", "sqrt", "sin", "cos", "tan", "log", "ln", "exp", "inf"})
_NOT_MATH = re.compile("[^\\w\\s+\\-\u2212*/^=()\\[\\]{},.$€£%\\\\|<>!√π°∞\u222a∩±·\u00d7≤≥]")

_MATH_FAILURES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    NotImplementedError,
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
)
"""What sympy raises on odd expressions; anything else is a fault and propagates."""


class Verifier:
    """Reward 1 for the right answer, 0 for a wrong one or none; see the module."""

    name = "verifier"
    scale = (0.0, 1.0)

    def __init__(self, options: VerifierOptions, rubric: Rubric | None = None) -> None:
        """A verifier has no criteria: `rubric` is what every judge is handed, and is not used."""
        self._options = options

    @property
    def fingerprint(self) -> str:
        """12 hex digits that name the options."""
        return judging_fingerprint(self.name, self._options, None)

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """Verdicts with the scores `verifier` (before `binary`) and `answered` (0 or 1)."""
        return [
            tuple(self._verdict(group.prompt, response.text) for response in group.responses)
            for group in groups
        ]

    def final_answer(self, text: str) -> str | None:
        """The answer in a response, equal numbers written alike; None where there is none."""
        found = find_answer(text, self._options.extract, self._options.marker)
        if found is None:
            return None
        number = plain_number(found.text)
        return str(number) if number is not None else " ".join(found.text.casefold().split())

    def _verdict(self, prompt: Prompt, text: str) -> Verdict:
        if prompt.puzzle is None and prompt.answer is None:
            return Verdict.missing(NOTHING_TO_VERIFY)
        found = find_answer(text, self._options.extract, self._options.marker)
        try:
            score = None if found is None else self._score(prompt, found)
        except DataError as error:
            return Verdict.missing(f"verifier: {error}")
        except TimeoutError:
            return Verdict.missing(f"verifier: no result after {self._options.timeout} s")
        reward = 0.0 if score is None or (self._options.binary and score < 1.0) else score
        return Verdict(
            reward, scores={"verifier": score or 0.0, "answered": float(score is not None)}
        )

    def _score(self, prompt: Prompt, found: Answer) -> float | None:
        """The score in [0, 1] of the answer found; None when it cannot be parsed."""
        if prompt.puzzle is not None:
            return _puzzle_score(prompt.puzzle, found.text, self._options.timeout)
        gold = find_answer(prompt.answer or "", self._options.extract, self._options.marker)
        gold = gold or find_answer(prompt.answer or "", "auto", "")
        if gold is None:
            raise DataError("the gold answer is empty")
        if not is_mathematical(gold.text):
            return float(same_text(gold.text, found.text))
        return _math_score(gold.text, found, self._options.timeout)


def is_mathematical(gold: str) -> bool:
    """Whether a gold answer is a number or an expression, rather than text, a date or a time."""
    if plain_number(gold) is not None:
        return True
    words = _WORD.findall(_LATEX_TEXT.sub(" ", gold))
    wordy = any(word.lower() not in _MATH_WORDS for word in words)
    has_content = re.search(r"[\d\\=+^√π∞]", gold) is not None
    return has_content and not wordy and not _NOT_MATH.search(gold)


def _puzzle_score(puzzle: Puzzle, answer: str, seconds: int) -> float:
    """reasoning-gym's score, under the time limit."""
    with _time_limit(seconds):
        return gym_score(puzzle.generator, dict(puzzle.attributes), puzzle.index, answer)


def _math_score(gold: str, found: Answer, seconds: int) -> float | None:
    """1 or 0; None when no mathematics is found in the answer."""
    expected = plain_number(gold)
    candidate = first_sentence(found.text) if found.delimited else found.text
    given = plain_number(without_unit(candidate))
    if expected is not None and given is not None:
        return float(same_number(expected, given))
    if threading.current_thread() is not threading.main_thread():
        raise DataError(NEEDS_MAIN_THREAD)
    return _math_verify(gold, candidate, found.delimited, seconds)


def _math_verify(gold: str, candidate: str, delimited: bool, seconds: int) -> float | None:
    r"""math-verify's comparison. A delimited answer is handed over as `\boxed{}`: all of it counts.

    Else math-verify looks for the answer in the whole response.
    """
    from math_verify import verify
    from math_verify.errors import TimeoutException

    try:
        expected = _parse(f"\\boxed{{{gold}}}", seconds)
        if not expected:
            raise DataError(f"math-verify cannot parse the gold answer '{gold}'")
        given = _parse(f"\\boxed{{{candidate}}}" if delimited else candidate, seconds)
        if not given:
            return None
        return float(
            verify(list(expected), list(given), timeout_seconds=seconds, raise_on_error=True)
        )
    except TimeoutException as error:
        raise TimeoutError from error
    except DataError:
        raise
    except _MATH_FAILURES as error:
        raise DataError(f"math-verify failed: {repr(error)[:200]}") from error


@lru_cache(maxsize=4096)
def _parse(text: str, seconds: int) -> tuple[Any, ...]:
    """math-verify's readings of `text`, best first; the same gold is parsed once."""
    from math_verify import parse

    return tuple(parse(text, parsing_timeout=seconds, raise_on_error=True))


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in the body after `seconds`; no limit outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
