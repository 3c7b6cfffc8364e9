"""The same request in clearer words; a gold answer, where there is one, stays right.

That it does is checked as far as code can: numbers and names have to be the parent's, in its order
(`creator.operators.kept`).
"""

from __future__ import annotations

from creator.gates.context import HasRewriter
from creator.operators.instruction import Instruction
from creator.operators.rewriter import Rewriter
from creator.operators.table import RewriteOptions

REWRITE = Instruction(
    "rewrite",
    2,
    "Say the prompt below again in other and clearer words. It has to ask for exactly the same: "
    "keep every number and every name as it is written and in the order in which they come, every "
    "condition and requirement, and add nothing.",
    keeps_answer=True,
)


def rewrite(options: RewriteOptions, surroundings: HasRewriter) -> Rewriter:
    """The parent in other words, with its gold answer."""
    return Rewriter(options, surroundings, REWRITE)
