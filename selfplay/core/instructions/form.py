"""IFEval's constraints on form: markdown, JSON, title, options, placeholders, postscript.

What counts as a bullet, a highlight, a section or a placeholder is IFEval's, to the letter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from selfplay.core.instructions.counting import check_count, check_text
from selfplay.core.json_text import parse_json

_STAR = re.compile(r"^\s*\*[^*].*$", re.MULTILINE)
_DASH = re.compile(r"^\s*-.*$", re.MULTILINE)
_HIGHLIGHT = re.compile(r"\*[^\n*]*\*")
_STRONG = re.compile(r"\*\*[^\n*]*\*\*")
_PLACEHOLDER = re.compile(r"\[.*?\]")
_TITLE = re.compile(r"<<[^\n]+>>")
_FENCES = ("```json", "```Json", "```JSON", "```")
_POSTSCRIPTS = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}


@dataclass(frozen=True)
class Bullets:
    """How many bullet points."""

    num_bullets: int

    def __post_init__(self) -> None:
        check_count("num_bullets", self.num_bullets)


@dataclass(frozen=True)
class Options:
    """What the answer has to be one of."""

    options: tuple[str, ...] = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
    """IFEval has these three alone."""

    def __post_init__(self) -> None:
        check_text("options", *self.options)


@dataclass(frozen=True)
class Highlights:
    """How many highlighted sections at least."""

    num_highlights: int

    def __post_init__(self) -> None:
        check_count("num_highlights", self.num_highlights)


@dataclass(frozen=True)
class Sections:
    """How many sections at least, and what each begins with, before its number."""

    section_spliter: str
    """IFEval's spelling."""
    num_sections: int

    def __post_init__(self) -> None:
        check_text("section_spliter", self.section_spliter)
        check_count("num_sections", self.num_sections)


@dataclass(frozen=True)
class Placeholders:
    """How many placeholders in square brackets at least."""

    num_placeholders: int

    def __post_init__(self) -> None:
        check_count("num_placeholders", self.num_placeholders)


@dataclass(frozen=True)
class Postscript:
    """What the postscript begins with."""

    postscript_marker: str = "P.S."

    def __post_init__(self) -> None:
        check_text("postscript_marker", self.postscript_marker)


def number_bullet_lists(text: str, parameters: Bullets) -> bool:
    """Exactly as many lines that begin with `*` or `-`."""
    found = len(_STAR.findall(text)) + len(_DASH.findall(text))
    return found == parameters.num_bullets


def constrained_response(text: str, parameters: Options) -> bool:
    """One of the options occurs in the text."""
    return any(option in text for option in parameters.options)


def number_highlighted_sections(text: str, parameters: Highlights) -> bool:
    """As many texts between single or double asterisks, or more."""
    found = [match.strip("*") for match in _HIGHLIGHT.findall(text)]
    found += [match.strip("*") for match in _STRONG.findall(text)]
    return sum(bool(inner.strip()) for inner in found) >= parameters.num_highlights


def multiple_sections(text: str, parameters: Sections) -> bool:
    """As many marks with a number behind them, or more."""
    mark = rf"\s?{re.escape(parameters.section_spliter.strip())}\s?\d+\s?"
    return len(re.findall(mark, text)) >= parameters.num_sections


def json_format(text: str) -> bool:
    """The whole text is JSON, but for a code fence around it."""
    inner = text.strip()
    for fence in _FENCES:
        inner = inner.removeprefix(fence)
    try:
        parse_json(inner.removesuffix("```").strip())
    except ValueError:
        return False
    return True


def title(text: str) -> bool:
    """There is a title in double angular brackets."""
    return any(found.lstrip("<").rstrip(">").strip() for found in _TITLE.findall(text))


def number_placeholders(text: str, parameters: Placeholders) -> bool:
    """As many texts in square brackets, or more."""
    return len(_PLACEHOLDER.findall(text)) >= parameters.num_placeholders


def postscript(text: str, parameters: Postscript) -> bool:
    """The marker occurs; `P.S.` and `P.P.S` also with spaces between the letters."""
    marker = parameters.postscript_marker.strip()
    pattern = _POSTSCRIPTS.get(marker)
    if pattern is None:
        return marker.lower() in text.lower()
    return re.search(pattern, text.lower()) is not None
