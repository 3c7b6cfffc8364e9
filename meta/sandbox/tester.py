"""The tests, in a process of their own: runs them against code that lives in another.

`suite.py` says what one test is, `names.py` which names of the tests the code has to supply. A test
passes if all that belongs to it has run to its end and nothing in it failed:

- nothing raised; `SystemExit` without an error is an end too, as of `unittest.main()`, which itself
  does nothing here since the methods are run anyway, and so `doctest.testmod()`;
- no assertion failed, also where the tests catch that;
- no test function, and no comparison that stands alone, came out as False;
- the code's process is still there, and has all names that were used.

Whatever else is a test in the end, such as methods that a class has inherited, belongs to the last.

Tests that do not parse, that import what is not there, or that hand over what is not plain data are
at fault themselves, and there is no result. So is one that raises for a reason of its own, but
nobody can tell, and it counts as failed.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import sys
import types
import unittest
from abc import ABCMeta
from collections.abc import Callable, Iterator, Sequence
from functools import partial, wraps
from typing import Any

from meta.sandbox.data import Link
from meta.sandbox.names import MODULE, BrokenTestsError, Names, loaded
from meta.sandbox.suite import OneTest, Suite, UnitTests
from meta.sandbox.under_test import CodeUnderTest

_COMPARING = (ast.Compare, ast.BoolOp)


class _Assertions(ast.NodeTransformer):
    """Puts the words in that tell when an assertion, or a result, is decided, and how."""

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        return self._after_a_word(node, ast.Assert(_call("__held__", node.test), node.msg))

    def visit_Return(self, node: ast.Return) -> list[ast.stmt]:
        if node.value is None:
            return [node]
        return self._after_a_word(node, ast.Return(_call("__decided__", node.value)))

    def _after_a_word(self, node: ast.stmt, then: ast.stmt) -> list[ast.stmt]:
        before = ast.Expr(_call("__before__"))
        return [ast.copy_location(new, node) for new in (before, then)]


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), [*arguments], [])


class Run:
    """The namespace of the tests, and what has happened in it."""

    def __init__(self, suite: Suite, code: CodeUnderTest) -> None:
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        self._suite, self._code = suite, code
        self._globals: dict[str, Any] = main.__dict__
        self._globals |= {"__before__": code.hold, "__held__": self._held}
        self._globals["__decided__"] = self._decided
        self._failed = False
        self._ran: set[Any] = set()

    def _held(self, value: Any) -> bool:
        """The truth of an assertion, noted."""
        try:
            held = bool(value)
        finally:
            self._code.settle(sys._getframe(1))
        self._failed |= not held
        return held

    def _decided(self, value: Any) -> Any:
        self._code.settle(sys._getframe(1))
        return value

    def provide(self, names: Names) -> None:
        """Makes known what the tests do not define: the code's names, a library's, a prefix's."""
        module = types.ModuleType(MODULE)
        known = {name: self._code.global_named(name) for name in names.code}
        module.__dict__.update(known, __all__=list(names.code))
        module.__getattr__ = self._code.global_named  # type: ignore[method-assign]
        sys.modules[MODULE] = module
        self._globals |= {**names.library, **known}

    def classes(self) -> dict[str, type]:
        """Classes that are defined by now, of which objects may go to the code by value."""
        found = {k: v for k, v in self._globals.items() if type(v) in (type, ABCMeta)}
        return {k: v for k, v in found.items() if v.__module__ == "__main__"}

    def statements(self, nodes: Sequence[ast.stmt]) -> Iterator[Callable[[], Any]]:
        """What to run for statements."""
        for node in nodes:
            yield partial(self._execute, node)

    def passes(self, test: OneTest) -> bool:
        """Runs all of a test, also after a failure: later tests may need it. Did nothing fail?"""
        self._failed = False
        parts = [*self.statements(test.statements)]
        parts += [partial(self._function, name) for name in test.functions]
        parts += [partial(self._method, *names) for names in test.methods]
        parts += [partial(self._examples, text) for text in test.examples]
        return self._all_pass(parts)

    def rest_passes(self) -> bool:
        """Runs test functions and methods that no test was, and that have not been run."""
        self._failed = False
        parts: list[Callable[[], Any]] = []
        for name, value in list(self._globals.items()):
            if isinstance(value, types.FunctionType) and self._suite.is_test_function(name):
                parts += [] if name in self._ran else [partial(self._function, name)]
            elif isinstance(value, type) and issubclass(value, unittest.TestCase):
                methods = unittest.defaultTestLoader.getTestCaseNames(value)
                left = [m for m in methods if (name, m) not in self._ran]
                parts += [partial(self._method, name, method) for method in left]
        return self._all_pass(parts)

    def _all_pass(self, parts: Sequence[Callable[[], Any]]) -> bool:
        for part in parts:
            failure = failure_of(part)
            self._code.settle()
            if self._code.fault:  # also where the tests, or a runner of theirs, have caught it
                raise BrokenTestsError(self._code.fault)
            # Who expects an exception does not expect the code to be missing.
            self._failed |= failure is not None or self._code.lacking
            self._code.lacking = False
            if self._code.ended:
                return False
        return not self._failed

    def _execute(self, node: ast.stmt) -> None:
        compared = isinstance(node, ast.Expr) and isinstance(node.value, _COMPARING)
        told = ast.fix_missing_locations(_Assertions().visit(ast.Module([node], [])))
        try:
            if compared and isinstance(node, ast.Expr):
                code = compile(ast.Expression(node.value), "tests.py", "eval", dont_inherit=True)
                self._fail_if_false(eval(code, self._globals))  # noqa: S307
            else:
                exec(compile(told, "tests.py", "exec", dont_inherit=True), self._globals)  # noqa: S102
        except SystemExit as error:
            if error.code:
                raise
        defined = node.name if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else ""
        if self._suite.is_test_function(defined):
            self._globals[defined] = self._noting(defined, self._globals[defined])

    def _noting(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A test function that notes that it was called."""

        @wraps(function)
        def noting(*arguments: Any, **keywords: Any) -> Any:
            self._ran.add(name)
            return self._finished(function(*arguments, **keywords))

        return noting

    def _finished(self, value: Any) -> Any:
        """What a test function gave, after whatever it left to be run has been."""
        if inspect.iscoroutine(value):
            import asyncio

            value = asyncio.run(value)
        elif inspect.isgenerator(value):
            value = list(value)
        self._fail_if_false(value)
        return value

    def _fail_if_false(self, value: Any) -> None:
        self._failed |= value is False

    def _function(self, name: str) -> None:
        self._ran.add(name)
        function = self._globals[name]
        if name == "check":
            function(self._candidate())
            return
        for arguments in _parametrized(function):
            function(**arguments)

    def _candidate(self) -> Any:
        """The entry point, the first where there are several."""
        entries = compile(self._suite.entry_point, "entry_point", "eval", dont_inherit=True)
        return eval(entries, self._globals)[0]  # noqa: S307

    def _method(self, name: str, method: str) -> None:
        self._ran.add((name, method))
        kind = self._globals[name]
        if issubclass(kind, unittest.TestCase):
            result = unittest.TestResult()
            unittest.TestSuite([kind(method)]).run(result)
            marks = (kind, kind.__dict__.get(method))
            always = any(getattr(mark, "__unittest_skip__", False) for mark in marks)
            self._failed |= bool(result.skipped) and not always
            self._failed |= not (result.wasSuccessful() and result.testsRun)
            return
        for arguments in _parametrized(getattr(kind, method)):
            one = kind()
            getattr(one, "setup_method", lambda *_: None)(*_wanted(one, "setup_method", method))
            self._finished(getattr(one, method)(**arguments))

    def _examples(self, text: str) -> None:
        import doctest

        test = doctest.DocTestParser().get_doctest(text, self._globals, "tests", None, 0)
        found = doctest.DocTestRunner(verbose=False).run(
            test, out=lambda _: None, clear_globs=False
        )
        self._failed |= bool(found.failed) or not found.attempted


def _parametrized(function: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """The arguments of each call that `pytest.mark.parametrize` asks for; of one without any."""
    calls: list[dict[str, Any]] = [{}]
    for mark in getattr(function, "pytestmark", ()):
        if mark.name == "parametrize":
            names = mark.args[0]
            names = [n.strip() for n in names.split(",")] if isinstance(names, str) else names
            rows = [getattr(row, "values", row) for row in mark.args[1]]
            rows = [row if len(names) > 1 or hasattr(row, "marks") else (row,) for row in rows]
            calls = [call | dict(zip(names, row, strict=True)) for call in calls for row in rows]
    yield from calls


def _wanted(one: Any, method: str, name: str) -> tuple[Any, ...]:
    """The arguments of pytest's `setup_method`, which may take the method or nothing."""
    found = getattr(one, method, None)
    takes = found is not None and inspect.signature(found).parameters
    return (getattr(one, name),) if takes else ()


def run_tests(code: CodeUnderTest, source: str, suite: Suite, say: Callable[[Any], None]) -> None:
    """Runs the tests; says how many there are, then of each that ran whether it passed.

    Raises:
        BrokenTestsError: the tests are at fault, not the code.
    """
    run = Run(suite, code)
    own = [failure_of(part) for part in run.statements(suite.given.body)]
    for failure in (*own, failure_of(suite.import_all)):
        if failure is not None:
            raise BrokenTestsError(f"{type(failure).__name__}: {failure}")
    names = suite.names()
    tests = suite.tests(names)
    say({"total": len(tests)})
    classes = run.classes()
    if failure_of(lambda: code.load(source, classes)) is not None or code.ended:
        return
    run.provide(names)
    ready = run.passes(OneTest(tuple(suite.setup.body)))
    if not ready and not loaded(suite.setup) & {*names.code}:
        raise BrokenTestsError("what is executed before them fails")
    for place, test in enumerate(tests, 1):
        passed = run.passes(test) and ready
        if place == len(tests) and not code.ended:
            passed = run.rest_passes() and passed
        say({"passed": passed and not code.ended})
        if code.ended:
            return


def failure_of(step: Callable[[], Any]) -> BaseException | None:
    """What a step ends with; None if it ran to its end."""
    try:
        step()
    except BaseException as error:  # noqa: BLE001 - tests may raise anything, SystemExit too
        return error
    return None


def serve(job: dict[str, Any], incoming: int, outgoing: int, results: int) -> None:
    """Runs the tests of a job; writes results as lines of JSON."""

    def say(result: Any) -> None:
        os.write(results, json.dumps(result).encode() + b"\n")

    source = job["source"]
    job["source"] = source if isinstance(source, str) else tuple(source)
    code = CodeUnderTest(Link(incoming, outgoing))
    solution = job.pop("code")
    _leave_running_to_us(job["source"])
    try:
        run_tests(code, solution, Suite(UnitTests(**job)), say)
    except BrokenTestsError as error:
        say({"broken": str(error)[:300]})
    say({"ended": code.ended})


def _leave_running_to_us(source: str | tuple[str, ...]) -> None:
    """Has the runners that tests call at their end do nothing: all is run, and counted, anyway."""
    unittest.main = lambda *_, **__: types.SimpleNamespace(result=unittest.TestResult())  # type: ignore[assignment]
    if any("doctest" in text for text in ([source] if isinstance(source, str) else source)):
        import doctest

        doctest.testmod = lambda *_, **__: doctest.TestResults(0, 1)
