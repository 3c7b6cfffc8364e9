"""What a rewriting model's slips look like: patterns, on texts as `words.folded` leaves them.

The markers are those of EvolInstruct's public templates (arXiv 2304.12244), of chat formats and of
GSM8K's solutions. What the parent says as well is no slip, so a prompt *about* templates may have
templated children.

Limits: the phrases are English; an answer in plain prose is found only where the parent asks with a
question mark and the answer has neither
question nor imperative.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from selfplay.core.refusals import refuses

_ROLE = r"(?:given|rewritten|created|new|original|evolved|revised|modified|updated|final)"
_KIND = r"(?:prompt|question|instruction|problem|task|version|variant)"


def _pattern(*alternatives: str) -> Callable[[str], object]:
    return re.compile("|".join(alternatives), re.MULTILINE).search


_POLITE = re.compile(
    r"\b(?:sorry|apolog\w+|unfortunately|help|assist|provid\w+|request|comply|fulfil|an? ai)\b"
)
_AS_AI = re.compile(
    r"\bas an? (?:ai|artificial intelligence)(?: language)?(?: model| assistant)?, i\b"
)


_OPENING = 2
"""Words of an opening that is no sentence of its own."""


def _refuses(text: str) -> bool:
    """Does the text begin with a refusal, or speak as a model?

    People who ask say as well what they themselves cannot do ("I can't open the file, what is
    wrong?"), though not in these words.
    """
    if _AS_AI.search(text):
        return True
    beginning = _beginning(text.strip())
    return refuses(beginning) and ("?" not in text or _POLITE.search(beginning) is not None)


def _beginning(text: str) -> str:
    """The first sentence, and the one after an opening of a word or two ("Sorry.")."""
    first, *others = re.split(r"(?<=[.!?\n])", text, maxsplit=2)
    short = len(first.split()) <= _OPENING
    return first + (others[0] if others and short else "")


_SLIPS: Mapping[str, Callable[[str], object]] = {
    "template marker": _pattern(
        rf"#+ ?(?:the )?(?:{_ROLE} ){{1,2}}{_KIND} ?#",
        rf"^[^\w\n]*(?:the )?(?:{_ROLE} ){{1,2}}{_KIND}\b[* ]*:",
        r"<\|[a-z_]{2,}\|>|<(?:start|end)_of_turn>|\[/?inst\]|<</?sys>>|</?think>",
        r"\{\{?\s*(?:prompt|instruction|question|problem|parent|persona|topic)\s*\}\}?",
        rf"[\[<](?:insert|your)\b[^\]>\n]*\b{_KIND}\b[^\]>\n]*[\]>]",
    ),
    "preamble": _pattern(
        r"\A\W*(?:sure|certainly|of course|absolutely)\b[,!.:]",
        rf"\A\W*here(?:'s| is| are)\b[^\n]*\b(?:{_KIND}s?|rewrite|rewriting)\b[^\n]*:",
        r"\A\W*i(?:'ve| have) (?:rewritten|rephrased|modified|revised|created|made)\b",
    ),
    "refusal": _refuses,
    "answer": _pattern(
        r"<<[^<>\n]*=[^<>\n]*>>",
        r"^[ \t]*####[ \t]*[-$]?\d",
        r"\\boxed\{\s*[-$\\]*\d",
        r"^[* \t]*(?:the )?(?:final )?answer(?: is)?[* ]*[:=][* \t]*\S",
        r"\b(?:the|final) answer is:? *[-$\\(]*\d",
        # A sum with its result, units allowed: 200 GB / 2 GB/minute = 100; but no 2x + 3 = 7.
        r"\d[%)]?(?: [a-z]{2,})? *[-+*/×÷x] *[($]*\d[\d.,]*[%)]?(?: [a-z/]{2,}){0,3} *= *\$?[\d(]",
    ),
    "several prompts": _pattern(
        rf"^[^\w\n]*(?:{_ROLE} )?(?:{_KIND}|option|alternative) ?#?[1a]\b[* ]*[:.)\n]"
        rf"[\s\S]*^[^\w\n]*(?:{_ROLE} )?(?:{_KIND}|option|alternative) ?#?[2b]\b[* ]*[:.)\n]",
        r"\A\W*1[.)] [^\n]{20,}\?[^\w\n]{0,9}\n\s*2[.)] [^\n]{20,}\?[^\w\n]{0,9}$",
        r"\?[^\w\n]{0,9}\n\s*(?:-{3,}|\*{3,}|_{3,}|\**or\b:?\**)[ \t]*\n[\s\S]*\?",
    ),
}
"""What marks each slip, in a text as `folded` leaves it; the first that is found is the reason."""

_VERBS = """
    act add adjust analy[sz]e answer apply argue arrange assess assume brainstorm build
    calculate change check choose classify code combine compare complete compose compute conduct
    consider construct continue convert correct count craft create critique define derive
    describe design detect determine develop devise diagnose differentiate discuss divide draft
    draw edit elaborate estimate evaluate examine expand explain explore express extract fill
    find fix formulate generate get give help identify illustrate imagine implement improve
    include infer integrate interpret investigate justify list locate make match maximi[sz]e
    minimi[sz]e name optimi[sz]e organi[sz]e outline output paraphrase parse perform pick plan
    plot point predict prepare present pretend produce proof propose prove provide quote rank
    read recommend reduce refactor remove rephrase replace reply report respond return review
    revise rewrite score select set share show simplify sketch solve sort specify split state
    suggest summari[sz]e take teach tell think train transform translate try turn use verify
    visuali[sz]e work write
"""
_REQUEST = re.compile(
    r"\?|\b(?:how|what|which|why|who|whom|whose|where|whether|please|(?:can|could) (?:you|we|i))\b"
    r"|(?:^|[.!:;,()-]|\b(?:then|and|also|to|now) )[^\w\n]{0,9}"
    rf"(?:{'|'.join(_VERBS.split())}|come up|let's|let us)\b"
    r"|\b(?:i|we) (?:am |'m )?(?:need|want|would like|looking|trying|have to)|\bi'(?:d like|m )"
    r"|\bhelp (?:me|us)\b|\byour (?:task|job|goal)"
    r"|\byou(?:'re| are| will| must| should| need| have)\b",
    re.MULTILINE,
)
"""A question, an imperative at the start of a clause, or a wish. Wide on purpose: a prompt that
asks in another way is lost, an answer that looks like asking is caught by the other patterns."""


def find_slip(text: str, parents: Sequence[str]) -> str:
    """The first slip that the text has and no parent has; empty without any."""
    for slip, found in _SLIPS.items():
        if found(text) and not any(found(parent) for parent in parents):
            return slip
    asked = parents and all(parent.rstrip().endswith("?") for parent in parents)
    if asked and not _REQUEST.search(text):
        return "asks nothing"
    return ""
