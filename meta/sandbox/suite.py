"""Tests as data: what of a prompt's tests is one test, and which statements belong to it.

- Of a list of texts every text is one.
- Of a single text every top-level statement is one that asserts, or that calls the code under test;
  and besides every test function, every test method of a class, and every docstring of examples.
  A test function is one whose name starts with `test`, and `check` where there is an entry point;
  one that other statements use is theirs.

What is no test (imports, definitions, assignments, `random.seed(0)`) belongs to the test that
follows it, and after the last one to the last: nothing stands outside of the tests, so that all of
them have passed only if everything has run to its end.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from meta.sandbox.names import (
    MODULE,
    BrokenTestsError,
    Names,
    imported_from_the_code,
    loaded,
    names_in,
    sort_names,
    star_exports,
)

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPOUND = (
    ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.TryStar,
    ast.Match,
)  # fmt: skip


@dataclass(frozen=True)
class UnitTests:
    """Tests in assertion form."""

    source: str | tuple[str, ...]
    """One text, or one text for each test."""
    setup: str = ""
    """Executed before the tests."""
    entry_point: str = ""
    """What is tested: a name, several with commas between them, or an expression such as
    `Solution().solve`, of which the names count; empty to go by what the tests use."""
    prefix: str = ""
    """Stands before the code, such as a signature to complete. What it defines in full, the tests
    have from here and not from the code."""


@dataclass(frozen=True)
class OneTest:
    """What has to run to its end, in this order."""

    statements: tuple[ast.stmt, ...] = ()
    functions: tuple[str, ...] = ()
    methods: tuple[tuple[str, str], ...] = ()
    """Names of a class and of its method."""
    examples: tuple[str, ...] = ()
    """Texts with `>>>`, each with what it prints."""


class Suite:
    """Parsed tests."""

    def __init__(self, tests: UnitTests) -> None:
        """Raises BrokenTestsError for tests that do not parse."""
        texts = [tests.source] if isinstance(tests.source, str) else list(tests.source)
        try:
            self.entry_point = f"({tests.entry_point},)" if tests.entry_point.strip() else "()"
            self._entry_names = loaded(ast.parse(self.entry_point, mode="eval"))
            self._texts = [_parsed(text) for text in texts]
            self.setup = _parsed(tests.setup)
            self.given = prefix_definitions(tests.prefix, self._entry_names)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise BrokenTestsError(f"{type(error).__name__}: {error}") from error
        self._single = isinstance(tests.source, str)
        self._sources = [tests.setup, *("" if _is_examples(text) else text for text in texts)]
        self._trees = [self.setup, *self._texts]
        self._used = {name for tree in self._trees for name in _used_by_others(tree)}
        self.with_doctest = any("doctest" in text for text in texts) or any(
            map(_is_examples, texts)
        )

    def import_all(self) -> None:
        """Imports what the tests do, but for what they try to. Raises what that raises."""
        for module in sorted({name for tree in self._trees for name in _imported(tree)} - {MODULE}):
            importlib.import_module(module)

    def names(self) -> Names:
        """Where names come from that the tests do not define.

        Raises:
            BrokenTestsError: that cannot be said.
        """
        read: set[str] = set()
        _, bound = names_in(ast.unparse(self.given))
        for source, tree in zip(self._sources, self._trees, strict=True):
            examples = "".join(_example_sources(tree) if self.with_doctest else ())
            for text in (source, examples):
                more_read, more_bound = names_in(text)
                read, bound = read | more_read, bound | more_bound
        for module in _star_imports([self.given, *self._trees]):
            bound |= star_exports(module)
        wanted, under = imported_from_the_code(self._trees)
        given = self._entry_names | wanted
        if self._entry_names & (bound - under):
            raise BrokenTestsError("they define the entry point themselves")
        return sort_names(read - bound, given, self._trees)

    def tests(self, names: Names) -> list[OneTest]:
        """The tests, in their order.

        Raises:
            BrokenTestsError: there are none, or one of them needs what nobody gives it.
        """
        _, under = imported_from_the_code(self._trees)
        touching = _touching({*names.code, *under}, self._trees)
        if self._single:
            found = list(self._of_one_text(self._texts[0], touching))
        else:
            found = [self._of_a_list(tree, touching) for tree in self._texts]
        tests: list[OneTest] = []
        waiting: tuple[ast.stmt, ...] = ()
        for test, counts in found:
            if counts:
                tests.append(replace(test, statements=(*waiting, *test.statements)))
            waiting = () if counts else (*waiting, *test.statements)
        if not tests:
            raise BrokenTestsError(
                "there is no assertion, no check(candidate) and no test function"
            )
        return [*tests[:-1], replace(tests[-1], statements=(*tests[-1].statements, *waiting))]

    def _of_one_text(self, tree: ast.Module, touching: set[str]) -> Iterator[tuple[OneTest, bool]]:
        for node in tree.body:
            yield OneTest((node,)), _is_test(node, touching)
        for function in self._functions(tree):
            yield OneTest(functions=(function,)), True
        for method in _methods(tree):
            yield OneTest(methods=(method,)), True
        for text in self._examples(tree):
            yield OneTest(examples=(text,)), True

    def _of_a_list(self, tree: ast.Module, touching: set[str]) -> tuple[OneTest, bool]:
        functions, methods = tuple(self._functions(tree)), tuple(_methods(tree))
        examples = tuple(self._examples(tree))
        running = [node for node in tree.body if not isinstance(node, _DEFINITIONS)]
        by_itself = any(_is_test(node, touching) or loaded(node) & touching for node in running)
        test = OneTest(tuple(tree.body), functions, methods, examples)
        return test, bool(by_itself or functions or methods or examples)

    def _functions(self, tree: ast.Module) -> Iterator[str]:
        for node in tree.body:
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if not self.is_test_function(node.name) or node.name in self._used:
                continue
            if node.name != "check" and _needs_arguments(node) and not node.decorator_list:
                raise BrokenTestsError(f"'{node.name}' takes arguments that nobody gives")
            yield node.name

    def _examples(self, tree: ast.Module) -> Iterator[str]:
        if self.with_doctest:
            yield from _docstrings(tree)

    def is_test_function(self, name: str) -> bool:
        """Is a function of this name a test?"""
        return name.startswith("test") or (name == "check" and bool(self._entry_names))


def _parsed(text: str) -> ast.Module:
    """The tests; a text of examples is the docstring of a module that has nothing else."""
    if _is_examples(text):
        return ast.Module([ast.Expr(ast.Constant(text))], [])
    return ast.parse(text)


def _is_examples(text: str) -> bool:
    return text.lstrip().startswith(">>>")


def prefix_definitions(prefix: str, entry: set[str]) -> ast.Module:
    """What a prefix defines in full: all but the entry point, or what it leaves to be completed.

    A prefix that is no Python, even with a body put behind its last line, defines nothing.
    """
    last = prefix.rstrip().rpartition("\n")[2]
    indent = last[: len(last) - len(last.lstrip())]
    for end in ("", f"{indent}    pass", f"{indent}pass"):
        try:
            tree = ast.parse(f"{prefix.rstrip()}\n{end}")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return ast.Module([node for node in tree.body if _is_defined(node, entry)], [])
    return ast.Module([], [])


def _is_defined(node: ast.stmt, entry: set[str]) -> bool:
    if isinstance(node, _DEFINITIONS):
        return node.name not in entry and not _is_unfinished(node)
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign))


def _is_unfinished(node: ast.stmt) -> bool:
    """Is there nothing in a definition but docstrings, `pass` and `raise NotImplementedError`?"""
    if isinstance(node, _DEFINITIONS):
        return all(map(_is_unfinished, node.body))
    if isinstance(node, ast.Raise):
        return "NotImplementedError" in ast.unparse(node)
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _is_test(node: ast.stmt, touching: set[str]) -> bool:
    if isinstance(node, _DEFINITIONS):
        return False
    if isinstance(node, ast.Assert):
        return True
    if isinstance(node, ast.Expr):
        return bool(loaded(node) & touching)
    if isinstance(node, _COMPOUND):
        return bool(loaded(node) & touching) or _asserts(node)
    return False


def _asserts(node: ast.AST) -> bool:
    """Is there an assertion in a statement, but for the definitions in it?"""
    inner = (n for n in ast.iter_child_nodes(node) if not isinstance(n, _DEFINITIONS))
    return isinstance(node, ast.Assert) or any(map(_asserts, inner))


def _touching(names: set[str], trees: Sequence[ast.Module]) -> set[str]:
    """Names whose use may use one of `names`, through what the tests define and assign."""
    found = set(names)
    nodes = [
        (node, loaded(node))
        for tree in trees
        for node in tree.body
        if isinstance(node, (*_DEFINITIONS, ast.Assign, ast.AnnAssign))
    ]
    before = -1
    while len(found) != before:
        before = len(found)
        found |= {name for node, uses in nodes if uses & found for name in _bound_by(node)}
    return found


def _bound_by(node: ast.stmt) -> set[str]:
    if isinstance(node, _DEFINITIONS):
        return {node.name}
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name))
    return {n.id for n in names if isinstance(n.ctx, ast.Store)}


def _used_by_others(tree: ast.Module) -> Iterator[str]:
    """Names that statements other than their own definition use."""
    for node in tree.body:
        own = {node.name} if isinstance(node, _DEFINITIONS) else set()
        yield from loaded(node) - own


def _needs_arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    positional = len(node.args.posonlyargs) + len(node.args.args) - len(node.args.defaults)
    return positional > 0 or None in node.args.kw_defaults


def _methods(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Test methods of classes that look like test cases."""
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    for node in classes:
        if node.bases or node.name.startswith("Test"):
            inner = (n for n in node.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))
            yield from ((node.name, one.name) for one in inner if one.name.startswith("test"))


def _docstrings(tree: ast.Module) -> Iterator[str]:
    """Docstrings with examples."""
    holders = [tree, *(node for node in tree.body if isinstance(node, _DEFINITIONS))]
    for text in map(ast.get_docstring, holders):
        if text and ">>>" in text:
            yield text


def _example_sources(tree: ast.Module) -> Iterator[str]:
    from doctest import DocTestParser

    for text in _docstrings(tree):
        try:
            yield from (example.source for example in DocTestParser().get_examples(text))
        except ValueError as error:
            raise BrokenTestsError(f"examples that do not parse: {error}") from error


def _imported(node: ast.AST) -> Iterator[str]:
    """Modules that are imported, but for those that may be missing."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
    elif not isinstance(node, ast.Try):
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, (ast.stmt, ast.ExceptHandler, ast.match_case)):
                yield from _imported(inner)


def _star_imports(trees: Sequence[ast.AST]) -> set[str]:
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    starred = {n.module for n in nodes if n.module and any(a.name == "*" for a in n.names)}
    return starred - {MODULE}
