"""The same request in clearer words; a gold answer, where there is one, stays right.

That it does is checked as far as code can: the numbers have to be the parent's.
"""

from __future__ import annotations

from creator.gating.surroundings import HasRewriter
from creator.rewriting.instruction import Instruction
from creator.rewriting.rewriter import Rewriter
from creator.tables.rewriting import RewriteOptions

REWRITE = Instruction(
    "rewrite",
    1,
    "Say the prompt below again in other and clearer words. It has to ask for exactly the same: "
    "keep every number as it is written, every name, condition and requirement, and add nothing.",
    keeps_answer=True,
)


def rewrite(options: RewriteOptions, surroundings: HasRewriter) -> Rewriter:
    """The parent in other words, with its gold answer."""
    return Rewriter(options, surroundings, REWRITE)
