"""The same request in clearer words; a gold answer, where there is one, stays right.

That it does is checked as far as code can: numbers and names have to be the parent's, in its order
(`creator.rewriting.kept`).
"""

from __future__ import annotations

from creator.gating.surroundings import HasRewriter
from creator.rewriting.instruction import Instruction
from creator.rewriting.rewriter import Rewriter
from creator.tables.rewriting import RewriteOptions

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
