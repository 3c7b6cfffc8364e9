"""The 25 constraint kinds of IFEval as rows of the table of checks, under IFEval's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from selfplay.core.check_rows import CheckRow, NoParameters
from selfplay.core.instructions import form, keywords, language, layout, length
from selfplay.core.types import Prompt


def _asked(function: Callable[[str, Any], bool], parameters: type, summary: str) -> CheckRow:
    """A kind with parameters; a blank response follows nothing."""

    def check(text: str, prompt: Prompt, given: Any) -> float:
        return float(bool(text.strip()) and function(text, given))

    return CheckRow(check, parameters, summary)


def _plain(function: Callable[[str], bool], summary: str) -> CheckRow:
    """A kind without parameters."""
    return _asked(lambda text, _: function(text), NoParameters, summary)


INSTRUCTIONS: Mapping[str, CheckRow] = {
    "keywords:existence": _asked(keywords.existence, keywords.Keywords, "has all keywords"),
    "keywords:frequency": _asked(
        keywords.frequency, keywords.KeywordFrequency, "has a keyword as often as asked"
    ),
    "keywords:forbidden_words": _asked(
        keywords.forbidden_words, keywords.ForbiddenWords, "has no forbidden word"
    ),
    "keywords:letter_frequency": _asked(
        keywords.letter_frequency, keywords.LetterFrequency, "has a letter as often as asked"
    ),
    "language:response_language": _asked(
        language.response_language, language.Language, "is in a language"
    ),
    "length_constraints:number_sentences": _asked(
        length.number_sentences, length.Sentences, "has as many sentences as asked"
    ),
    "length_constraints:number_paragraphs": _asked(
        length.number_paragraphs, length.Paragraphs, "has as many paragraphs between ***"
    ),
    "length_constraints:number_words": _asked(
        length.number_words, length.Words, "has as many words as asked"
    ),
    "length_constraints:nth_paragraph_first_word": _asked(
        length.nth_paragraph_first_word, length.FirstWord, "its nth paragraph begins with a word"
    ),
    "detectable_content:number_placeholders": _asked(
        form.number_placeholders, form.Placeholders, "has enough [placeholders]"
    ),
    "detectable_content:postscript": _asked(form.postscript, form.Postscript, "has a postscript"),
    "detectable_format:number_bullet_lists": _asked(
        form.number_bullet_lists, form.Bullets, "has as many bullet points as asked"
    ),
    "detectable_format:constrained_response": _asked(
        form.constrained_response, form.Options, "has one of the options"
    ),
    "detectable_format:number_highlighted_sections": _asked(
        form.number_highlighted_sections, form.Highlights, "has enough *highlights*"
    ),
    "detectable_format:multiple_sections": _asked(
        form.multiple_sections, form.Sections, "has enough numbered sections"
    ),
    "detectable_format:json_format": _plain(form.json_format, "is JSON, a code fence aside"),
    "detectable_format:title": _plain(form.title, "has a <<title>>"),
    "combination:two_responses": _plain(
        layout.two_responses, "is two responses that differ, with ****** between them"
    ),
    "combination:repeat_prompt": _asked(
        layout.repeat_prompt, layout.RepeatPrompt, "begins with the prompt"
    ),
    "startend:end_checker": _asked(layout.end_checker, layout.EndPhrase, "ends with a phrase"),
    "startend:quotation": _plain(layout.quotation, "stands in double quotation marks"),
    "change_case:capital_word_frequency": _asked(
        language.capital_word_frequency,
        language.CapitalWords,
        "has as many words in capital letters as asked",
    ),
    "change_case:english_capital": _plain(
        language.english_capital, "is English in capital letters"
    ),
    "change_case:english_lowercase": _plain(
        language.english_lowercase, "is English in lower-case letters"
    ),
    "punctuation:no_comma": _plain(layout.no_comma, "has no comma"),
}
"""Every kind by IFEval's name; parameters are called as IFEval's `kwargs` are."""
