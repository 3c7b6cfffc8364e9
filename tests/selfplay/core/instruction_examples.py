"""Each kind of instruction with parameters, a text that follows it and one that does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ENGLISH = "The cat sat on the mat, and it was not at all amused by what it saw."
GERMAN = "Die Katze saß auf der Matte und war nicht von dem erbaut, was sie dort sah."

KINDS: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "keywords:existence": ({"keywords": ["cat", "Mat"]}, "CATS on a mat", "cats"),
    "keywords:frequency": (
        {"keyword": "cat", "frequency": 2, "relation": "at least"},
        "Cat, cats",
        "a cat",
    ),
    "keywords:forbidden_words": ({"forbidden_words": ["cat"]}, "concatenate", "A Cat."),
    "keywords:letter_frequency": (
        {"letter": "q", "let_frequency": 2, "let_relation": "less than"},
        "quick",
        "Quick quack",
    ),
    "language:response_language": ({"language": "de"}, GERMAN, ENGLISH),
    "length_constraints:number_sentences": (
        {"num_sentences": 2, "relation": "less than"},
        "Dr. Who is here",
        "Who is here? I am.",
    ),
    "length_constraints:number_paragraphs": ({"num_paragraphs": 2}, "a\n***\nb", "a\n\nb"),
    "length_constraints:number_words": (
        {"num_words": 3, "relation": "at least"},
        "one-two three",
        "one two",
    ),
    "length_constraints:nth_paragraph_first_word": (
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "then"},
        "First.\n\n\n\n'Then', more.",
        "First.\n\nAfter.",
    ),
    "detectable_content:number_placeholders": ({"num_placeholders": 2}, "[a] [b]", "[a]"),
    "detectable_content:postscript": ({"postscript_marker": "P.S."}, "Bye\np. s. yes", "PS: no"),
    "detectable_format:number_bullet_lists": ({"num_bullets": 2}, "* a\n- b", "* a\n- b\n* c"),
    "detectable_format:constrained_response": ({}, "So: My answer is no.", "No."),
    "detectable_format:number_highlighted_sections": (
        {"num_highlights": 2},
        "*a* and **b**",
        "*a* and ** **",
    ),
    "detectable_format:multiple_sections": (
        {"section_spliter": "SECTION", "num_sections": 2},
        "SECTION 1\na\nSECTION 2\nb",
        "SECTION one\nSECTION 2",
    ),
    "detectable_format:json_format": ({}, '```json\n{"a": 1}\n```', '{"a": NaN}'),
    "detectable_format:title": ({}, "<<Joy>>\nverse", "<< >>\nverse"),
    "combination:two_responses": ({}, "one ****** two", "one ****** one"),
    "combination:repeat_prompt": ({"prompt_to_repeat": "Why?"}, "why? Because.", "Because. Why?"),
    "startend:end_checker": ({"end_phrase": "The end."}, 'Once. "the end."\n', "The end. Really."),
    "startend:quotation": ({}, ' "yes" ', '"yes'),
    "change_case:capital_word_frequency": (
        {"capital_frequency": 2, "capital_relation": "at least"},
        "NATO and the WELL-KNOWN",
        "NATO and Nato",
    ),
    "change_case:english_capital": ({}, ENGLISH.upper(), ENGLISH),
    "change_case:english_lowercase": ({}, ENGLISH.lower(), GERMAN.lower()),
    "punctuation:no_comma": ({}, "one; two", "one, two"),
}

EXAMPLES = {kind: parameters for kind, (parameters, _, _) in KINDS.items()}
