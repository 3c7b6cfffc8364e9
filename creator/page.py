"""docs/creator_parts.md, from the creator's tables: `python -m creator.page`. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from creator.estimators.table import ESTIMATORS
from creator.gates.table import GATES
from creator.operators.table import OPERATORS
from creator.samplers.table import SAMPLERS
from selfplay.core.components import Table
from selfplay.core.documented import field_texts, options_table
from selfplay.core.models.table import MODELS

PAGE = Path(__file__).parents[1] / "docs" / "creator_parts.md"

INTRODUCTION = """\
# The creator's parts

Written from the code's own tables by `python -m creator.page`; a test keeps it current. What the
parts do together is told in [creator.md](creator.md). A part of your own is named
`package.module:Class` in any of these places.
"""

PARTS: tuple[tuple[str, str, str, Table], ...] = (
    (
        "Estimators",
        "creator.estimator",
        "How informative a prompt is, by its responses. Some modify another, named in `of`.",
        ESTIMATORS,
    ),
    (
        "Samplers",
        "creator.sampler",
        "Which prompts become parents, by what they are worth; all without replacement.",
        SAMPLERS,
    ),
    (
        "Operators",
        "creator.operators",
        "How a parent becomes a child. A list; each draw takes one of them.",
        OPERATORS,
    ),
    (
        "Rewriters",
        "creator.rewriter",
        "The model that the operators that rewrite ask.",
        MODELS,
    ),
    (
        "Gates",
        "creator.gates",
        "What a child has to pass, in this order, once it is known not to be held out.",
        GATES,
    ),
)
"""Title, place in the configuration, what it is, rows."""


def render() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(line for part in PARTS for line in _part(*part))])


def _part(title: str, place: str, text: str, table: Table) -> Iterator[str]:
    yield f"## {title} (`{place}`)\n"
    yield f"{text}\n"
    for name, row in table.items():
        yield f"**{name}**: {row.summary}.\n"
        yield from options_table(row.options)


def undocumented() -> list[str]:
    """Options without a text, as `part.name.option`."""
    return [
        f"{place}.{name}.{option.name}"
        for _, place, _, table in PARTS
        for name, row in table.items()
        for option in fields(row.options)
        if option.init and option.name not in field_texts(row.options)
    ]


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
