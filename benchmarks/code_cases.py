"""Tests for code in the shapes of public sets, with right answers, which a judge must accept.

And wrong answers, which it must not. The shapes are those of MBPP, HumanEval, EvalPlus, APPS,
LiveCodeBench, LeetCode and of what people write by hand; tasks, tests and answers are our own.
`SHAPES` test one task in many ways; `code/*.yaml` has the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from textwrap import dedent
from typing import Any

import yaml


@dataclass(frozen=True)
class Case:
    """An answer to a prompt with tests."""

    name: str
    tests: Any
    answer: str
    entry_point: str = ""
    setup: str = ""
    prefix: str = ""
    packages: bool = False
    """Installed packages are needed."""

    def columns(self) -> dict[str, Any]:
        """What the prompt file has, the prefix under `prefix`."""
        tests = dedent(self.tests) if isinstance(self.tests, str) else self.tests
        known = {"entry_point": self.entry_point, "setup": self.setup, "prefix": self.prefix}
        return {"tests": tests, **{k: dedent(v) for k, v in known.items() if v}}


@dataclass(frozen=True)
class Shape:
    """Tests of `squares`, which gives the sorted squares of its numbers, each once."""

    tests: Any
    columns: Mapping[str, str] = field(default_factory=dict)

    def case(self, name: str, answer: str) -> Case:
        """An answer to it."""
        known = self.columns
        return Case(name, self.tests, answer, known.get("entry_point", ""), known.get("setup", ""))


SQUARES = "def squares(xs):\n    return sorted({x * x for x in xs})\n"
PROGRAM = SQUARES + "print(*squares(map(int, input().split())))\n"
METHOD = "class Solution:\n    def squares(self, xs):\n        return sorted({x * x for x in xs})\n"
_GIVEN: list[list[list[int]]] = [[[3, -1, 2, 1]], [[-5, 5, 0]], [[]], [[4, 4, 4]]]
_WANTED: list[list[int]] = [[1, 4, 9], [0, 25], [], [16]]
_LINES = [" ".join(map(str, given[0])) + "\n" for given in _GIVEN]
_PRINTED = [" ".join(map(str, wanted)) + "\n" for wanted in _WANTED]
_CHECK = """
    METADATA = {'author': 'x'}

    def check(candidate):
        assert candidate([3, -1, 2, 1]) == [1, 4, 9]
        assert candidate([-5, 5, 0]) == [0, 25], "zero"
        assert candidate([]) == []
"""
_NAMED = {"entry_point": "squares"}
SHAPES: dict[str, Shape] = {
    "MBPP": Shape(
        ["assert squares([3, -1, 2, 1]) == [1, 4, 9]", "assert squares([-5, 5, 0]) == [0, 25]"]
    ),
    "MBPP with set-up": Shape(
        ["assert squares(given) == wanted", "assert set(squares([2, -2])) == {4}"],
        {"setup": "import math\ngiven, wanted = [3, -1, 2, 1], [1, 4, 9]"},
    ),
    "HumanEval": Shape(_CHECK, _NAMED),
    "HumanEval, called": Shape(_CHECK + "\n    check(squares)\n"),
    "HumanEval, seeded": Shape("\n    import random\n    random.seed(0)\n" + _CHECK, _NAMED),
    "EvalPlus": Shape(
        f"""
    def is_floats(x):
        return isinstance(x, float) or (isinstance(x, (list, tuple)) and x and
                                        all(isinstance(i, float) for i in x))

    def assertion(out, exp, atol):
        exact_match = out == exp
        if atol == 0 and is_floats(exp):
            atol = 1e-6
        if not exact_match and atol != 0:
            assert type(out) == type(exp) and len(out) == len(exp)
            assert all(abs(a - b) <= atol for a, b in zip(out, exp))
        else:
            assert exact_match

    def check(candidate):
        inputs = {_GIVEN!r}
        results = {_WANTED!r}
        for i, (inp, exp) in enumerate(zip(inputs, results)):
            assertion(candidate(*inp), exp, 0)
    """,
        _NAMED,
    ),
    "EvalPlus, a script": Shape(
        f"""
    import copy
    def assertion(out, exp, atol):
        assert out == exp, f"out: {{out}}, exp: {{exp}}"
    inputs = {_GIVEN!r}
    results = {_WANTED!r}
    for i, (inp, exp) in enumerate(zip(inputs, results)):
        assertion(squares(*copy.deepcopy(inp)), exp, 0)
    """
    ),
    "APPS, calls": Shape({"fn_name": "squares", "inputs": _GIVEN, "outputs": _WANTED}),
    "APPS, calls, wrapped": Shape(
        json.dumps({"fn_name": "squares", "inputs": _GIVEN, "outputs": [[w] for w in _WANTED]})
    ),
    "LiveCodeBench, calls": Shape(
        [
            {"input": json.dumps(given[0]), "output": json.dumps(wanted), "testtype": "functional"}
            for given, wanted in zip(_GIVEN, _WANTED, strict=True)
        ],
        _NAMED,
    ),
    "a loop": Shape(
        """
    assert squares([]) == []
    for given, wanted in [([3, -1, 2, 1], [1, 4, 9]), ([-5, 5, 0], [0, 25])]:
        assert squares(given) == wanted
    """
    ),
    "assignments": Shape(
        """
    found = squares([3, -1, 2, 1])
    assert isinstance(found, list)
    first, *_ = found
    assert first == 1 and found[-1] == 9 and len(found) == 3
    """
    ),
    "test functions": Shape(
        """
    from solution import *
    def test_some():
        assert squares([3, -1, 2, 1]) == [1, 4, 9]
    def test_none():
        assert squares([]) == []
    """
    ),
    "test functions, called": Shape(
        """
    from solution import squares as tested
    def test_some():
        assert tested([3, -1, 2, 1]) == [1, 4, 9]
    if __name__ == "__main__":
        test_some()
        print("all passed")
    """
    ),
    "functions in a list": Shape(
        [
            "def test_some():\n    assert squares([3, -1, 2, 1]) == [1, 4, 9]",
            "def test_none():\n    assert squares([-5, 5, 0]) == [0, 25]",
        ],
        _NAMED,
    ),
    "unittest": Shape(
        """
    import unittest
    from solution import squares
    class TestSquares(unittest.TestCase):
        def setUp(self):
            self.given = [3, -1, 2, 1]
        def test_some(self):
            self.assertEqual(squares(self.given), [1, 4, 9])
        def test_each(self):
            for given, wanted in [([], []), ([-5, 5, 0], [0, 25])]:
                with self.subTest(given=given):
                    self.assertListEqual(squares(given), wanted)
    unittest.main()
    """
    ),
    "unittest, guarded": Shape(
        """
    from unittest import TestCase, main
    class Cases(TestCase):
        def test_some(self):
            self.assertTrue(squares([3, -1, 2, 1]) == [1, 4, 9])
    if __name__ == "__main__":
        main(argv=[""], exit=False)
    """,
        _NAMED,
    ),
    "a class as pytest has": Shape(
        """
    class TestSquares:
        def setup_method(self):
            self.wanted = [1, 4, 9]
        def test_some(self):
            assert squares([3, -1, 2, 1]) == self.wanted
    """
    ),
    "doctest": Shape(">>> squares([3, -1, 2, 1])\n[1, 4, 9]\n>>> squares([])\n[]\n"),
    "doctest, called": Shape(
        '''
    """
    >>> squares([3, -1, 2, 1])
    [1, 4, 9]
    """
    import doctest
    doctest.testmod()
    '''
    ),
    "told, not raised": Shape(
        """
    for given, wanted in [([3, -1, 2, 1], [1, 4, 9]), ([-5, 5, 0], [0, 25])]:
        try:
            found = squares(given)
        except Exception as error:
            found = error
        try:
            assert found == wanted
            print("passed")
        except AssertionError:
            print("failed")
    """
    ),
    "a property": Shape(
        """
    def holds(xs):
        return squares(xs) == sorted(set(x ** 2 for x in xs))
    assert all(holds(xs) for xs in ([3, -1, 2, 1], [-5, 5, 0], [7]))
    """
    ),
}
PROGRAMS: dict[str, Shape] = {
    "APPS": Shape({"inputs": _LINES, "outputs": _PRINTED}),
    "LiveCodeBench": Shape(
        [
            {"input": given, "output": wanted, "testtype": "stdin"}
            for given, wanted in zip(_LINES, _PRINTED, strict=True)
        ]
    ),
}
FILES = Path(__file__).resolve().parent / "code"


def right_answers() -> list[Case]:
    """The right answer in every shape, and those to tasks of their own."""
    calls = [shape.case(name, SQUARES) for name, shape in SHAPES.items()]
    methods = [
        SHAPES[name].case(f"{name}, a method", METHOD)
        for name in ("APPS, calls", "LiveCodeBench, calls")
    ]
    programs = [shape.case(name, PROGRAM) for name, shape in PROGRAMS.items()]
    return [*calls, *methods, *programs, *(Case(**row) for row in _read("right"))]


def cheats(shapes: int = len(SHAPES)) -> list[Case]:
    """Every cheat in so many of the shapes, taken in turn; programs in all of theirs."""
    found, names = _read("cheats"), cycle(SHAPES)
    return [
        SHAPES[name].case(f"{what} ({name})", answer)
        for what, answer in found["functions"].items()
        for name in islice(names, shapes)
    ] + [
        shape.case(f"{what} ({name})", answer)
        for what, answer in found["programs"].items()
        for name, shape in PROGRAMS.items()
    ]


def tricks() -> list[Case]:
    """Tests and wrong answers that were made for each other."""
    return [Case(**row) for row in _read("tricks")]


def _read(name: str) -> Any:
    return yaml.safe_load((FILES / f"{name}.yaml").read_text(encoding="utf-8"))
