from __future__ import annotations

from collections.abc import Collection, Sequence

from creator.gates.admission import Duplicate, Heldout, Length, admit
from creator.gates.table import LengthOptions
from selfplay.core.components import NoOptions
from selfplay.core.types import Prompt, user
from tests.creator.in_memory import surroundings

KNOWN = Prompt(user("known"))
HELD_OUT = Prompt(user("held out"))


def known(ids: Collection[str]) -> set[str]:
    return {KNOWN.id} & set(ids)


def lengths(prompts: Sequence[Prompt]) -> list[int]:
    return [len(prompt.text) for prompt in prompts]


SURROUNDINGS = surroundings(
    known=known, heldout=frozenset({HELD_OUT.text}), lengths=lengths, max_tokens=20
)


def test_a_known_prompt_and_a_repeated_one_are_duplicates() -> None:
    new = Prompt(user("new"))
    gate = Duplicate(NoOptions(), SURROUNDINGS)
    assert gate.reasons([KNOWN, new, new]) == ["duplicate", "", "duplicate"]


def test_a_held_out_text_is_turned_down_whatever_its_answer() -> None:
    twin = Prompt(user("held out"), answer="42")
    shouted = Prompt(user(" HELD  out "))
    assert Heldout(SURROUNDINGS).reasons([twin, shouted, KNOWN]) == ["held out", "held out", ""]


def test_length_is_bounded_by_the_options_and_by_the_models_context() -> None:
    prompts = [Prompt(user("ab")), Prompt(user("abcdef")), Prompt(user("a" * 21))]
    assert Length(LengthOptions(min_tokens=3, max_tokens=5), SURROUNDINGS).reasons(prompts) == [
        "too short: under 3 tokens",
        "too long: over 5 tokens",
        "too long: over 5 tokens",
    ]
    assert Length(LengthOptions(), SURROUNDINGS).reasons(prompts) == [
        "",
        "",
        "too long: over 20 tokens",
    ]


def test_gates_compose_with_and_and_the_first_reason_stands() -> None:
    gates = [Duplicate(NoOptions(), SURROUNDINGS), Length(LengthOptions(3), SURROUNDINGS)]
    assert admit([KNOWN, Prompt(user("ab")), Prompt(user("abc"))], gates) == [
        "duplicate",
        "too short: under 3 tokens",
        "",
    ]
    assert admit([KNOWN], []) == [""]
