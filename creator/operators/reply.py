"""Reading a rewriting model's reply: one prompt between the markers, or a reason to count.

Text outside the markers is left aside, and so is a chain of thought that ends in `</think>`.
Everything else is taken strictly: a reply that was cut off, that marks no prompt or several, or
whose prompt is empty, the parent again, a refusal, an answer, a piece of the frame or a control
token of a chat template is turned down. What a refusal or an answer looks like is said in
`creator.gates.slips`, with its limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from creator.gates.slips import find_slip
from creator.operators.control_text import disarmed
from creator.operators.instruction import CLOSING, OPENING, TAGS
from selfplay.core.types import Response
from selfplay.core.words import folded

EMPTY = "empty"
CUT_OFF = "cut off"
UNMARKED = "no marked prompt"
BROKEN = "broken markers"
SEVERAL = "several prompts"
UNCHANGED = "unchanged"
LEAKED = "template marker"


@dataclass(frozen=True)
class Reading:
    """What a reply comes to: either is empty, never both."""

    prompt: str = ""
    reason: str = ""


def read_reply(response: Response, parents: Sequence[str]) -> Reading:
    """The new prompt, or why there is none; `parents` are the texts that were to be rewritten."""
    said = response.text.rpartition("</think>")[2].strip()
    if response.finish_reason == "length":
        return Reading(reason=CUT_OFF)
    if not said:
        return Reading(reason=EMPTY)
    counts = said.count(OPENING), said.count(CLOSING)
    if counts == (0, 0):
        return Reading(reason=_slip(said, parents) or UNMARKED)
    if max(counts) > 1:
        return Reading(reason=SEVERAL)
    start, end = said.find(OPENING), said.find(CLOSING)
    if not 0 <= start < end:
        return Reading(reason=BROKEN)
    prompt = said[start + len(OPENING) : end].strip()
    reason = _fault(prompt, parents)
    return Reading(reason=reason) if reason else Reading(prompt=prompt)


def _fault(prompt: str, parents: Sequence[str]) -> str:
    if not any(letter.isalnum() for letter in prompt):
        return EMPTY
    if any(_bare(prompt) == _bare(parent) for parent in parents):
        return UNCHANGED
    if any(tag in prompt for tag in TAGS) or disarmed(prompt) != prompt:
        return LEAKED
    return _slip(prompt, parents)


def _slip(text: str, parents: Sequence[str]) -> str:
    return find_slip(folded(text), [folded(parent) for parent in parents])


def _bare(text: str) -> str:
    """The text without case, spacing and punctuation; signs that calculate are kept."""
    return "".join(sign for sign in folded(text) if sign.isalnum() or sign in "+-*/=<>^%")
