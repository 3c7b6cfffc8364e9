"""Where a run's prompts come from: one function for each row of the tables in `settings`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from selfplay.core.errors import DataError
from selfplay.core.guard import guarded, shown
from selfplay.core.gym import GymSpace, Spaces
from selfplay.core.json_text import check_text
from selfplay.core.notices import note
from selfplay.core.seeding import Seed
from selfplay.core.types import Level, Lineage, Prompt
from selfplay.data.prompts import PromptFileOptions, read_prompts
from selfplay.data.puzzles import PuzzleOptions, puzzle_prompts
from selfplay.data.split import SplitOptions, split_off


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
    """The prompts of a file; tells what is worth knowing of it."""
    found = read_prompts(options)
    for text in found.notes:
        note(text)
    return found.prompts


def from_split(
    options: SplitOptions, spaces: Spaces, seed: Seed, prompts: Sequence[Prompt] = ()
) -> list[Prompt]:
    """A share of the run's own prompts."""
    return split_off(options, prompts)


def checked_prompts(found: object, name: str) -> list[Prompt]:
    """What a source returned, which may be a user's own.

    Raises:
        DataError: it is no list of prompts, or a text holds half of a surrogate pair.
    """
    prompts = list(found) if isinstance(found, Sequence) else []
    for prompt in prompts:
        if not isinstance(prompt, Prompt):
            raise DataError(
                f"prompts: expected a list of Prompt of '{name}', found {shown(prompt)} in it"
            )
        with guarded(DataError, f"prompts: '{name}' made {shown(prompt.text, 80)}"):
            for text in (prompt.text, prompt.task, prompt.answer or ""):
                check_text(text)
    if not prompts and not isinstance(found, Sequence):
        raise DataError(f"prompts: expected a list of Prompt of '{name}', found {shown(found)}")
    return prompts


def dealt(prompt: Prompt, operator: str) -> Prompt:
    """The prompt as one that its run starts with, whatever lineage it came with.

    `operator` is `original`, `heldout` or `imported`.
    """
    return replace(prompt, lineage=Lineage(operator=operator, seed=prompt.lineage.seed))
