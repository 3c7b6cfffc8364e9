"""Does a text refuse what it was asked for, as a whole or in part?

What stands behind the last `</think>` is read, and quotations, whose speaker is somebody else, are
left out. A sentence refuses if somebody says of *themselves* that they cannot or will not do what
assistants are asked to do (help, provide, write, discuss …), or if it calls the request declined or
against the rules (`selfplay.core.refusal_forms`). Sentences about others, idioms ("I can't help
but admire") and steps of a calculation ("we cannot divide by zero") are none.

English, and the common forms of nineteen other languages. Limits: irony and refusals by a change of
subject are missed; a letter in the first person that says no, where the prompt asked for one, is
taken for a refusal. `benchmarks/refusals.py` measures both kinds of error.
"""

from __future__ import annotations

import re

from selfplay.core.refusal_forms import FORMS
from selfplay.core.words import folded

_THOUGHT = re.compile(r"\A.*</think(?:ing)?>|<think(?:ing)?>.*\Z", re.DOTALL)
_QUOTED = re.compile(
    r'"[^"\n]{1,400}"|“[^”\n]{1,400}”|„[^“”\n]{1,400}[“”]|«[^»\n]{1,400}»|「[^」\n]{1,400}」'
    r"|`[^`\n]{1,400}`"
    r"|(?<![^\W_])'(?!(?:m|s|re|ve|ll|d|t)\b)[^'\n]{1,200}(?:'[a-z][^'\n]{0,200}){0,3}'(?![^\W_])"
    r"|^\s*>.*$",
    re.MULTILINE,
)
_SENTENCE = re.compile(r"[^.!?\n。！？।]{1,400}")
_REPORTED = re.compile(
    r"\b(?:the|an?|he|she|[a-z]+), (?:says|said|whispers|whispered|replies|replied|writes|wrote)\b"
    r"|, (?:the \w+ |he |she |we |they )?(?:says|said|asks|asked|replies|replied|writes|wrote"
    r"|whispers|whispered|dice|dijo|dit|disse|sagte?|schreibt|сказал[аи]?)\b"
)
"""Says that a sentence is somebody else's."""
_DRAFT = re.compile(
    r"\b(?:here(?:'s| is| are)|you (?:could|can|might|may) (?:write|say|reply)|sample|draft"
    r"|example|e-?mail|letter|translat\w+|story|dialogue|poem|song|script|reads?|(?<!i )says?|said"
    r"|repl(?:y|ies|ied)|wrote|subject|dear|motto)\b[^.!?\n]{0,40}:"
    r"|^dear \w+|^subject:|^\w+: [^\n]{0,400}[.!?\n] ?\w+: ",
    re.MULTILINE,
)
"""Announces words that are to be somebody else's."""


def refuses(text: str) -> bool:
    """Whether the text refuses."""
    plain = folded(_THOUGHT.sub("", text)).strip()
    said = _QUOTED.sub(" ", plain)
    # A text that is one quotation is what is said and not what is quoted.
    spoken = said if any(letter.isalnum() for letter in said) else plain
    own = spoken[: match.start()] if (match := _DRAFT.search(spoken)) else spoken
    sentences = [sentence.strip() for sentence in _SENTENCE.findall(own)]
    told = [sentence for sentence in sentences if not _REPORTED.search(sentence)]
    return any(form.search(sentence) for sentence in told for form in FORMS)
