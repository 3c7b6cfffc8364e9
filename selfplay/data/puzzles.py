"""Prompts that a procedural generator makes: the seeds and the held-out set of verifiable games."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from selfplay.core.errors import ConfigError, DataError, nearest, require
from selfplay.core.gym import GymSpace, all_levels, puzzle_prompt
from selfplay.core.seeding import Seed
from selfplay.core.types import Level, Lineage, Prompt, Puzzle

_PATIENCE = 200
"""Items drawn in vain, one after the other, before a space counts as used up."""


@dataclass(frozen=True)
class PuzzleOptions:
    """Items of the configuration's `spaces`, spread evenly over generators and levels."""

    count: int = 512
    """How many items."""
    levels: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Levels to draw from, by generator and attribute; what is left out ranges over its space."""
    seed: int | None = None
    """A number of its own makes the same items in every run; null follows the run's seed."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: fewer than one item.
        """
        require(self.count >= 1, f"{where}.count", "1 or more", self.count)


def puzzle_prompts(
    options: PuzzleOptions, spaces: Mapping[str, GymSpace], seed: Seed
) -> list[Prompt]:
    """`options.count` different prompts: generators take turns, then their levels do.

    Which items they are depends on the order of the generators and of their attributes.

    Raises:
        ConfigError: levels of an unknown generator or outside its space.
        DataError: a space has too few different items.
    """
    if not spaces:
        raise ConfigError("puzzles need at least one generator in `spaces`, found none")
    seed = seed if options.seed is None else Seed(options.seed, ("puzzles",))
    ladders = [all_levels(space) for space in narrowed(spaces, options.levels).values()]
    names = list(spaces)
    prompts: dict[str, Prompt] = {}
    misses = 0
    for i in count():
        if len(prompts) == options.count:
            return list(prompts.values())
        turn, generator = divmod(i, len(names))
        levels = ladders[generator][turn % len(ladders[generator])]
        index = seed.at(i).integer(bits=31)
        puzzle = Puzzle(names[generator], tuple(sorted(levels.items())), index)
        prompt = puzzle_prompt(puzzle, Lineage(seed=index))
        misses = misses + 1 if prompt.id in prompts else 0
        prompts.setdefault(prompt.id, prompt)
        if misses > _PATIENCE:
            raise DataError(
                f"expected {options.count} different puzzles, these levels gave {len(prompts)}: "
                "lower `count` or widen `levels`"
            )
    raise AssertionError("unreachable: the count above has no end")


def narrowed(
    spaces: Mapping[str, GymSpace], levels: Mapping[str, Mapping[str, list[float]]]
) -> dict[str, GymSpace]:
    """The spaces, held to the given levels where some are given."""
    for generator in levels:
        if generator not in spaces:
            raise ConfigError(f"levels of '{generator}': {nearest(generator, spaces)}")
    return {
        name: GymSpace(
            name,
            {
                attribute: _held(name, attribute, ladder, levels.get(name, {}).get(attribute))
                for attribute, ladder in space.levels.items()
            },
        )
        for name, space in spaces.items()
    }


def _held(
    generator: str, attribute: str, ladder: tuple[Level, ...], wanted: list[float] | None
) -> tuple[Level, ...]:
    """The levels of the ladder that are wanted, in its order; all of them for None."""
    unknown = [level for level in wanted or () if level not in ladder]
    if unknown:
        raise ConfigError(f"{generator}.{attribute}: levels {unknown} are not among {list(ladder)}")
    return ladder if wanted is None else tuple(level for level in ladder if level in wanted)
