from __future__ import annotations

from collections import Counter

import pytest

from selfplay.core.errors import ConfigError, DataError
from selfplay.core.gym import GymSpace
from selfplay.core.seeding import Seed
from selfplay.data.puzzles import PuzzleOptions, puzzle_prompts
from selfplay.data.sources import gym_spaces
from selfplay.data.split import SplitOptions, split_off, without

SUMS = GymSpace("chain_sum", {"num_terms": (2, 3), "num_digits": (1, 2)})
WORDS = GymSpace("spell_backward", {"word_len": (3, 4, 5)})
SPACES = {"chain_sum": SUMS, "spell_backward": WORDS}


def test_generators_take_turns_and_so_do_their_levels() -> None:
    prompts = puzzle_prompts(PuzzleOptions(count=48), SPACES, Seed(0))
    assert Counter(prompt.task for prompt in prompts) == {"chain_sum": 24, "spell_backward": 24}
    levels = Counter(p.puzzle.attributes for p in prompts if p.puzzle and p.task == "chain_sum")
    assert set(levels.values()) == {6}


def test_a_seed_of_its_own_makes_the_same_items_in_every_run() -> None:
    options = PuzzleOptions(count=10, seed=3)
    one, two = (puzzle_prompts(options, SPACES, Seed(run)) for run in (0, 1))
    assert [prompt.id for prompt in one] == [prompt.id for prompt in two]
    own = puzzle_prompts(PuzzleOptions(count=10), SPACES, Seed(1))
    assert [prompt.id for prompt in one] != [prompt.id for prompt in own]


def test_levels_can_be_held_to_a_corner() -> None:
    options = PuzzleOptions(count=20, levels={"chain_sum": {"num_terms": [3.0]}})
    for prompt in puzzle_prompts(options, {"chain_sum": SUMS}, Seed(0)):
        assert prompt.puzzle
        assert dict(prompt.puzzle.attributes)["num_terms"] == 3


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({"chain_sums": {}}, "did you mean 'chain_sum'"),
        ({"chain_sum": {"num_terms": [9.0]}}, r"levels \[9.0\] are not among \[2, 3\]"),
    ],
)
def test_levels_outside_the_space_are_refused(
    levels: dict[str, dict[str, list[float]]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        puzzle_prompts(PuzzleOptions(count=1, levels=levels), SPACES, Seed(0))


def test_a_space_with_too_few_items_says_how_many_there_are() -> None:
    space = GymSpace("chain_sum", {"num_terms": (2,), "num_digits": (1,)})
    with pytest.raises(DataError, match=r"expected 5000 different puzzles, these levels gave \d+"):
        puzzle_prompts(PuzzleOptions(count=5000), {"chain_sum": space}, Seed(0))


def test_whole_levels_are_integers_again() -> None:
    space = gym_spaces({"chain_sum": {"num_terms": [2.0, 3.0]}})["chain_sum"]
    assert space.levels["num_terms"] == (2, 3)
    assert all(isinstance(level, int) for level in space.levels["num_terms"])


def test_the_split_depends_on_content_alone_and_is_disjoint() -> None:
    prompts = puzzle_prompts(PuzzleOptions(count=300), SPACES, Seed(0))
    options = SplitOptions(share=0.2)
    held = split_off(options, prompts)
    assert 30 < len(held) < 90
    shorter = split_off(options, prompts[:150])
    assert {p.id for p in shorter} == {p.id for p in held} & {p.id for p in prompts[:150]}
    left = without(prompts, held)
    assert len(left) + len(held) == 300
