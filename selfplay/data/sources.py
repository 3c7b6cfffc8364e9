"""Where a run's prompts come from: one function for each row of the tables in `settings`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from selfplay.core.gym import GymSpace, Level
from selfplay.core.seeding import Seed
from selfplay.core.types import Lineage, Prompt
from selfplay.data.prompts import PromptFileOptions, read_prompts
from selfplay.data.puzzles import PuzzleOptions, puzzle_prompts

if TYPE_CHECKING:
    from selfplay.settings import SplitOptions

Spaces = Mapping[str, GymSpace]


def gym_spaces(levels: Mapping[str, Mapping[str, Sequence[Level]]]) -> dict[str, GymSpace]:
    """The difficulty spaces of a configuration; whole numbers are integers again."""
    return {
        generator: GymSpace(
            generator,
            {name: tuple(map(_whole, ladder)) for name, ladder in attributes.items()},
        )
        for generator, attributes in levels.items()
    }


def _whole(level: Level) -> Level:
    return int(level) if float(level).is_integer() else level


def from_puzzles(
    options: PuzzleOptions, spaces: Spaces, seed: Seed, prompts: Sequence[Prompt] = ()
) -> list[Prompt]:
    """Items of reasoning-gym generators."""
    return puzzle_prompts(options, spaces, seed)


def from_file(
    options: PromptFileOptions, spaces: Spaces, seed: Seed, prompts: Sequence[Prompt] = ()
) -> list[Prompt]:
    """The prompts of a file."""
    return read_prompts(options).prompts


def split_off(
    options: SplitOptions, spaces: Spaces, seed: Seed, prompts: Sequence[Prompt] = ()
) -> list[Prompt]:
    """Those of the run's own prompts whose hash falls below the share, up to the limit.

    Membership depends on a prompt's content alone, so a longer file keeps the split that a
    shorter one had.
    """
    threshold = int(options.share * 2**64)
    return [prompt for prompt in prompts if int(prompt.id, 16) < threshold][: options.limit]


def without(prompts: Sequence[Prompt], heldout: Sequence[Prompt]) -> list[Prompt]:
    """`prompts` less those whose text is held out."""
    texts = {prompt.text for prompt in heldout}
    return [prompt for prompt in prompts if prompt.text not in texts]


def dealt(prompt: Prompt, operator: str) -> Prompt:
    """The prompt as one that its run starts with, whatever lineage it came with.

    `operator` is `original`, `heldout` or `imported`.
    """
    return replace(prompt, lineage=Lineage(operator=operator, seed=prompt.lineage.seed))
