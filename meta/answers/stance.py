"""Which side an answer takes: yes or no, true or false, valid or invalid; negated, the other.

A word counts where it closes what is said ("the argument is not valid.") or opens it ("No, …"), so
that "a true friend" and "no doubt" take no side.
"""

from __future__ import annotations

import re

_SIDES = {
    "truth": (
        {"true", "yes", "correct", "plausible", "right", "是", "对", "正确", "是的"},
        {"false", "no", "incorrect", "implausible", "untrue", "wrong", "否", "错", "错误", "不是"}
        | {"不对", "不正确", "不成立"},
    ),
    "validity": ({"valid"}, {"invalid"}),
}
_NOT = r"(?:\b(?:not|never|neither|nor)\b|n't\b|n’t\b)"
_OPENING = re.compile(r"[\W_]*([a-z]+|[\u4e00-\u9fff]{1,3})\s*(?:[^\w\s]|$)", re.IGNORECASE)
_CORRECTED = re.compile(r"\b(?:wait|actually|hmm|correction|second thought)\b", re.IGNORECASE)
_CONDITIONAL = re.compile(
    r"\b(?:if|unless|would|were|could|might|may|whether|or)\b|或", re.IGNORECASE
)
_CLOSING = re.compile(
    r"(?<!\w)(?P<word>true|false|valid|invalid|correct|incorrect|plausible|implausible|untrue|yes|no"
    r"|(?<=\bis )(?:right|wrong)|(?<=\bnot )(?:right|wrong))"
    r"(?:\s+(?:argument|inference|deduction|conclusion|statement|claim|sentence))?"
    r"(?:\s+in general)?(?=[\W_]*(?:[,.;:!?)]|$))"
    r"|(?P<hanzi>不?正确|不?对|错误?|不成立)的?(?=[。，.,!！]?\s*$)",
    re.IGNORECASE,
)
_NEGATED = re.compile(rf"{_NOT}(?:\s+\w+){{0,2}}\s*[*_\"'“(]*$", re.IGNORECASE)


def side(text: str) -> tuple[str, bool] | None:
    """The form and side of a text that is nothing but a side: `No`, `not valid`, `不对`."""
    words = text.casefold().strip()
    negated = words.startswith("not ")
    word = words.removeprefix("not ").strip()
    for form, (yes, no) in _SIDES.items():
        if word in yes | no and not (negated and word in ("yes", "no")):
            return form, (word in yes) != negated
    return None


def stance(text: str, last: str, form: str) -> bool | None:
    """The side of a form that prose takes: with its first word, else in its last sentence.

    None where it takes none or more than one, or says what would be.
    """
    opening = _OPENING.match(text)
    found = side(opening[1]) if opening else None
    if found and found[0] == form and not _CORRECTED.search(text):
        return found[1]
    if _CONDITIONAL.search(last):
        return None
    sides = {side_ for side_ in map(_side_of, _CLOSING.finditer(last)) if side_[0] == form}
    return next(iter(sides))[1] if len(sides) == 1 else None


def _side_of(match: re.Match[str]) -> tuple[str, bool]:
    """The side of a word where it stands."""
    found = side(match["word"] or match["hanzi"])
    assert found is not None
    form, yes = found
    negated = match["word"] and _NEGATED.search(match.string[: match.start()])
    return form, yes != bool(negated)
