"""IFEval's constraints on how a response begins, ends and is put together, and on punctuation."""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.core.instructions.counting import check_text

_DIVIDER = "******"


@dataclass(frozen=True)
class RepeatPrompt:
    """What has to be repeated first."""

    prompt_to_repeat: str

    def __post_init__(self) -> None:
        check_text("prompt_to_repeat", self.prompt_to_repeat)


@dataclass(frozen=True)
class EndPhrase:
    """What the response has to end with."""

    end_phrase: str

    def __post_init__(self) -> None:
        check_text("end_phrase", self.end_phrase)


def two_responses(text: str) -> bool:
    """Two texts that differ, with six asterisks between them; blank ones at the rims do not count.

    A blank text between two dividers is one too many.
    """
    parts = [part.strip() for part in text.split(_DIVIDER)]
    given = [part for part in parts if part]
    return all(parts[1:-1]) and len(given) == 2 and given[0] != given[1]


def repeat_prompt(text: str, parameters: RepeatPrompt) -> bool:
    """The text begins with the prompt, whatever the case."""
    return text.strip().lower().startswith(parameters.prompt_to_repeat.strip().lower())


def end_checker(text: str, parameters: EndPhrase) -> bool:
    """The text ends with the phrase, whatever the case; quotation marks around the text aside."""
    return text.strip().strip('"').lower().endswith(parameters.end_phrase.strip().lower())


def quotation(text: str) -> bool:
    """Double quotation marks stand around the whole text."""
    inner = text.strip()
    return len(inner) > 1 and inner.startswith('"') and inner.endswith('"')


def no_comma(text: str) -> bool:
    """There is no comma."""
    return "," not in text
