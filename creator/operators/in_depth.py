"""In-depth rewriting: the same subject, more demanding.

The directions are EvolInstruct's (Xu et al., 2023, arXiv 2304.12244), which eva's creator uses; the
wording is this project's. Each bounds what is added, since rewriters left alone make prompts longer
rather than harder.
"""

from __future__ import annotations

from creator.gates.context import HasRewriter
from creator.operators.instruction import Instruction
from creator.operators.rewriter import Rewriter
from creator.operators.table import RewriteOptions

CONSTRAINTS = Instruction(
    "constraints",
    1,
    "Take the prompt below and add one requirement that a good answer must meet: {detail}. It "
    "should be possible to meet, easy to check, and make the task harder rather than longer. Add "
    "at most 25 words and keep everything else.",
    details=(
        "one on the content, such as something that must be covered or must not be used",
        "one on the form, such as the structure, the order or the format of the answer",
        "one on the length, in words, sentences, lines or items",
        "one on the reader for whom the answer has to be right",
        "one on the method by which the answer has to be reached",
        "one that rules out the most obvious answer",
    ),
)
DEEPEN = Instruction(
    "deepen",
    1,
    "Take the prompt below and make it ask for deeper knowledge of its subject: for causes, "
    "mechanisms, limits or exceptions where it is content with the surface. Ask one thing, not a "
    "list of things, and add at most 25 words.",
)
CONCRETISE = Instruction(
    "concretise",
    1,
    "Take the prompt below and replace what is general in it by a particular case: a named kind of "
    "object, a situation, a quantity, a place or a time, so that a general answer would no longer "
    "do. Add at most 25 words.",
)
REASONING = Instruction(
    "reasoning",
    1,
    "Take the prompt below and change it so that its answer needs more steps of reasoning, each of "
    "which builds on the one before. Give every fact that the steps need, keep a single final "
    "answer, and do not say what the steps are. Add at most 40 words.",
)
COMPLICATE = Instruction(
    "complicate",
    1,
    "Take the prompt below and give it more involved material to work on: {detail}. Write the "
    "material out in full, and ask for what the original asks for. Add at most 80 words.",
    details=(
        "a small table",
        "a short passage of text",
        "a list in which some items do not matter",
        "a few lines of code, of data or of a log",
        "a formula or a rule that has to be applied",
        "two sources that do not quite agree",
    ),
)


def constraints(options: RewriteOptions, surroundings: HasRewriter) -> Rewriter:
    """One more requirement that the answer must meet."""
    return Rewriter(options, surroundings, CONSTRAINTS)


def deepen(options: RewriteOptions, surroundings: HasRewriter) -> Rewriter:
    """The same subject, further below its surface."""
    return Rewriter(options, surroundings, DEEPEN)


def concretise(options: RewriteOptions, surroundings: HasRewriter) -> Rewriter:
    """A particular case in place of the general one."""
    return Rewriter(options, surroundings, CONCRETISE)


def reasoning(options: RewriteOptions, surroundings: HasRewriter) -> Rewriter:
    """More steps between the question and its answer."""
    return Rewriter(options, surroundings, REASONING)


def complicate(options: RewriteOptions, surroundings: HasRewriter) -> Rewriter:
    """More involved material to work on."""
    return Rewriter(options, surroundings, COMPLICATE)
