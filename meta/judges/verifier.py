"""The verifier: does the response contain the right answer?

- A prompt with a *puzzle* is scored by its generator's own scorer (reasoning-gym).
- A prompt with a *gold answer* is compared with the answer found in the response, by what both are
  (`meta.answers`): choices by their letters and options, numbers with their units, dates and the
  like as texts, mathematics by math-verify, and anything else by equality of the texts. A gold is
  itself searched for its final answer, so a worked solution ending in "#### 18" will do.

A response without an answer that can be parsed is a *wrong answer*: reward 0, with the score
`answered` 0. So is one that exceeds the time or memory of a comparison: no answer chooses to be
missing. Missing is for what the verifier could not do: a prompt with nothing to verify against, a
gold answer or a scorer that fails by itself.

Mathematics is compared in a process of its own (`meta.answers.engine`), whose limits hold in every
thread. A puzzle's scorer is limited by a signal, which works in the main thread alone; in another
one it is not limited. Both count processor time: a busy machine makes no right answer wrong.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import FrameType

from meta.answers.comparing import canonical, compare, no_answer, question
from meta.answers.engine import math_engine
from meta.answers.equality import Question
from meta.answers.finding import Answer, find_answer
from meta.judges import judging_fingerprint
from meta.judges.table import VerifierOptions
from meta.rubrics.rubric import Rubric
from selfplay.core.errors import DataError
from selfplay.core.gym import gym_item, gym_scorer
from selfplay.core.types import Group, Prompt, Puzzle, Verdict

NOTHING_TO_VERIFY = "the prompt has neither a gold answer nor a puzzle to verify against"

_LEAST_WAIT = 0.01
"""Seconds: a timer that is set to nothing would not go off."""


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

    def covers(self, prompt: Prompt) -> bool:
        """Whether there is a right answer."""
        return prompt.puzzle is not None or prompt.answer is not None

    def final_answer(self, text: str) -> str | None:
        """The answer in a response, equal numbers written alike; None where there is none."""
        found = find_answer(text, self._options.extract, self._options.marker)
        return None if found is None else canonical(found.text)

    def _verdict(self, prompt: Prompt, text: str) -> Verdict:
        if prompt.puzzle is None and prompt.answer is None:
            return Verdict.missing(NOTHING_TO_VERIFY)
        found = find_answer(text, self._options.extract, self._options.marker)
        try:
            score = None if found is None else self._score(prompt, found)
        except DataError as error:
            return Verdict.missing(f"verifier: {error}")
        except TimeoutError as error:
            reason = str(error) or f"no result after {self._options.timeout} s"
            return Verdict.missing(f"verifier: {reason}")
        reward = 0.0 if score is None or (self._options.binary and score < 1.0) else score
        return Verdict(
            reward, scores={"verifier": score or 0.0, "answered": float(score is not None)}
        )

    def _score(self, prompt: Prompt, found: Answer) -> float | None:
        """The score in [0, 1] of the answer found; None when it cannot be parsed."""
        if prompt.puzzle is not None:
            return _puzzle_score(prompt.puzzle, found.text, self._options.timeout)
        gold = self._gold(prompt.answer or "")
        right = compare(gold, found, _question(prompt.text), self._equal)
        return None if right is None else float(right)

    def _gold(self, text: str) -> str:
        """The final answer of a gold answer.

        Raises:
            DataError: there is none.
        """
        found = find_answer(text, self._options.extract, self._options.marker)
        found = found or find_answer(text, "auto", "")
        if found is None:
            raise DataError("the gold answer is empty")
        if no_answer(found.text):
            raise DataError(f"the gold answer is no answer, but '{found.text}'")
        return found.text

    def _equal(self, gold: str, answer: str) -> bool | None:
        return math_engine().equal(gold, answer, self._options.timeout)


@lru_cache(maxsize=1024)
def _question(text: str) -> Question:
    """What a prompt's text says about answers to it; a group asks for it once a response."""
    return question(text)


def _puzzle_score(puzzle: Puzzle, answer: str, seconds: int) -> float:
    """reasoning-gym's score, under the time limit, which the making of the puzzle is no part of.

    An answer on which the scorer fails or takes too long is wrong, where it scores its own answer.

    Raises:
        DataError: the scorer fails on its own answer too.
        TimeoutError: it takes too long on that too.
    """
    name = puzzle.generator, dict(puzzle.attributes), puzzle.index
    score = gym_scorer(*name)
    try:
        with _time_limit(seconds):
            return score(answer)
    except (DataError, TimeoutError):
        score, right = gym_scorer(*name), gym_item(*name).answer
        with _time_limit(seconds):
            score(right)
        return 0.0


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in the body when this thread has computed for `seconds` in it.

    There is no limit outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ends = time.thread_time() + seconds

    def look(number: int, frame: FrameType | None) -> None:
        # The timer counts what other threads compute too.
        left = ends - time.thread_time()
        if left <= 0:
            raise TimeoutError
        signal.setitimer(signal.ITIMER_PROF, max(left, _LEAST_WAIT))

    previous = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
