"""Evolution operators: how a parent becomes a child.

Those here edit the difficulty attributes of a `reasoning-gym` puzzle, so that every child keeps an
exact verifier. An operator takes all its parents at once; who uses it stamps its name on the child.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Protocol, TypeAlias

from creator.operators.table import EditOptions, OperatorOptions
from selfplay.core.gym import GymSpace, Spaces, puzzle_prompt
from selfplay.core.seeding import Seed
from selfplay.core.types import Level, Lineage, Prompt, Puzzle

Child: TypeAlias = Prompt | str
"""A child with its parents and seed, or the reason why there is none."""


class Operator(Protocol):
    """One way to evolve prompts."""

    def evolve(self, parents: Sequence[Prompt], seed: Seed) -> list[Child]:
        """A child, or a reason, for each parent: a function of (parents, seed)."""


class HasSpaces(Protocol):
    """For operators that move along difficulty attributes."""

    @property
    def spaces(self) -> Spaces:
        """By generator."""


class CurriculumEdit:
    """Moves a puzzle along its generator's difficulty attributes and draws a new item there."""

    def __init__(self, options: EditOptions, surroundings: HasSpaces) -> None:
        self._up, self._down = options.up, options.down
        self._spaces = surroundings.spaces

    def evolve(self, parents: Sequence[Prompt], seed: Seed) -> list[Child]:
        """A new item of the same generator, at levels `up` up and `down` down."""
        # One generator for all: making a NumPy generator takes longer than making a child.
        rng = Random(seed.integer())
        return [self._edit(parent, rng) for parent in parents]

    def _edit(self, parent: Prompt, rng: Random) -> Child:
        space = self._spaces.get(parent.puzzle.generator) if parent.puzzle else None
        if parent.puzzle is None or space is None:
            return "the prompt has no difficulty attributes"
        levels = moved(dict(parent.puzzle.attributes), space, self._up, self._down, rng)
        if levels is None:
            return "no attribute left to move"
        puzzle = Puzzle(space.generator, tuple(sorted(levels.items())), rng.getrandbits(31))
        return puzzle_prompt(puzzle, Lineage(parents=(parent.id,), seed=puzzle.index))


class Repeat:
    """Asks the parent again: selection without evolution, for prompts that cannot be edited."""

    def __init__(self, options: OperatorOptions, surroundings: object) -> None:
        pass

    def evolve(self, parents: Sequence[Prompt], seed: Seed) -> list[Child]:
        """The parents themselves."""
        return list(parents)


def moved(
    levels: dict[str, Level], space: GymSpace, up: int, down: int, rng: Random
) -> dict[str, Level] | None:
    """`levels` with `up` attributes one level up and `down` others one level down.

    None where the attributes that can still move that way are too few.
    """
    changed, still = dict(levels), sorted(levels)
    for count, direction in ((up, 1), (down, -1)):
        movable = [name for name in still if neighbour(space, name, levels[name], direction)]
        if len(movable) < count:
            return None
        for name in rng.sample(movable, count):
            changed[name] = neighbour(space, name, levels[name], direction)[0]
            still.remove(name)
    return changed


def neighbour(space: GymSpace, attribute: str, level: Level, direction: int) -> tuple[Level, ...]:
    """The next level in that direction, as a tuple that is empty at the end of the range."""
    ladder = space.levels[attribute]
    position = ladder.index(level) + direction
    return (ladder[position],) if 0 <= position < len(ladder) else ()
