"""In-breadth rewriting: other prompts beside the parent, so that the pool covers more.

The rarer sibling is EvolInstruct's mutation (Xu et al., 2023, arXiv 2304.12244); a persona to ask
from follows Ge et al. (2024, arXiv 2406.20094), with a short list in place of their web-mined one;
crossing two parents and abstraction are in eva's spirit (arXiv 2411.00062). The wording is this
project's.
"""

from __future__ import annotations

from creator.gates.context import HasRewriter
from creator.operators.instruction import Instruction
from creator.operators.rewriter import Rewriter
from creator.operators.table import RewriteOptions

RARER = Instruction(
    "rarer",
    1,
    "Write another prompt from the same field as the one below, about as long and as hard, that "
    "asks for something far less common: a question that few would think of, but that somebody in "
    "the field could well have. Do not reuse the original's wording.",
)
PERSONA = Instruction(
    "persona",
    1,
    "Rewrite the prompt below as {detail} would ask it, for a purpose of their own. Their "
    "situation should change what a good answer is, not just how the prompt sounds. Keep the kind "
    "of task and do not exceed twice the original's length.",
    details=(
        "a nurse on night shift",
        "a farmer planning next season",
        "a pupil of twelve who likes puzzles",
        "a judge writing an opinion",
        "an engineer who maintains bridges",
        "a translator of poetry",
        "the owner of a small bakery",
        "a statistician at a public office",
        "a ship's navigator",
        "a teacher of chemistry",
        "a journalist checking a claim",
        "a mechanic who repairs old lifts",
        "a city planner",
        "an archaeologist in the field",
        "an accountant at a charity",
        "a coach of a youth team",
        "a librarian sorting a bequest",
        "a game designer",
        "a logistics clerk at a port",
        "a retired physicist who tutors",
    ),
)
CROSSOVER = Instruction(
    "crossover",
    1,
    "Below are two prompts. Write one prompt that needs what both of them need: take the task of "
    "the first and bring in the subject, the material or the requirements of the second, so that "
    "they become one question and not two in a row. Do not make it longer than both together.",
    parents=2,
)
ABSTRACTION = Instruction(
    "abstraction",
    1,
    "Write the general problem of which the prompt below is one case: replace its particulars by "
    "what they are examples of, and ask for a rule, a method or an explanation that would settle "
    "all such cases, the original among them.",
)


def rarer(options: RewriteOptions, surroundings: HasRewriter) -> Rewriter:
    """A sibling from the same field that asks for something less common."""
    return Rewriter(options, surroundings, RARER)


def persona(options: RewriteOptions, surroundings: HasRewriter) -> Rewriter:
    """The same kind of task, asked by somebody else for a purpose of their own."""
    return Rewriter(options, surroundings, PERSONA)


def crossover(options: RewriteOptions, surroundings: HasRewriter) -> Rewriter:
    """One prompt out of two parents; the second is drawn from the other parents."""
    return Rewriter(options, surroundings, CROSSOVER)


def abstraction(options: RewriteOptions, surroundings: HasRewriter) -> Rewriter:
    """The general problem of which the parent is a case."""
    return Rewriter(options, surroundings, ABSTRACTION)
