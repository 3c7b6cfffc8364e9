"""Does the judge of code accept wrong answers, or reject right ones?

Attempts at getting a wrong answer accepted, and right answers, in the shapes of public sets of
tests. All are run through the judge as a prompt file's columns.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from benchmarks.code_cases import SHAPES, Case, cheats, right_answers, tricks
from benchmarks.runner import Cell, Measurement
from meta.judges.code import CodeJudge
from meta.judges.table import CodeOptions
from meta.sandbox.limits import Limits
from selfplay.core.types import Group, Prompt, Response, Verdict, user

LIMITS = Limits(seconds=2, wall_seconds=60)
ROOMY = Limits(seconds=10, wall_seconds=60, memory=2048, packages=True)
_SPEED, _EACH = 200, 4


def measure() -> Measurement:
    """A row for each kind of answers."""
    in_shapes = cheats(_EACH)
    rows = [
        _row("wrong: they know nothing of the task", in_shapes, right=False),
        _row("wrong: made for their tests", tricks(), right=False),
        _row("right", right_answers(), right=True),
    ]
    return Measurement(
        title="Judging code",
        question="Of how many wrong answers does the judge of code say that they are right, and of "
        "how many right ones that they are wrong?",
        rows=rows,
        notes=(
            f"Wrong answers of the first kind are functions, in {_EACH} each of {len(SHAPES)} "
            "shapes of tests that take turns, and programs in two: objects and numbers that equal "
            "everything, endings, exceptions, patched libraries, searches of memory, forged "
            "results. The aim is to accept none. Missing are tests that do not say "
            "what they measure, such as those that use a helper which only the answer defines: no "
            "answer chooses that. Shapes are those of MBPP, HumanEval, EvalPlus, APPS and "
            f"LiveCodeBench, and what people write by hand. Speed: {_speed()}."
        ),
    )


def _row(what: str, cases: Sequence[Case], right: bool) -> dict[str, Cell]:
    rewards = [verdict.reward for verdict in verdicts(cases)]
    return {
        "answers": what,
        "n": len(cases),
        "accepted": rewards.count(1.0),
        "rejected": rewards.count(0.0),
        "missing": rewards.count(None),
        "rate of errors": rewards.count(0.0 if right else 1.0) / len(cases),
    }


def verdicts(cases: Sequence[Case]) -> list[Verdict]:
    """A verdict for each case, in order."""
    found: dict[int, Verdict] = {}
    for packages, limits in ((False, LIMITS), (True, ROOMY)):
        places = [i for i, case in enumerate(cases) if case.packages == packages]
        if places:
            judge = CodeJudge(CodeOptions(prefix="prefix", limits=limits))
            judged = judge.judge([_group(cases[i]) for i in places])
            found |= {i: row[0] for i, row in zip(places, judged, strict=True)}
    return [found[i] for i in range(len(cases))]


def _group(case: Case) -> Group:
    """A prompt with its tests, and the answer to it."""
    response = Response(case.answer, np.array([], np.int32), None, "recorded")
    return Group(Prompt(user(case.name), extra=case.columns()), (response,), "evaluate", 0)


def _speed() -> str:
    """Small programs and suites of three assertions a second."""
    forms = {
        "small programs": ([["2", "4"]], "print(int(input()) * 2)"),
        "suites of three assertions": (
            "assert f(2) == 4\nassert f(3) == 6\nassert f(0) == 0",
            "def f(x): return 2 * x",
        ),
    }
    judge = CodeJudge(CodeOptions())
    told = []
    for what, (tests, answer) in forms.items():
        groups = [_group(Case(what, tests, f"# {i}\n{answer}")) for i in range(_SPEED)]
        began = time.perf_counter()
        judge.judge(groups)
        told.append(f"{_SPEED / (time.perf_counter() - began):.0f} {what} a second")
    return ", ".join(told)
