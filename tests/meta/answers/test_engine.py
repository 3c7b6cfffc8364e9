"""Claims about the process that compares mathematics, and its limits."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from meta.answers.engine import MathEngine, math_engine
from selfplay.core.errors import DataError


def equal(gold: str, answer: str, seconds: int = 30) -> bool | None:
    return math_engine().equal(gold, answer, seconds)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("x^2+1", "1+x^2"),
        (r"2\sqrt{3}", r"\sqrt{12}"),
        (r"\sqrt{2}", "1.41421356"),
        (r"\sin^2 x", r"1 - \cos^2 x"),
        ("14 - i", "14.0 - 1.0i"),
        ("y = 2x + 1", "4x - 2y + 2 = 0"),
        ("x > 3", r"(3, \infty)"),
        (r"[-1, \infty)", r"x \ge -1"),
        (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{bmatrix}1&\frac{4}{2}\end{bmatrix}"),
        ("0", r"\sqrt{2} \cdot \sqrt{2} - 2"),
        (r"\infty", r"\infty"),
    ],
)
def test_equal_mathematics_is_equal(gold: str, answer: str) -> None:
    assert equal(gold, answer) is True


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}"),
        (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
        (r"\frac{1}{2^{99}}", "0"),
        ("2^{53}+1", "2^{53}"),
        (r"\sqrt{2}", "1.4142"),
        ("x^2", r"x^2 + 10^{-9}"),
        ("x", "|x|"),
        ("y = 2x + 1", "y = 2x - 1"),
        ("x > 3", r"x \ge 3"),
        (r"\infty", r"-\infty"),
        (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}2&1\end{pmatrix}"),
    ],
)
def test_near_misses_are_not(gold: str, answer: str) -> None:
    assert equal(gold, answer) is False


def test_what_cannot_be_parsed_is_none_as_an_answer_and_an_error_as_a_gold_answer() -> None:
    assert equal("x^2", "2+") is None
    with pytest.raises(DataError, match=r"cannot parse the gold answer '2\+'"):
        equal("2+", "x^2")


@pytest.mark.parametrize("bomb", ["9^{9^{9^9}}", "10000000000!"])
def test_an_answer_without_end_is_wrong_and_a_gold_answer_without_end_an_error(bomb: str) -> None:
    assert equal("18", bomb, 1) is False
    with pytest.raises(DataError, match="exceeds"):
        equal(bomb, "18", 1)
    assert equal("x", "x + 0", 30) is True


def test_it_works_in_any_thread() -> None:
    found: list[bool | None] = []
    thread = threading.Thread(target=lambda: found.append(equal("x^2+1", "1+x^2")))
    thread.start()
    thread.join()
    assert found == [True]


def test_a_process_that_is_killed_from_outside_blames_no_answer() -> None:
    engine = MathEngine()
    assert engine.equal("x", "x+0", 30) is True
    child = engine._child
    assert child is not None
    (serving,) = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    killer = threading.Timer(0.5, lambda: os.kill(int(serving), signal.SIGKILL))
    killer.start()
    with pytest.raises(TimeoutError, match="ended from outside"):
        engine.equal("x", "10000000000!", 60)
    assert engine.equal("x", "x+1", 30) is False
    engine.close()
