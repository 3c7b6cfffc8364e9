"""Worked examples to pretrain on: clean ones and ones with mistakes. Torch-free.

A policy that has seen only right answers is sure of itself: its samples agree, and there is
nothing to select. Mistakes make sampling diverse and leave reinforcement learning something to
do. They come in two kinds. *Slips* alter a part of the answer or swap two. *Habits* are the same
mistake every time, and each level has its own: a sum is off by a fixed number, a word or a matrix
begins at the wrong place. On hard levels the habit outweighs the right answer, so the greedy answer
is wrong there, and what is unlearned on one level helps little on the next.
"""

from __future__ import annotations

import math
import random
import string
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfplay.core.gym import GymSpace, all_levels, gym_item
from selfplay.core.types import Level

_INDICES = 1 << 31
"""Items are drawn from this many of each level."""


@dataclass(frozen=True)
class Mixture:
    """What the examples are made of."""

    shares: dict[str, float]
    """Weight of each generator."""
    decay: float
    """A level at difficulty d in [0, 1] weighs exp(−decay·d): harder levels are a thin tail."""
    noise: tuple[float, float] = (0.0, 0.0)
    """Share of wrong answers at difficulty 0 and at difficulty 1, linear in between."""
    habit: tuple[float, float] = (0.0, 0.0)
    """Share of the wrong answers that are the level's habit, likewise."""


def difficulty(space: GymSpace, attributes: Mapping[str, Level]) -> float:
    """Mean position of the attributes on their ladders, from 0 (easiest) to 1 (hardest)."""
    positions = [
        ladder.index(attributes[name]) / max(1, len(ladder) - 1)
        for name, ladder in space.levels.items()
    ]
    return sum(positions) / len(positions)


def rung(space: GymSpace, attributes: Mapping[str, Level]) -> int:
    """Steps up the ladders from the easiest level."""
    return sum(ladder.index(attributes[name]) for name, ladder in space.levels.items())


def examples(
    spaces: Sequence[GymSpace], mixture: Mixture, seed: int, held_out: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Endless (question, answer) pairs, a function of the arguments; none of `held_out`."""
    rng = random.Random(seed)
    cells = [(space, levels) for space in spaces for levels in all_levels(space)]
    weights = [mixture.shares[space.generator] * _share(space, at, mixture) for space, at in cells]
    while True:
        space, levels = rng.choices(cells, weights)[0]
        item = gym_item(space.generator, levels, rng.randrange(_INDICES))
        if item.question in held_out:
            continue
        hard = difficulty(space, levels)
        answer = item.answer
        if rng.random() < _between(mixture.noise, hard):
            if rng.random() < _between(mixture.habit, hard):
                answer = habit(space.generator, answer, rung(space, levels))
            else:
                answer = slip(space.generator, answer, rng)
        yield item.question, answer


def _share(space: GymSpace, levels: Mapping[str, Level], mixture: Mixture) -> float:
    """Return a level's share of its generator's examples."""
    total = sum(math.exp(-mixture.decay * difficulty(space, other)) for other in all_levels(space))
    return math.exp(-mixture.decay * difficulty(space, levels)) / total


def _between(ends: tuple[float, float], hard: float) -> float:
    """Interpolate between the values at difficulty 0 and 1."""
    return ends[0] + (ends[1] - ends[0]) * hard


def habit(generator: str, answer: str, at: int) -> str:
    """Return the mistake that rung `at` always makes: a sum too large, parts begun too late."""
    if generator == "chain_sum":
        return str(int(answer) + at + 1)
    parts = _parts(generator, answer)
    start = 1 + at % (len(parts) - 1)
    return _joined(generator, parts[start:] + parts[:start])


def slip(generator: str, answer: str, rng: random.Random) -> str:
    """Return the answer with two neighbouring parts swapped, or one part drawn anew."""
    parts = _parts(generator, answer)
    if len(parts) > 1 and rng.random() < 0.5:
        k = rng.randrange(len(parts) - 1)
        parts[k], parts[k + 1] = parts[k + 1], parts[k]
    else:
        pool = string.ascii_lowercase if generator == "spell_backward" else string.digits
        parts[rng.randrange(len(parts))] = rng.choice(pool)
    return _joined(generator, parts)


def _parts(generator: str, answer: str) -> list[str]:
    """Split an answer: a matrix into its entries, anything else into its characters."""
    return answer.split() if generator == "rotate_matrix" else list(answer)


def _joined(generator: str, parts: list[str]) -> str:
    """Undo `_parts`; a matrix is square."""
    if generator != "rotate_matrix":
        return "".join(parts)
    n = math.isqrt(len(parts))
    return "\n".join(" ".join(parts[row * n : (row + 1) * n]) for row in range(n))
