from __future__ import annotations

from random import Random

import pytest

from creator.difficulty import difficulty, mean_difficulty
from creator.operators.puzzles import CurriculumEdit, moved
from creator.operators.table import EasierOptions, EditOptions, HarderOptions, SidewaysOptions
from selfplay.core.gym import GymSpace, gym_score, puzzle_prompt
from selfplay.core.seeding import Seed
from selfplay.core.types import Lineage, Prompt, Puzzle, user
from tests.creator.in_memory import surroundings

SPACE = GymSpace("chain_sum", {"num_terms": (2, 3, 4), "num_digits": (1, 2)})
SPACES = {"chain_sum": SPACE}
AROUND = surroundings(spaces=SPACES)


def puzzle(terms: int, digits: int, index: int = 5) -> Prompt:
    levels = (("num_digits", digits), ("num_terms", terms))
    return puzzle_prompt(Puzzle("chain_sum", levels, index), Lineage())


def levels(child: Prompt | str) -> dict[str, float]:
    assert isinstance(child, Prompt)
    assert child.puzzle is not None
    return dict(child.puzzle.attributes)


def test_harder_moves_exactly_one_attribute_one_level_up() -> None:
    children = CurriculumEdit(HarderOptions(), AROUND).evolve([puzzle(2, 1)] * 20, Seed(0))
    found = {tuple(sorted(levels(child).items())) for child in children}
    assert found == {
        (("num_digits", 1), ("num_terms", 3)),
        (("num_digits", 2), ("num_terms", 2)),
    }


def test_easier_moves_exactly_one_attribute_one_level_down() -> None:
    [child] = CurriculumEdit(EasierOptions(), AROUND).evolve([puzzle(2, 2)], Seed(0))
    assert levels(child) == {"num_terms": 2, "num_digits": 1}


def test_sideways_moves_one_attribute_up_and_another_down() -> None:
    [child] = CurriculumEdit(SidewaysOptions(), AROUND).evolve([puzzle(3, 1)], Seed(0))
    assert isinstance(child, (Prompt, str))
    children = CurriculumEdit(SidewaysOptions(), AROUND).evolve([puzzle(4, 1)] * 10, Seed(0))
    assert {tuple(sorted(levels(c).items())) for c in children} == {
        (("num_digits", 2), ("num_terms", 3))
    }


def test_fresh_keeps_the_levels_and_draws_another_item() -> None:
    parent = puzzle(3, 2)
    [child] = CurriculumEdit(EditOptions(), AROUND).evolve([parent], Seed(0))
    assert levels(child) == {"num_terms": 3, "num_digits": 2}
    assert isinstance(child, Prompt)
    assert child.id != parent.id
    assert child.lineage.parents == (parent.id,)


def test_every_child_keeps_an_exact_verifier() -> None:
    for child in CurriculumEdit(HarderOptions(), AROUND).evolve([puzzle(2, 1)] * 5, Seed(1)):
        assert isinstance(child, Prompt)
        assert child.puzzle is not None
        key = (child.puzzle.generator, dict(child.puzzle.attributes), child.puzzle.index)
        assert gym_score(*key, str(child.answer)) == 1.0
        assert gym_score(*key, "no idea") < 1.0


@pytest.mark.parametrize(
    ("operator", "parent"),
    [(HarderOptions(), puzzle(4, 2)), (EasierOptions(), puzzle(2, 1))],
)
def test_at_the_end_of_the_range_there_is_a_reason_and_no_child(
    operator: HarderOptions, parent: Prompt
) -> None:
    assert CurriculumEdit(operator, AROUND).evolve([parent], Seed(0)) == [
        "no attribute left to move"
    ]


def test_a_prompt_without_attributes_is_turned_down_with_a_reason() -> None:
    plain = Prompt(user("What is love?"))
    assert CurriculumEdit(HarderOptions(), AROUND).evolve([plain], Seed(0)) == [
        "the prompt has no difficulty attributes"
    ]


def test_children_are_a_function_of_parents_and_seed() -> None:
    edit = CurriculumEdit(HarderOptions(), AROUND)
    parents = [puzzle(2, 1, i) for i in range(6)]
    first = [levels(child) for child in edit.evolve(parents, Seed(3))]
    again = [levels(child) for child in edit.evolve(parents, Seed(3))]
    assert first == again


def test_moving_never_uses_one_attribute_both_ways() -> None:
    space = GymSpace("chain_sum", {"num_terms": (2, 3, 4)})
    assert moved({"num_terms": 3}, space, 1, 1, Random(0)) is None


def test_difficulty_runs_from_the_easiest_to_the_hardest_corner() -> None:
    assert difficulty(puzzle(2, 1), SPACES) == 0.0
    assert difficulty(puzzle(4, 2), SPACES) == 1.0
    assert difficulty(puzzle(3, 1), SPACES) == 0.25
    assert difficulty(Prompt(user("q")), SPACES) is None
    assert mean_difficulty([Prompt(user("q"))], SPACES) == {}
