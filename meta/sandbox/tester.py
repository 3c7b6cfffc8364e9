"""The tests, in a process of their own: runs them against code that lives in another.

Tests are Python source. Every text of a list is one test. Of a single text every top-level `assert`
and every top-level call is one, and what stands between them is executed in its order; where there
are none, `check(candidate)` is the test if it is defined and an entry point is given, else every
function whose name starts with `test`.

Names that the tests use without defining them are the code's; a name of Python's own is not, unless
it is the entry point, or the tests use no other name. `from solution import f` is understood.

A test passes if it ends without raising, and the code's process is still there. Tests that do not
parse, that import what is not there, or that hand over what is not plain data are at fault
themselves, and there is no result. So is one that raises for a reason of its own, but nobody can
tell, and it counts as failed.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import os
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from meta.sandbox.candidate import MODULE
from meta.sandbox.data import Link, NotPlainError
from meta.sandbox.remote import CodeUnderTest

Step = tuple[Callable[[], Any], bool]
"""What to run, and whether it is a test."""


class BrokenTestsError(Exception):
    """The tests themselves cannot be run: nothing is known of the code."""


@dataclass(frozen=True)
class UnitTests:
    """Tests in assertion form."""

    source: str | tuple[str, ...]
    """One text, or one text for each test."""
    setup: str = ""
    """Executed before the tests."""
    entry_point: str = ""
    """Name of the function that is tested; empty to go by the names that the tests use."""


class Suite:
    """Parsed tests, and the namespace that they run in."""

    def __init__(self, tests: UnitTests) -> None:
        """Raises BrokenTestsError for tests that do not parse."""
        texts = [tests.source] if isinstance(tests.source, str) else list(tests.source)
        try:
            self._trees = [ast.parse(text) for text in texts]
            self._setup = ast.parse(tests.setup)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise BrokenTestsError(f"{type(error).__name__}: {error}") from error
        self._tests = tests
        self._globals: dict[str, Any] = {"__name__": "tests"}

    @property
    def names(self) -> list[str]:
        """Names that are the code's to define."""
        trees = [self._setup, *self._trees]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        free = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        free -= {name for node in nodes for name in _bound(node)}
        wanted = {name for name in free if not hasattr(builtins, name)}
        if self._tests.entry_point:
            wanted.add(self._tests.entry_point)
        if not wanted:
            wanted = {name for node in nodes for name in _called(node)}
        return sorted(wanted)

    def check_imports(self) -> None:
        """Imports what the tests will. Raises BrokenTestsError for what does not import."""
        nodes = [node for tree in (self._setup, *self._trees) for node in ast.walk(tree)]
        modules = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
        modules |= {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module}
        for module in sorted(modules - {MODULE}):
            failure = _failure(partial(importlib.import_module, module))
            if failure is not None:
                raise BrokenTestsError(f"import {module}: {failure}")

    def provide(self, code: CodeUnderTest) -> None:
        """Makes the code's names known to the tests."""
        self._globals |= {name: code.global_named(name) for name in self.names}
        module = types.ModuleType(MODULE)
        module.__getattr__ = code.global_named  # type: ignore[method-assign]
        sys.modules[MODULE] = module

    def steps(self) -> list[Step]:
        """What to run, in order."""
        before = [(self._execution(node), False) for node in self._setup.body]
        if not isinstance(self._tests.source, str):
            return [*before, *((self._execution(*tree.body), True) for tree in self._trees)]
        body = self._trees[0].body
        direct = [(self._execution(node), _is_test(node)) for node in body]
        if not any(is_test for _, is_test in direct):
            direct += [(self._call(name), True) for name in self._functions(body)]
        return before + direct

    def _functions(self, body: Sequence[ast.stmt]) -> list[str]:
        defined = [node.name for node in body if isinstance(node, ast.FunctionDef)]
        if "check" in defined and self._tests.entry_point:
            return ["check"]
        return [name for name in defined if name.startswith("test")]

    def _execution(self, *nodes: ast.stmt) -> Callable[[], Any]:
        code = compile(ast.Module([*nodes], []), "tests.py", "exec", dont_inherit=True)
        return lambda: exec(code, self._globals)  # noqa: S102

    def _call(self, name: str) -> Callable[[], Any]:
        arguments = [self._tests.entry_point] if name == "check" else []
        return lambda: self._globals[name](*(self._globals[name] for name in arguments))


def _is_test(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assert) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    )


def _called(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield node.func.id


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a node of the tests defines."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]


def run_tests(
    code: CodeUnderTest, source: str, tests: UnitTests, say: Callable[[Any], None]
) -> None:
    """Runs the tests; says how many there are, then of each that ran whether it passed.

    Raises:
        BrokenTestsError: the tests are at fault, not the code.
    """
    suite = Suite(tests)
    steps = suite.steps()
    suite.check_imports()
    total = sum(is_test for _, is_test in steps)
    if not total:
        raise BrokenTestsError("there is no assertion, no check(candidate) and no test function")
    say({"total": total})
    if _failure(lambda: code.load(source)) is not None or code.ended:
        return
    suite.provide(code)
    for step, is_test in steps:
        failure = _failure(step)
        if isinstance(failure, NotPlainError):
            raise BrokenTestsError(str(failure))
        if is_test:
            say({"passed": failure is None and not code.ended})
        if code.ended:
            return


def _failure(step: Callable[[], Any]) -> BaseException | None:
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
    tests = UnitTests(
        source if isinstance(source, str) else tuple(source), job["setup"], job["entry"]
    )
    code = CodeUnderTest(Link(incoming, outgoing))
    try:
        run_tests(code, job["code"], tests, say)
    except BrokenTestsError as error:
        say({"broken": str(error)[:300]})
    say({"ended": code.ended})
