"""The judge that runs a response's code against the prompt's unit tests, in a sandbox.

The code is the last fenced block marked as Python, else the last fenced block, else the whole
response. A prompt's tests, a column of the prompt file, are one of

- Python source, or a list of it: assertions, a `check(candidate)` with an entry point, functions
  named `test…` (`meta.sandbox.suite` says what counts as one test, `meta.sandbox.names` which names
  the code has to define);
- pairs of input and output, `{"input": …, "output": …}` or two-element lists, or lists `inputs` and
  `outputs` in one object: the code is a program, which passes if it writes the output and ends with
  exit code 0. Spaces at the ends of lines and empty lines at the end do not count;
- such pairs for a function (`call_tests`): in an object with `fn_name`, or marked as `functional`.

A list or an object may also be written as JSON text. Whatever the code does wrong, not being code
included, is reward 0. Missing is what says nothing of the code: a prompt without tests, tests that
cannot be run, a sandbox that failed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

from meta.judges.table import CodeOptions
from meta.rubrics.rubric import Rubric
from meta.sandbox.names import BrokenTestsError
from meta.sandbox.process import SandboxError
from meta.sandbox.sandbox import Sandbox, SuiteRun
from meta.sandbox.suite import UnitTests
from selfplay.core.errors import DataError, ResourceError
from selfplay.core.json_text import each_once
from selfplay.core.types import Group, Prompt, Verdict

_FENCED = re.compile(r"^[ \t]*```([^\n`]*)\n(.*?)(?:^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL)
_PYTHON = ("python", "python3", "py")


@dataclass(frozen=True)
class Pair:
    """A program's input and the output it has to write."""

    input: str
    output: str


Suite: TypeAlias = UnitTests | tuple[Pair, ...]


class CodeJudge:
    """Reward 1 for code that passes all tests, or the share passed; see the module."""

    name = "code"
    scale = (0.0, 1.0)

    def __init__(self, options: CodeOptions, rubric: Rubric | None = None) -> None:
        """The rubric is not used.

        Raises:
            ResourceError: this machine cannot keep unknown code in bounds, and `without` says to
                refuse then.
        """
        self._options = options
        self._unprotected = ""
        try:
            self._sandbox = Sandbox(options.limits)
        except ResourceError as error:
            if options.without == "refuse":
                raise
            self._unprotected = str(error)

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """Verdicts with the scores `code` (share passed), `passed`, `total` and `timeout`."""
        asked = [
            [self._question(group.prompt, response.text) for response in group.responses]
            for group in groups
        ]
        # The same code is run once: a policy that has settled repeats itself.
        runs = list({q for questions in asked for q in questions if not isinstance(q, Verdict)})
        with ThreadPoolExecutor(self._options.workers or os.cpu_count()) as pool:
            verdicts = dict(zip(runs, pool.map(lambda run: self._verdict(*run), runs), strict=True))
        return [
            tuple(q if isinstance(q, Verdict) else verdicts[q] for q in questions)
            for questions in asked
        ]

    def _question(self, prompt: Prompt, text: str) -> tuple[str, Suite] | Verdict:
        """What to run, or why that is not known."""
        if self._unprotected:
            return Verdict.missing(f"code: {self._unprotected}")
        options, extra = self._options, prompt.extra
        try:
            prefix = _text(extra, options.prefix) if options.prefix else ""
            suite = read_tests(
                extra.get(options.tests),
                _text(extra, options.setup),
                _text(extra, options.entry_point),
                prefix,
            )
        except DataError as error:
            return Verdict.missing(f"code: column '{options.tests}': {error}")
        code = find_code(text)
        # Unit tests put it before the code themselves, since they need it too.
        alone = isinstance(suite, UnitTests) or not prefix
        return (code if alone else f"{prefix}\n{code}"), suite

    def _verdict(self, code: str, suite: Suite) -> Verdict:
        try:
            run = self._run(code, suite)
        except BrokenTestsError as error:
            return Verdict.missing(f"code: the prompt's tests cannot be run: {error}")
        except SandboxError as error:
            return Verdict.missing(f"code: {error}")
        share = run.passed / run.total
        scores = {"code": share, "passed": run.passed, "total": run.total, "timeout": run.timeout}
        reward = float(run.passed == run.total) if self._options.binary else share
        return Verdict(reward, scores={name: float(score) for name, score in scores.items()})

    def _run(self, code: str, suite: Suite) -> SuiteRun:
        if isinstance(suite, UnitTests):
            return self._sandbox.run_tests(code, suite)
        passed = 0
        for pair in suite:
            run = self._sandbox.run_program(code, pair.input)
            if run.timeout:  # the others would take as long
                return SuiteRun(passed, len(suite), timeout=True)
            right = _lines(run.output) == _lines(pair.output)
            passed += right and run.exit_code == 0 and not run.over
        return SuiteRun(passed, len(suite), timeout=False)


def find_code(text: str) -> str:
    """The code in a response; a block that is cut off goes to the end."""
    blocks = [(match[1].strip().lower(), match[2]) for match in _FENCED.finditer(text)]
    marked = [block for language, block in blocks if language in _PYTHON]
    return next(reversed(marked or [block for _, block in blocks]), text)


def read_tests(column: Any, setup: str, entry_point: str, prefix: str = "") -> Suite:
    """The tests in a prompt file's column.

    Raises:
        DataError: there are none, or they are in no form that is known.
    """
    column = _read(column)
    function = entry_point
    if isinstance(column, Mapping):
        function = str(column.get("fn_name") or "")
        column = _pairs_of(column)
    if not column:
        raise DataError("the prompt has no tests")
    if isinstance(column, str):
        return UnitTests(column, setup, entry_point, prefix)
    if not isinstance(column, (list, tuple)):
        raise DataError(f"expected source or a list, found {type(column).__name__}")
    if all(isinstance(item, str) for item in column):
        return UnitTests(tuple(column), setup, entry_point, prefix)
    functional = any(isinstance(i, Mapping) and i.get("testtype") == "functional" for i in column)
    pairs = [_pair(item) for item in column]
    if function and (functional or function != entry_point):
        return call_tests(pairs, function, setup, prefix)
    return tuple(_text_pair(*pair) for pair in pairs)


def _read(column: Any) -> Any:
    """Lists and objects that are written as text, as what they are."""
    if isinstance(column, str) and column.lstrip()[:1] in ("[", "{"):
        try:
            column = _value(column)
        except ValueError as error:
            raise DataError(f"expected Python source or JSON, found neither: {error}") from error
    return column


def _pairs_of(column: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    inputs, outputs = column.get("inputs"), column.get("outputs")
    if not (isinstance(inputs, list) and isinstance(outputs, list)):
        raise DataError("expected lists `inputs` and `outputs`")
    if len(inputs) != len(outputs):
        raise DataError(f"expected as many outputs as inputs, found {len(outputs)}")
    return list(zip(inputs, outputs, strict=True))


def call_tests(
    pairs: Sequence[tuple[Any, Any]], function: str, setup: str = "", prefix: str = ""
) -> UnitTests:
    """Tests that call a function, or a method of a class `Solution`, and compare what it returns.

    Tuples count as lists. Where every result is a list of one element, as in APPS, that element
    is right as well.

    Args:
        pairs: arguments (a list, or text with a JSON value a line) and the result (a JSON value,
            for arguments in text as JSON text).
        function: its name.
        setup: source to execute before.
        prefix: source before the code.

    Raises:
        DataError: no name of a function, or no JSON.
    """
    if not function.isidentifier():
        raise DataError(f"expected the name of a function, found '{function}'")
    calls = [_call(*pair) for pair in pairs]
    wrapped = all(isinstance(result, list) and len(result) == 1 for _, result in calls)
    texts = []
    for arguments, result in calls:
        right = [result, result[0]] if wrapped else [result]
        called = f"{function}(*_json.loads({json.dumps(arguments)!r}))"
        texts.append(f"assert _as_lists({called}) in _json.loads({json.dumps(right)!r})")
    return UnitTests(tuple(texts), f"{_AS_LISTS}\n{setup}", function, prefix)


_AS_LISTS = """
import json as _json

def _as_lists(value):
    if isinstance(value, (list, tuple)):
        return [_as_lists(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_lists(item) for key, item in value.items()}
    return value
"""


def _value(text: str) -> Any:
    return json.loads(text, object_pairs_hook=each_once)


def _call(given: Any, result: Any) -> tuple[list[Any], Any]:
    try:
        if isinstance(given, str):
            given = [_value(line) for line in given.split("\n") if line.strip()]
            result = _value(result) if isinstance(result, str) else result
    except ValueError as error:
        raise DataError(f"expected a JSON value on each line, found none: {error}") from error
    if not isinstance(given, list):
        raise DataError(f"expected a list of arguments, found {type(given).__name__}")
    return given, result


def _pair(item: Any) -> tuple[Any, Any]:
    parts = [item.get("input"), item.get("output")] if isinstance(item, Mapping) else item
    if not (isinstance(parts, (list, tuple)) and len(parts) == 2):
        raise DataError("expected pairs of input and output")
    return parts[0], parts[1]


def _text_pair(given: Any, expected: Any) -> Pair:
    if not (isinstance(given, str) and isinstance(expected, str)):
        raise DataError("expected input and output as text")
    return Pair(given, expected)


def _text(extra: Mapping[str, Any], column: str) -> str:
    """A column that may be absent. Raises DataError when it holds something else than text."""
    found = extra.get(column)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise DataError(f"expected text in column '{column}', found {type(found).__name__}")
    return found


def _lines(text: str) -> list[str]:
    """Lines without the spaces at their ends, and without empty ones at the end."""
    return [line.rstrip() for line in text.rstrip().split("\n")]
