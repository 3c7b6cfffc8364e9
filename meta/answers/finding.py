r"""Finding the answer in a response: pure functions, no third party.

Only the *last* answer of a response counts, so listing several guesses does not pay; and a last one
that is broken (`\boxed{` without an end, or with nothing in it) is none, whatever stands before it.
What a reasoning model thinks, up to `</think>`, is no answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from meta.answers.commas import decimal_commas

_BOX = re.compile(r"\\f?boxed\s*\{|\\fbox\s*\{|\\boxed\s+(?=[^\s{])|\\boxed(?=\d)")
_TAG = re.compile(r"<answer>", re.IGNORECASE)
_MARKER = re.compile(
    r"^[ \t]*#{4}(?!#)"
    r"|^[ \t*#>-]*(?:(?:my |the )?(?:final |correct )?(?:answer|ans)|result)\**[ \t]*[:：=]\**"
    r"|^[ \t*#]*(?:final )?answer[*:：]*[ \t]*$"
    r"|\b(?:final |correct |right |best )?(?:answer|option|choice)(?:\s+to [^.\n]{1,80})?"
    r"\s+(?:is|are|should be|would be|must be|=)\b(?!\s+not\b)[ \t]*[:：]?"
    r"|【答案】[ \t]*[:：]?|(?:最终|正确)?答案(?:应该|应当)?(?:[为是]?[ \t]*[:：]|[为是])"
    r"|(?:故|应|因此|所以)选(?:择)?[:：]?"
    r"|^[ \t]*A:(?=[^\n]*\s*\Z)",
    re.IGNORECASE | re.MULTILINE,
)
"""What `auto` takes for an answer marker; `A:`, which transcripts use, on the last line alone."""
_NO_ANSWER = re.compile(
    r"\s*(?:in|not|that|correct|right|wrong|incorrect|obtained|found|given|based|derived|below|above"
    r"|as follows|clear|obvious|verified|confirmed)\b",
    re.IGNORECASE,
)
_NUMBER = r"\d[\d,]*(?:\.\d+)?|\.\d+"
_LAST_NUMBER = re.compile(rf"(?:(?<![\w)\].])[-\u2212])?(?:{_NUMBER})(?:/\d+)?%?")
_SENTENCE_END = re.compile(r"(?<=[^\s.])[.;。；!！?？](?=\s|$)|(?<=[^\s])[。；]|\n")
_CLAUSE = re.compile(
    r"\s*(?:,\s*)?\b(?:because|since|as|which|so that|where|hence|therefore|due to|given that)\b"
    r"|\s*,\s+(?:so|and (?:so|thus|therefore)|but not|not|rather than|for|with|when|i\.e\.)\b"
    r"|\s+(?:\u2014|\u2013|-)\s+|,?\s*因为|\s+\((?=[^()]*[A-Za-z]{3}[^()]*\)\s*\W*$)",
    re.IGNORECASE,
)
_HEDGE = re.compile(r"\s*(?:or\b|alternatively|but\b|no\b|wait|maybe|actually|或)", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """The part of a response that is compared."""

    text: str
    delimited: bool
    """Whether the response marked it as its answer; else it is the whole response."""
    commas: bool = False
    """Whether the response is in a language that writes decimal commas."""


def find_answer(text: str, extract: str, marker: str) -> Answer | None:
    """The answer in `text`, or None where there is none; `meta.config.EXTRACTIONS` has the ways."""
    text = _spoken(text)
    found = _found(text, extract, marker)
    return found and replace(found, commas=decimal_commas(text))


def _found(text: str, extract: str, marker: str) -> Answer | None:
    if extract == "whole":
        return _answer(text, delimited=False)
    if extract == "last_number":
        return _answer(last_number(text))
    if extract == "boxed":
        return _answer(last_boxed(text))
    if extract == "after_marker":
        return _answer(_first_line(text.rpartition(marker)[2]) if marker in text else None)
    return _last_marked(text)


def _answer(text: str | None, delimited: bool = True) -> Answer | None:
    return Answer(text.strip(), delimited) if text is not None and text.strip() else None


def _spoken(text: str) -> str:
    """What is said after thinking; nothing while it is not over."""
    said = text.rpartition("</think>")[2]
    return "" if "<think>" in said else said


def _last_marked(text: str) -> Answer | None:
    """What the last mark of an answer marks, be it a box, a tag or a phrase; else all of it."""
    box = max((match.start() for match in _BOX.finditer(text)), default=-1)
    tag = max((match.end() for match in _TAG.finditer(text)), default=-1)
    phrase = _last_phrase(text, box >= 0 or tag >= 0)
    if phrase is not None and phrase.end() > max(box, tag):
        return _answer(_first_line(text[phrase.end() :]))
    if tag > box:
        inner, closed, _ = text[tag:].partition("</answer>")
        return _answer(inner) if closed else None
    if box >= 0:
        return _answer(last_boxed(text))
    return _answer(text, delimited=False)


def _last_phrase(text: str, marked: bool) -> re.Match[str] | None:
    """The last phrase that announces an answer; after a box, only one that gives one."""
    found = None
    for match in _MARKER.finditer(text):
        rest = text[match.end() :]
        unfinished = not rest.strip() and not match[0].rstrip().endswith(("#", ":", "："))
        if unfinished or (marked and _NO_ANSWER.match(rest)):
            continue
        found = match
    return found


def last_number(text: str) -> str | None:
    """The last number of a text, sign, fraction and percent sign included."""
    found = _LAST_NUMBER.findall(text)
    return str(found[-1]).rstrip(",") if found else None


def last_boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{}` or `\fbox{}`; None without one whose braces close."""
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return None
    start = boxes[-1].end()
    if not boxes[-1][0].endswith("{"):
        bare = re.match(r"[^\s$]+", text[start:])
        return bare[0].rstrip(".,") if bare else None
    depth = 1
    for position in range(start, len(text)):
        escaped = text[position - 1] == "\\"
        depth += 0 if escaped else {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start:position]
    return None


def _first_line(text: str) -> str:
    """The first line that is not blank, or the formula that begins on it."""
    stripped = text.strip()
    for opening, end in ((r"\[", r"\]"), ("$$", "$$")):
        if stripped.startswith(opening) and end in stripped[2:]:
            return stripped[2 : stripped.index(end, 2)]
    lines = (line.strip() for line in stripped.splitlines())
    return next((line for line in lines if line.strip("*_: ")), "")


def first_sentence(text: str) -> str:
    """`text` up to the first full stop or semicolon of a sentence, unless a hedge follows."""
    match = _SENTENCE_END.search(text)
    if match is None or _HEDGE.match(text[match.end() :]):
        return text
    return text[: match.start()]


def without_reason(text: str) -> str:
    """`text` up to where a reason begins: "18, because …", "B, not A"."""
    return _CLAUSE.split(text, maxsplit=1)[0]


def last_sentence(text: str) -> str:
    """The last sentence that is not empty, less its full stop."""
    return next((part.strip() for part in reversed(_SENTENCE_END.split(text)) if part.strip()), "")
