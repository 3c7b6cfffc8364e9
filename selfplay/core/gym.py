"""Verifiable tasks from reasoning-gym: the project's only door to that package.

A task is a *generator* with exact values for some of its *attributes* (the difficulty
attributes of the generator's curriculum), for example ``chain_sum`` with ``num_terms=3`` and
``num_digits=2``. Both bounds of a range attribute are set to the value, so that every prompt has
an exact level. An item is named by (generator, attributes, index): the same name gives the same
question on every machine, so nothing but the name need be stored.

Left out: composite data sets, reasoning-gym's own curriculum state and its level lists (a
`GymSpace` brings its own, finer levels). reasoning-gym (1.5 s) is imported on first use.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from tokenize import TokenError
from typing import Any, TypeAlias

from selfplay.core.errors import ConfigError, DataError, nearest
from selfplay.core.types import Level, Lineage, Prompt, Puzzle, user

_SEED = 0
"""Seed of every generator; an item is told from its siblings by its index alone."""

_ROUNDING = 1e-9
"""Partial credit that is summed up may pass 1 by this much. It stays partial: `spell_backward`
gives such a score to the right letters with more after them, and exactly 1 to right answers."""

_GYM_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
)
"""What generators raise at levels that they cannot do, and scorers on odd answers; anything else is
a fault and propagates."""

EVALUATING = frozenset(
    {
        "binary_matrix",
        "countdown",
        "intermediate_integration",
        "n_queens",
        "polynomial_multiplication",
        "puzzle24",
        "simple_integration",
        "spiral_matrix",
        "string_insertion",
    }
)
"""Generators whose scorers run the response as Python (`eval`, or sympy's parser, which uses it).

They are refused: a policy's text is never evaluated."""


@dataclass(frozen=True)
class GymItem:
    """A generated task: what is asked and the reference answer."""

    question: str
    """The user message, exactly as the generator writes it."""
    answer: str
    """A correct answer (some scorers accept others as well)."""


@dataclass(frozen=True)
class GymSpace:
    """The difficulty space of one generator."""

    generator: str
    """Name in reasoning-gym's registry."""
    levels: Mapping[str, tuple[Level, ...]]
    """For each attribute its values, from easy to hard."""

    def __post_init__(self) -> None:
        """Check the shape only; `check_space` compares the names with reasoning-gym's."""
        if not self.levels:
            raise ConfigError(f"{self.generator}: a space needs at least one attribute")
        for attribute, values in self.levels.items():
            if not values or len(set(values)) != len(values):
                raise ConfigError(
                    f"{self.generator}.{attribute}: expected one or more distinct levels, "
                    f"found {tuple(values)}"
                )


Spaces: TypeAlias = Mapping[str, GymSpace]
"""The difficulty space of each generator, by its name."""


def puzzle_prompt(puzzle: Puzzle, lineage: Lineage) -> Prompt:
    """The prompt that a puzzle asks, its reference answer as the gold answer."""
    item = gym_item(puzzle.generator, dict(puzzle.attributes), puzzle.index)
    return Prompt(user(item.question), puzzle.generator, item.answer, puzzle, lineage=lineage)


def check_space(space: GymSpace) -> None:
    """Raise ConfigError unless generator, attributes and every level are ones reasoning-gym has.

    Every combination has to be allowed, and an item is made at every level, the other attributes
    being at their easiest: what a generator allows is not always what it can make.
    """
    for attributes in all_levels(space):
        _dataset(space.generator, _key(attributes))
    easiest = {attribute: values[0] for attribute, values in space.levels.items()}
    for attribute, values in space.levels.items():
        for value in values:
            try:
                gym_item(space.generator, {**easiest, attribute: value}, 0)
            except ConfigError as error:
                raise ConfigError(f"spaces.{space.generator}.{attribute}: {error}") from error


def all_levels(space: GymSpace) -> list[dict[str, Level]]:
    """Return every combination of levels, the last attribute varying fastest."""
    names = list(space.levels)
    return [dict(zip(names, values, strict=True)) for values in product(*space.levels.values())]


def gym_item(generator: str, attributes: Mapping[str, Level], index: int) -> GymItem:
    """Return item `index` (≥ 0) of `generator` at exactly these attribute values.

    Attributes left out keep the generator's default range. Raises ConfigError for an unknown
    generator or attribute, a value that the generator does not allow or makes no item of, or a
    negative index.
    """
    entry = _entry(generator, attributes, index)
    return GymItem(question=str(entry["question"]), answer=str(entry["answer"]))


def gym_score(
    generator: str, attributes: Mapping[str, Level], index: int, response_text: str
) -> float:
    """Return the generator's own score of a response; see `gym_scorer`."""
    return gym_scorer(generator, attributes, index)(response_text)


def gym_scorer(
    generator: str, attributes: Mapping[str, Level], index: int
) -> Callable[[str], float]:
    """Make an item; return its generator's own score of a response, in [0, 1]; 1 is correct.

    Many generators give partial credit: compare with 1 where only correct answers count.
    The score raises DataError when it fails or leaves [0, 1]: it is missing then, not 0.
    """
    entry = _entry(generator, attributes, index)
    dataset = _dataset(generator, _key(attributes))

    def score_of(response_text: str) -> float:
        try:
            score = float(dataset.score_answer(response_text, entry))
        except _GYM_ERRORS as error:
            raise DataError(f"{generator}: its scorer failed on the response: {error!r}") from error
        if 1.0 < score < 1.0 + _ROUNDING:
            return math.nextafter(1.0, 0.0)
        if not 0.0 <= score <= 1.0:
            raise DataError(f"{generator}: expected a score in [0, 1], its scorer gave {score}")
        return score

    return score_of


def _entry(generator: str, attributes: Mapping[str, Level], index: int) -> dict[str, Any]:
    """Return reasoning-gym's record of one item."""
    if index < 0:
        raise ConfigError(f"{generator}: expected an index of 0 or more, found {index}")
    dataset = _dataset(generator, _key(attributes))
    try:
        entry: dict[str, Any] = dataset[index]
    except _GYM_ERRORS as error:
        found = ", ".join(f"{name}={value}" for name, value in attributes.items())
        raise ConfigError(
            f"{generator}: expected levels that reasoning-gym can make an item of, found {found}, "
            f"where it fails: {error!r}. Take this level out of spaces.{generator}"
        ) from error
    return entry


def _key(attributes: Mapping[str, Level]) -> tuple[tuple[str, Level], ...]:
    """Return the attributes as a hashable key that does not depend on their order."""
    return tuple(sorted(attributes.items()))


@lru_cache(maxsize=4096)
def _dataset(generator: str, key: tuple[tuple[str, Level], ...]) -> Any:
    """Build the (lazy, virtually endless) data set for one generator and configuration."""
    factory = _reasoning_gym()
    if generator in EVALUATING:
        raise ConfigError(
            f"{generator}: its scorer in reasoning-gym runs the response as Python code, and text "
            "of a model is never evaluated here; choose another generator"
        )
    fields = _curriculum_fields(generator)
    config: dict[str, Level] = {}
    for attribute, value in key:
        if attribute not in fields:
            raise ConfigError(
                f"{generator} has no attribute '{attribute}' ({nearest(attribute, fields)})"
            )
        config |= dict.fromkeys(fields[attribute], value)
    try:
        return factory.create_dataset(generator, seed=_SEED, **config)
    except (AssertionError, TypeError, ValueError) as error:
        found = ", ".join(f"{name}={value}" for name, value in key)
        raise ConfigError(f"{generator}: it does not allow {found}: {error}") from error


@lru_cache(maxsize=256)
def _curriculum_fields(generator: str) -> dict[str, tuple[str, ...]]:
    """Map each attribute of a generator's curriculum to the configuration fields it sets."""
    factory = _reasoning_gym()
    from reasoning_gym.coaching import RangeAttributeDefinition

    if generator not in factory.CURRICULA:
        raise ConfigError(
            f"reasoning-gym has no generator with a curriculum called '{generator}' "
            f"({nearest(generator, factory.CURRICULA)})"
        )
    return {
        name: (definition.lower_field_name, definition.upper_field_name)
        if isinstance(definition, RangeAttributeDefinition)
        else (definition.field_name,)
        for name, definition in factory.create_curriculum(generator).attributes.items()
    }


def _reasoning_gym() -> Any:
    """The package's factory module; one of its dependencies is not free of warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        from reasoning_gym import factory
    return factory
