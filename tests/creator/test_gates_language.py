from __future__ import annotations

from creator.gates.language import SameLanguage
from creator.gates.table import LanguageOptions
from selfplay.core.types import Prompt, user
from tests.creator.gate_surroundings import Pool, World, child_of

ENGLISH = Prompt(user("How many apples does she have, and what will they cost?"))
FORMULA = Prompt(user("x^2 + 1 = 0"))
GERMAN = "Wie viele Äpfel hat sie, und was werden sie kosten?"
WORLD = World(Pool([ENGLISH, FORMULA]))


def test_a_child_speaks_its_parents_language() -> None:
    gate = SameLanguage(LanguageOptions(), WORLD)
    children = [child_of([ENGLISH], GERMAN), child_of([ENGLISH], "How many pears does she have?")]
    assert gate.reasons(children) == ["in another language: de", ""]


def test_a_parent_or_a_child_without_a_language_is_no_ground_to_turn_down() -> None:
    gate = SameLanguage(LanguageOptions(), WORLD)
    assert gate.reasons([child_of([FORMULA], GERMAN), child_of([ENGLISH], "x = 1")]) == ["", ""]
    assert gate.reasons([Prompt(user(GERMAN))]) == [""]
    strict = SameLanguage(LanguageOptions(unknown=False), WORLD)
    assert strict.reasons([child_of([ENGLISH], "x = 1")]) == ["language unknown"]


def test_a_list_of_languages_stands_above_the_parents() -> None:
    pool = Pool()
    gate = SameLanguage(LanguageOptions(allowed=("de", "fr")), World(pool))
    assert gate.reasons([child_of([ENGLISH], GERMAN), child_of([ENGLISH], ENGLISH.text)]) == [
        "",
        "in another language: en",
    ]
    assert pool.fetched == 0
