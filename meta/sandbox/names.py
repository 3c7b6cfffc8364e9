"""Which names tests take from the code under test: its entry points, and no others.

Code that is rewarded for passing must not supply what it is measured with. So of the names that the
tests use without defining them only the entry points are the code's:

- those that the prompt names, and those that the tests import from `solution`;
- where there are none of either, every name that nobody defines, but for what a library is known
  to have. A name of Python's own is the code's only if the tests use no other.

What else tests use without having imported it is taken from the standard library, for names that
are known there. A name that is neither, or that could be the code's as well as a judge of the
code's, is a fault of the tests: nobody can say what they measure.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
import symtable
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MODULE = "solution"
"""The module that the code under test is, for tests that import it."""

_BUILT_IN = frozenset(dir(builtins)) | {"exit", "quit", "__file__", "__name__", "__doc__"}
_ALIASES: Mapping[str, str] = {"np": "numpy", "pd": "pandas"}
_STAR_IMPORTED = (
    "math", "typing", "collections", "itertools", "functools", "fractions", "decimal", "datetime",
    "copy", "heapq", "bisect", "statistics", "unittest",
)  # fmt: skip


class BrokenTestsError(Exception):
    """The tests themselves cannot be run: nothing is known of the code."""


@dataclass(frozen=True)
class Names:
    """Where the names come from that tests use and do not define."""

    code: tuple[str, ...]
    """The code's: its entry points."""
    library: Mapping[str, Any] = field(default_factory=dict)
    """What a library has under names that the tests forgot to import."""


def names_in(text: str) -> tuple[set[str], set[str]]:
    """The global names that a source text reads, and those that it binds.

    Raises:
        SyntaxError: it is no Python.
    """
    read, bound = set(), set()
    top = symtable.symtable(text, "tests.py", "exec")
    for scope in _scopes(top):
        for name in scope.get_symbols():
            global_here = scope is top or name.is_global()
            if name.is_referenced() and (global_here or scope.get_type() == "class"):
                read.add(name.get_name())
            if global_here and (name.is_assigned() or name.is_imported()):
                bound.add(name.get_name())
    return read, bound


def _scopes(scope: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield scope
    for inner in scope.get_children():
        yield from _scopes(inner)


def imported_from_the_code(trees: Iterable[ast.AST]) -> tuple[set[str], set[str]]:
    """Names that tests import from `solution`, and those that they have them under.

    `from solution import *` names nothing: it means the entry points.
    """
    wanted, under, modules = set(), set(), set()
    nodes = [node for tree in trees for node in ast.walk(tree)]
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == MODULE:
            wanted |= {alias.name for alias in node.names if alias.name != "*"}
            under |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            modules |= {a.asname or a.name for a in node.names if a.name == MODULE}
    for node in nodes if modules else ():
        if isinstance(node, ast.Attribute) and loaded(node.value) <= modules:
            wanted.add(node.attr)
    return wanted, under | modules


def star_exports(module: str) -> set[str]:
    """What `from module import *` binds."""
    found = importlib.import_module(module)
    exported = getattr(found, "__all__", None)
    return set(exported or (name for name in vars(found) if not name.startswith("_")))


def sort_names(free: set[str], given: set[str], trees: Sequence[ast.AST]) -> Names:
    """Says where every free name comes from.

    Args:
        free: names that the tests use, and neither they nor anything trusted defines.
        given: names that are known to be entry points.
        trees: the tests.

    Raises:
        BrokenTestsError: a name comes from nowhere, or could come from two places.
    """
    wanted = free - _BUILT_IN - given
    bases = _bases_only(trees)
    library = {name: _in_library(name, name in bases) for name in wanted}
    known = {name for name, found in library.items() if found is not None}
    if given:
        code = given
    elif wanted:
        code = _entry_points(wanted, known, bases, trees)
    else:
        code = _called(trees) & free & _BUILT_IN
        if len(code) > 1:
            raise BrokenTestsError(_which(code))
    unknown = wanted - code - known
    if unknown:
        raise BrokenTestsError(
            f"they use {_listed(unknown)}, which nobody defines and which is no entry point"
        )
    if not code:
        raise BrokenTestsError("they use no name of the code's")
    return Names(tuple(sorted(code)), {name: library[name] for name in known - code})


def _entry_points(
    wanted: set[str], known: set[str], bases: set[str], trees: Sequence[ast.AST]
) -> set[str]:
    """The names of which the code is to define all, where nobody says which they are."""
    own = wanted - known
    functions = {name for name in own if not name[0].isupper()}
    if not own:  # all are known: the code's is the one that others are called with
        own = (known - bases) - {judge for judge, _ in _judges(known - bases, trees)}
        if len(own) > 1:
            raise BrokenTestsError(_which(own))
    elif not functions:  # of classes alone: nothing but the known ones is left to use them
        own = wanted - bases
    judging = {judge for judge, decides in _judges(functions, trees) if decides}
    if judging:
        raise BrokenTestsError(_which(functions))
    return own


def _judges(names: set[str], trees: Sequence[ast.AST]) -> Iterator[tuple[str, bool]]:
    """Of `names`, those called with what another of them returns, and whether that decides a test.

    A result decides if its truth does, or its size; not if it has to equal something.
    """
    carriers = {name: {name} for name in names}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            sources = loaded(node.value) & names
            for target in (t for t in node.targets if isinstance(t, ast.Name)):
                carriers.setdefault(target.id, set()).update(sources)
    for tree in trees:
        for parent in ast.walk(tree):
            for node in ast.iter_child_nodes(parent):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                    continue
                given = {n for part in (*node.args, *node.keywords) for n in loaded(part)}
                sources = {s for name in given for s in carriers.get(name, ())}
                if node.func.id in names and sources - {node.func.id}:
                    yield node.func.id, _decides(parent)


def _decides(parent: ast.AST) -> bool:
    """Does the truth or the size of an expression right below `parent` decide a test?"""
    if isinstance(parent, ast.Compare):
        constants = [c.value for c in parent.comparators if isinstance(c, ast.Constant)]
        ordered = any(not isinstance(op, (ast.Eq, ast.Is)) for op in parent.ops)
        return ordered or any(isinstance(value, bool) for value in constants)
    if isinstance(parent, ast.Call):
        return isinstance(parent.func, ast.Attribute) and parent.func.attr in (
            "assertTrue",
            "assertFalse",
        )
    return isinstance(parent, (ast.Assert, ast.UnaryOp, ast.BoolOp, ast.BinOp, ast.If, ast.Expr))


def _in_library(name: str, as_module: bool) -> Any:
    """A module, or what one of the modules has that are often imported from; None if unknown."""
    if as_module and (name in sys.stdlib_module_names or name in _ALIASES):
        module = _ALIASES.get(name, name)
        return importlib.import_module(module) if importlib.util.find_spec(module) else None
    if name.startswith("_"):
        return None
    modules = map(importlib.import_module, _STAR_IMPORTED)
    return next((getattr(module, name) for module in modules if hasattr(module, name)), None)


def loaded(node: ast.AST) -> set[str]:
    """Names that are read anywhere in a node."""
    nodes = (n for n in ast.walk(node) if isinstance(n, ast.Name))
    return {n.id for n in nodes if isinstance(n.ctx, ast.Load)}


def _called(trees: Sequence[ast.AST]) -> set[str]:
    calls = (n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Call))
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


def _bases_only(trees: Sequence[ast.AST]) -> set[str]:
    """Names that are used as `name.attribute` alone."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    values = [node.value for node in nodes if isinstance(node, ast.Attribute)]
    bases = {id(value): value.id for value in values if isinstance(value, ast.Name)}
    others = {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in bases}
    return set(bases.values()) - others


def _which(names: Iterable[str]) -> str:
    return f"they use {_listed(names)}, and nothing says which of them is the entry point"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))
