r"""One spelling for gold answers, answers and options: `spelled` is the function for all three.

What is written in several ways is written in one: Unicode, full-width and Chinese punctuation as
ASCII, LaTeX's wrappers, spacing and display forms left out, mathematical signs and functions as
LaTeX's (`2√3` and `2*sqrt(3)` as `2\sqrt{3}`), multiplication as `*`, powers as `^`. The result
still says the same; what it is decides `meta.answers.reading`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

FUNCTIONS = (
    *("arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "sin", "cos", "tan", "cot", "sec"),
    *("csc", "log", "ln", "exp", "gcd", "lcm", "max", "min", "det"),
)
"""Functions that are read without a backslash too."""

CURRENCY = "\ue000"
"""A dollar sign that means dollars; other dollar signs set mathematics off."""

_SIGNS = {
    **dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63", "-"),
    **dict.fromkeys("×✕✖⋅·∙", "*"),
    **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d\u300a\u300b", '"'),
    **dict.fromkeys("\u2018\u2019\u2032", "'"),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", ""),
    "÷": "/",
    "∕": "/",
    "⁄": "/",
    "π": r"\pi ",
    "∞": r"\infty ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "±": r"\pm ",
    "∈": r"\in ",
    "∅": r"\emptyset ",
    "º": "°",
    "˚": "°",
    "。": ".",
    "、": ",",
    "≈": r"\approx ",
    "≡": "=",
    "∛": r"\sqrt[3]",
    "θ": r"\theta ",
    "α": r"\alpha ",
    "β": r"\beta ",
    "γ": r"\gamma ",
    "λ": r"\lambda ",
    "φ": r"\phi ",
    "∠": r"\angle ",
    "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}",
    "ℂ": r"\mathbb{C}",
    "△": r"\triangle ",
    "⟨": "(",
    "⟩": ")",
}
_TABLE = str.maketrans(_SIGNS)
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ"
_SUPERSCRIPT = re.compile(f"[{_SUPERSCRIPTS}]+")
_SUBSCRIPT = re.compile("[₀-₉]+")
_VULGAR = re.compile("[¼-¾⅐-⅞]")

_WRAPPER = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal|up)?|mathrm|mathbf|mathit|mathsf|mathtt|mathnormal|mbox"
    r"|hbox|operatorname\*?|bm|boldsymbol|emph|underline|boxed|fbox|ensuremath)\s*\{((?:[^{}]|[\^_]\{[^{}]*\})*)\}"
)
_INDEXED = re.compile(r"_\{?\w\}?$|(?<![\\A-Za-z])[A-Za-z]$")
_INDEX_LENGTH = 8
"""Characters before a wrapper that say whether it is an index: `_{1}` has four."""
_UNSEEN = re.compile(
    r"\\(?:left|right|[bB]ig{1,2}[lr]?|displaystyle|textstyle|scriptstyle|limits|nolimits)(?![a-zA-Z])"
    r"|\\!"
)
_SPACE = re.compile(r"(?<!\\)\\(?:[,;:> ]|quad|qquad|enspace|thinspace)|(?<!\\)~|\u00a0|\u202f")
_GROUPED = re.compile(r"(?<![\d.,^/])(\d{1,3}(?: \d{3})+)(?![\d/]| \d)")
_ARGUMENT = r"\d|[a-zA-Z]|\\(?:pi|theta|alpha|beta|gamma|lambda|phi)(?![a-zA-Z])"
_RENAMED = (
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(rf"\\frac\s*({_ARGUMENT})\s*(?=[\d{{a-zA-Z\\])"), r"\\frac{\1}"),
    (re.compile(rf"(\\frac\s*\{{[^{{}}]*\}})\s*({_ARGUMENT})"), r"\1{\2}"),
    (re.compile(r"\\(?:cdot|times|ast)(?![a-zA-Z])\s*"), "*"),
    (re.compile(r"\\div(?![a-zA-Z])\s*"), "/"),
    (re.compile(r"\\(?:leq|leqslant|le)(?![a-zA-Z])\s*|<=|=<"), r"\\le "),
    (re.compile(r"\\(?:geq|geqslant|ge)(?![a-zA-Z])\s*|>="), r"\\ge "),
    (re.compile(r"\\(?:neq|ne)(?![a-zA-Z])\s*|!="), r"\\ne "),
    (re.compile(r"\\lt(?![a-zA-Z])\s*"), "<"),
    (re.compile(r"\\gt(?![a-zA-Z])\s*"), ">"),
    (re.compile(r"\^\s*\{?\s*\\(?:circ|degree)(?![a-zA-Z])\s*\}?|\\degree(?![a-zA-Z])"), "°"),
    (re.compile(r"\\(?:mp|pm)(?![a-zA-Z])\s*|\+/-|\+-(?=\s*\\?\w)"), r"\\pm "),
    (re.compile(r"\\(?:varnothing|emptyset)(?![a-zA-Z])"), r"\\emptyset "),
    (re.compile(r"\\log\s*_\s*(?:\{\s*e\s*\}|e(?![a-zA-Z]))"), r"\\ln "),
    (re.compile(r"\\[lr]vert(?![a-zA-Z])|\\[lr]?\|"), "|"),
    (re.compile(r"\\l(?:angle|brack)(?![a-zA-Z])"), "("),
    (re.compile(r"\\r(?:angle|brack)(?![a-zA-Z])"), ")"),
    (re.compile(r"\\lbrace(?![a-zA-Z])"), r"\\{"),
    (re.compile(r"\\rbrace(?![a-zA-Z])"), r"\\}"),
    (re.compile(r"\\equiv(?![a-zA-Z])"), "="),
    (re.compile(r"(\\sqrt\[\d\])\s*(\d+|[a-zA-Z])"), r"\1{\2}"),
    (re.compile(r"\\infin(?![a-zA-Z])"), r"\\infty "),
    (re.compile(r"\s*\\colon(?![a-zA-Z])\s*"), ":"),
    (re.compile(r"\s*_\s*"), "_"),
    (re.compile(r"\^\s*([-+]\d+)"), r"^{\1}"),
    (re.compile(r"\\([%#&_])"), r"\1"),
    (re.compile(r"\{([,:])\}"), r"\1"),
    (re.compile(r"(?<=[\w)\]}])\s*\*\*\s*(?=[\w({\\-])(?!\s*[A-Za-z]{2})"), "^"),
    (re.compile(r"\*\*|__|`+"), ""),
    (re.compile(r"(?<![\w)}\]\s])(\s*)\+\s*(?=\\infty)"), r"\1"),
    (re.compile(r"(?<=\d)\s*\\mu\s*(?=[msgAFCLVM]$)"), " μ"),
    (re.compile(r"\+\s*-\s*"), "-"),
    (re.compile(r"--(?=\d)"), "+"),
    (re.compile(r"\\sqrt\s*(\d|[a-zA-Z](?![a-zA-Z]))"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\\a-zA-Z])[Pp][Ii](?![a-zA-Z])"), r"\\pi "),
    (re.compile(r"(?<![\\a-zA-Z])(?:inf|oo|infinity|Infinity|Inf)(?![a-zA-Z])"), r"\\infty "),
    (
        re.compile(rf"(?<![\\a-zA-Z])({'|'.join(FUNCTIONS)})(?=\s*(?:[({{\d^_\\]|[a-z](?![a-z])))"),
        r"\\\1 ",
    ),
)
_ROOT_HERE = re.compile(r"(?:sqrt|√)\s*|\\sqrt\s*(?=\()")
_ROOT = re.compile(rf"(?<![\\a-zA-Z]){_ROOT_HERE.pattern}")
_RADICAND = re.compile(r"\d+(?:\.\d+)?|[a-zA-Z]|\\[a-zA-Z]+")
_DELIMITER = re.compile(r"(?<!\\)\\[()\[\]]")
_DISPLAY = re.compile(r"\$\$(.*?)\$\$", re.DOTALL)
_INLINE = re.compile(r"\$(?! *[^$]*[^\s$] +\$)([^$]*)\$")
_PREAMBLE = re.compile(
    r"^(?:(?:\\approx|\\sim|approximately|approx\.?|about|around|roughly|exactly|约为?|大约)\s*"
    r"|[:=]\s*)+(?=\S)",
    re.IGNORECASE,
)
_NOTHING = re.compile(
    r"(?:there (?:is|are|exists?) )?no (?:(?:real|such|valid|integer|possible|positive) )*"
    r"(?:solutions?|roots?)(?: exists?)?|(?:the )?(?:empty|null) set|\\emptyset"
    r"|(?:[该此原]?(?:方程组?|不等式组?))?(?:无|没有)(?:实数?|整数)?(?:解|根)|空集",
    re.IGNORECASE,
)
"""Ways to say that nothing solves a problem."""
_QUOTED = re.compile(r"""(["'])(.*)\1""", re.DOTALL)


LONGEST = 2000
"""Characters of what is spelled: a longer text is no mathematics, and stays as it is."""


def spelled(text: str) -> str:
    """`text` in the one spelling; equal answers need not become equal, unequal ones stay so."""
    return _spelled(text) if len(text) <= LONGEST else " ".join(text.split())


@lru_cache(maxsize=8192)
def _spelled(text: str) -> str:
    text = _latex(_signs(text))
    text = " ".join(text.split())
    text = _GROUPED.sub(lambda match: match[1].replace(" ", ""), text)
    bare = _bare(text)
    return r"\emptyset" if _NOTHING.fullmatch(bare) else bare


def _signs(text: str) -> str:
    """Unicode's ways to write signs, powers and fractions."""
    text = _VULGAR.sub(lambda m: " " + unicodedata.normalize("NFKC", m[0]) + " ", text)
    text = _SUPERSCRIPT.sub(lambda m: "^{" + unicodedata.normalize("NFKC", m[0]) + "}", text)
    text = _SUBSCRIPT.sub(lambda m: "_{" + unicodedata.normalize("NFKC", m[0]) + "}", text)
    return unicodedata.normalize("NFKC", text.translate(_TABLE)).translate(_TABLE)


def _latex(text: str) -> str:
    """LaTeX's ways to write the same, and programmers'."""
    text = _unset(text.replace(r"\$", CURRENCY))
    text = _SPACE.sub(" ", _UNSEEN.sub("", text))
    while (unwrapped := _WRAPPER.sub(_unwrapped, text)) != text:
        text = unwrapped
    text = _rooted(text)
    for pattern, replacement in _RENAMED:
        text = pattern.sub(replacement, text)
    return text


def _unwrapped(match: re.Match[str]) -> str:
    """What is wrapped, set off from a number before it as its unit is; not from an index."""
    before = match.string[max(0, match.start() - _INDEX_LENGTH) : match.start()]
    return match[1] if _INDEXED.search(before) else f" {match[1]} "


def _unset(text: str) -> str:
    """Without the marks that set mathematics off; a dollar sign by itself means dollars."""
    text = _DELIMITER.sub(" ", _DISPLAY.sub(r" \1 ", text))
    return _INLINE.sub(r" \1 ", text).replace("$", CURRENCY)


def _rooted(text: str) -> str:
    r"""`√3`, `sqrt(3)` and `\sqrt(3)` as `\sqrt{3}`."""
    ends, signs, position = closings(text), list(text), 0
    while found := _ROOT_HERE.match(text, position) or _ROOT.search(text, position):
        start = found.end()
        if text.startswith("(", start) and start in ends:
            if ends[start] == start + 1:
                break
            signs[start], signs[ends[start]] = "{", "}"
            position = start + 1
        elif plain := _RADICAND.match(text, start):
            position = plain.end()
            signs[start:position] = ["{" + plain[0] + "}"] + [""] * (position - start - 1)
        else:
            break
        signs[found.start() : start] = [r"\sqrt"] + [""] * (start - found.start() - 1)
    return "".join(signs)


def closings(text: str) -> dict[int, int]:
    """Where each bracket that opens closes, by where it opens; of whatever kind they are."""
    opened: list[int] = []
    ends: dict[int, int] = {}
    for position, sign in enumerate(text):
        if sign in "([{":
            opened.append(position)
        elif sign in ")]}" and opened:
            ends[opened.pop()] = position
    return ends


def _bare(text: str) -> str:
    """Without what stands around an answer: quotes, a full stop, "about", emphasis."""
    before = ""
    while text != before:
        before = text
        text = text.strip(" \t*_,;").removeprefix(". ").rstrip(":")
        if text.endswith(".") and not text.endswith(".."):
            text = text[:-1]
        text = _PREAMBLE.sub("", text)
        quoted = _QUOTED.fullmatch(text)
        text = quoted[2] if quoted and quoted[1] not in quoted[2] else text
    return text
