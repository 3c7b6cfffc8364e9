"""An easier variant, for prompts that the solver never answers well: a step on the way to them."""

from __future__ import annotations

from creator.gates.context import HasRewriter
from creator.operators.instruction import Instruction
from creator.operators.rewriter import Rewriter
from creator.operators.table import RewriteOptions

SIMPLIFY = Instruction(
    "simplify",
    1,
    "The prompt below is too hard for its reader. Write an easier one that trains the same skill: "
    "{detail}. It should still take some thought, and it must not give the answer away.",
    details=(
        "ask only for a part of the task that the rest builds on",
        "drop a condition or a requirement",
        "use smaller or rounder quantities, or less material",
        "ask about a more familiar case",
    ),
)


def simplify(options: RewriteOptions, surroundings: HasRewriter) -> Rewriter:
    """An easier variant of the same task."""
    return Rewriter(options, surroundings, SIMPLIFY)
