"""What a dataclass says of its fields: the string under each of them, and a table made of them.

Python keeps no docstrings of fields, so they are read from the source, where documentation
generators read them too.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any

from selfplay.core.components import Choice


def field_texts(kind: type) -> dict[str, str]:
    """Field name → the text under it, inherited ones first; fields without a text are left out."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if "__dataclass_fields__" in vars(base):
            texts |= _own_texts(base)
    return {item.name: texts[item.name] for item in fields(kind) if item.name in texts}


@cache
def _own_texts(kind: type) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    texts = {}
    for statement, below in zip(tree.body, tree.body[1:], strict=False):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(below, ast.Expr):
            continue
        name, text = statement.target, below.value
        if isinstance(name, ast.Name) and isinstance(text, ast.Constant):
            texts[name.id] = inspect.cleandoc(str(text.value))
    return texts


def default_text(item: Field[Any]) -> str:
    """A field's default as a configuration would say it; `required` where there is none."""
    if item.default_factory is not MISSING:
        default = item.default_factory()
    elif item.default is not MISSING:
        default = item.default
    else:
        return "required"
    return spelled(default)


def options_table(kind: type) -> Iterator[str]:
    """The lines of a Markdown table of a component's options; none where it has no option."""
    texts = field_texts(kind)
    known = [item for item in fields(kind) if item.init]
    if not known:
        return
    yield "| option | default | meaning |"
    yield "|---|---|---|"
    for item in known:
        text = " ".join(texts.get(item.name, "").split()).replace("|", "\\|")
        yield f"| `{item.name}` | `{default_text(item)}` | {text} |"
    yield ""


def spelled(value: Any) -> str:
    """A value as YAML has it, a component by its name."""
    if value is None:
        return "null"
    if value == "":
        return '""'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Choice):
        return value.name
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(spelled, value))}]"
    return str(value)
