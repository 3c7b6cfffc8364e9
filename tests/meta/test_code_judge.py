"""Claims about the judge that runs code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from meta.judges.code import CodeJudge, Pair, find_code, read_tests
from meta.judges.table import JUDGES, CodeOptions
from meta.sandbox.limits import Limits
from meta.sandbox.sandbox import ProgramRun, Sandbox
from meta.sandbox.suite import UnitTests
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError, DataError, ResourceError
from selfplay.core.types import Group, Prompt, Response, Verdict, user

LIMITS = Limits(seconds=1, wall_seconds=10)
TESTS = ["assert double(2) == 4", "assert double(0) == 0", "assert double('a') == 'aa'"]
RIGHT = "Here:\n```python\ndef double(x):\n    return x * 2\n```\nDone."
HALF = "```python\ndef double(x):\n    return int(x) * 2\n```"
Judged = Callable[..., tuple[Verdict, ...]]


def group(extra: dict[str, Any], *texts: str) -> Group:
    responses = tuple(Response(text, np.array([], np.int32), None, "recorded") for text in texts)
    return Group(Prompt(user("?"), extra=extra), responses, "train", 0)


@pytest.fixture(scope="module")
def judged() -> Judged:
    try:
        judges = {
            binary: CodeJudge(CodeOptions(binary=binary, limits=LIMITS)) for binary in (False, True)
        }
    except ResourceError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    return lambda extra, *texts, binary=True: judges[binary].judge([group(extra, *texts)])[0]


def test_only_code_that_passes_all_tests_is_worth_one(judged: Judged) -> None:
    right, half, wrong = judged({"tests": TESTS}, RIGHT, HALF, "I cannot.")
    assert (right.reward, half.reward, wrong.reward) == (1.0, 0.0, 0.0)
    assert half.scores == {"code": 2 / 3, "passed": 2.0, "total": 3.0, "timeout": 0.0}


def test_the_share_passed_may_be_the_reward(judged: Judged) -> None:
    rewards = [v.reward for v in judged({"tests": TESTS}, RIGHT, HALF, "", binary=False)]
    assert rewards == [1.0, 2 / 3, 0.0]


def test_a_task_in_the_form_of_human_eval_is_judged(judged: Judged) -> None:
    extra = {
        "tests": "def check(candidate):\n    assert candidate(3) == 6",
        "entry_point": "double",
    }
    assert [v.reward for v in judged(extra, RIGHT, "pass")] == [1.0, 0.0]


def test_a_signature_may_stand_before_the_code() -> None:
    try:
        judge = CodeJudge(CodeOptions(prefix="start", limits=LIMITS))
    except ResourceError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    extra = {
        "tests": TESTS,
        "start": 'def helper(x):\n    return x * 2\ndef double(x):\n    """2x"""',
    }
    ((body, whole),) = judge.judge([group(extra, "    return helper(x)", RIGHT)])
    assert (body.reward, whole.reward) == (1.0, 1.0)


@pytest.mark.parametrize(
    "tests",
    [
        [{"input": "2\n", "output": "4\n"}, {"input": "5", "output": "10"}],
        [["2", "4 \n\n"], ["5", "10"]],
        {"inputs": ["2", "5"], "outputs": ["4", "10"]},
        '{"inputs": ["2", "5"], "outputs": ["4", "10"]}',
        '[{"input": "2", "output": "4"}, {"input": "5", "output": "10"}]',
    ],
)
def test_programs_are_judged_by_what_they_write(judged: Judged, tests: Any) -> None:
    found = judged(
        {"tests": tests},
        "print(int(input()) * 2)",
        "print(4)",
        "print(int(input()) * 2); exit(1)",
        "import sys; sys.exit(0)",
    )
    assert [v.reward for v in found] == [1.0, 0.0, 0.0, 0.0]
    assert found[1].scores["passed"] == 1.0


SUMS = "def add(a, b):\n    return a + b"
METHOD = "class Solution:\n    def add(self, a, b):\n        return a + b"


@pytest.mark.parametrize(
    ("tests", "entry"),
    [
        ({"fn_name": "add", "inputs": [[1, 2], [[1], [2]]], "outputs": [3, [1, 2]]}, ""),
        ({"fn_name": "add", "inputs": [[1, 2], [0, 0]], "outputs": [[3], [0]]}, ""),
        ({"fn_name": "add", "inputs": ["1\n2", '"a"\n"b"'], "outputs": ["3", '"ab"']}, ""),
        ([{"input": "1\n2", "output": "3", "testtype": "functional"}], "add"),
    ],
)
def test_functions_are_judged_by_what_they_return(judged: Judged, tests: Any, entry: str) -> None:
    wrong = SUMS.replace("+", "-")
    found = judged({"tests": tests, "entry_point": entry}, SUMS, METHOD, wrong, "print(3)")
    assert [verdict.reward for verdict in found] == [1.0, 1.0, 0.0, 0.0]


def test_a_name_of_a_function_does_not_make_programs_calls(judged: Judged) -> None:
    extra = {"tests": [["2", "4"]], "entry_point": "main"}
    assert judged(extra, "print(int(input()) * 2)")[0].reward == 1.0


def test_code_that_does_not_end_is_worth_nothing_and_says_so(judged: Judged) -> None:
    asserted, program = (
        judged({"tests": tests}, "while True: pass")[0]
        for tests in (TESTS, [["1", "1"], ["2", "2"], ["3", "3"]])
    )
    assert asserted.reward == program.reward == 0.0
    assert asserted.scores["timeout"] == program.scores["timeout"] == 1.0


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({}, "has no tests"),
        ({"tests": []}, "has no tests"),
        ({"tests": 3}, "expected source or a list, found int"),
        ({"tests": [["1", "2", "3"]]}, "pairs of input and output"),
        ({"tests": [["1", 2]]}, "input and output as text"),
        ({"tests": {"inputs": ["1"], "outputs": []}}, "as many outputs"),
        ({"tests": "{'inputs'"}, "found neither"),
        ({"tests": {"fn_name": "1", "inputs": [[1]], "outputs": [1]}}, "name of a function"),
        ({"tests": {"fn_name": "f", "inputs": [1], "outputs": [1]}}, "list of arguments"),
        ({"tests": {"fn_name": "f", "inputs": ["{"], "outputs": ["1"]}}, "JSON value"),
        ({"tests": TESTS, "setup": 3}, "text in column 'setup'"),
        ({"tests": ["assert ("]}, "cannot be run"),
        ({"tests": "import nothing_like_it\nassert double(1)"}, "nothing_like_it"),
    ],
)
def test_tests_that_say_nothing_leave_the_verdict_missing(
    judged: Judged, extra: dict[str, Any], reason: str
) -> None:
    (found,) = judged(extra, RIGHT)
    assert found.reward is None
    assert reason in found.reason


def test_a_failure_of_the_sandbox_is_missing_and_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        judge = CodeJudge(CodeOptions(limits=LIMITS))
    except ResourceError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    monkeypatch.setattr("meta.sandbox.process.tempfile.tempdir", "/nowhere/at/all")
    ((assertion,),) = judge.judge([group({"tests": TESTS}, RIGHT)])
    ((program,),) = judge.judge([group({"tests": [["1", "2"]]}, RIGHT)])
    assert assertion.reward is program.reward is None
    assert "the sandbox did not start" in assertion.reason


def test_without_a_sandbox_it_refuses_or_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meta.sandbox.sandbox.landlock_version", lambda: 0)
    with pytest.raises(ResourceError, match="Landlock"):
        CodeJudge(CodeOptions())
    ((found,),) = CodeJudge(CodeOptions(without="missing")).judge([group({"tests": TESTS}, RIGHT)])
    assert found.reward is None
    assert "Landlock" in found.reason


def test_equal_code_is_run_once(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    real = Sandbox.run_tests

    def counted(self: Sandbox, code: str, tests: UnitTests) -> Any:
        runs.append(code)
        return real(self, code, tests)

    monkeypatch.setattr(Sandbox, "run_tests", counted)
    found = judged({"tests": TESTS}, RIGHT, RIGHT, HALF, RIGHT)
    assert [v.reward for v in found] == [1.0, 1.0, 0.0, 1.0]
    assert len(runs) == 2


def test_responses_are_run_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(seconds=1, wall_seconds=20)
    try:
        judge = CodeJudge(CodeOptions(workers=8, limits=limits))
    except ResourceError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    run_program, running, most = Sandbox.run_program, [0], [0]

    def counted(sandbox: Sandbox, code: str, stdin: str = "") -> ProgramRun:
        running[0] += 1
        most[0] = max(most[0], running[0])
        try:
            return run_program(sandbox, code, stdin)
        finally:
            running[0] -= 1

    monkeypatch.setattr(Sandbox, "run_program", counted)
    sleepers = [f"import time; time.sleep(0.5); print({i})" for i in range(8)]
    (found,) = judge.judge([group({"tests": [["", "3"]]}, *sleepers)])
    assert [v.reward for v in found] == [float(i == 3) for i in range(8)]
    assert most[0] > 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x = 1", "x = 1"),
        ("```\nx = 1\n```", "x = 1\n"),
        ("```python\nx = 1\n```\nprints\n```\n1\n```", "x = 1\n"),
        ("```py\nx = 1\n```\nbetter:\n```python3\nx = 2\n```\n", "x = 2\n"),
        ("```\nx = 1\n```\n```text\nx = 2\n```", "x = 2\n"),
        ("so\n```python\nx = 1\nwhile", "x = 1\nwhile"),
        ("``` Python\nx = '```'\n```", "x = '```'\n"),
    ],
)
def test_the_code_of_a_response_is_found(text: str, code: str) -> None:
    assert find_code(text) == code


def test_tests_are_read_from_a_column() -> None:
    assert read_tests("assert f()", "import math", "f") == UnitTests(
        "assert f()", "import math", "f"
    )
    assert read_tests(["assert f()"], "", "") == UnitTests(("assert f()",))
    assert read_tests([{"input": "a", "output": "b"}], "", "") == (Pair("a", "b"),)
    with pytest.raises(DataError, match="no tests"):
        read_tests(None, "", "")


@pytest.mark.parametrize(
    "options",
    [
        CodeOptions(tests=""),
        CodeOptions(workers=-1),
        CodeOptions(without="run"),
        CodeOptions(limits=Limits(seconds=0)),
        CodeOptions(limits=Limits(seconds=5, wall_seconds=1)),
        CodeOptions(limits=Limits(memory=1)),
    ],
)
def test_impossible_options_are_refused(options: CodeOptions) -> None:
    with pytest.raises(ConfigError):
        options.check("meta.judge")


def test_the_judge_is_in_the_table() -> None:
    choice = chosen("code", JUDGES, CodeOptions(without="missing"))
    assert isinstance(choice.build(None), CodeJudge)
