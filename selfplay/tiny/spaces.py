"""The difficulty spaces of the embedded game: what its policy is asked and where it starts.

Torch-free, shared by `selfplay.tiny.make` (pretraining, quality) and the tiny configuration.
Levels run from what the policy often solves to what it hardly ever does.
"""

from __future__ import annotations

from collections.abc import Mapping

from selfplay.core.gym import GymSpace
from selfplay.core.types import Level

TINY_SPACES: tuple[GymSpace, ...] = (
    GymSpace("spell_backward", {"word_len": (3, 4, 5, 6, 7, 8, 9, 10)}),
    GymSpace("chain_sum", {"num_terms": (2, 3, 4, 5, 6, 7), "num_digits": (1, 2)}),
    GymSpace("rotate_matrix", {"n": (2, 3), "num_rotations": (0, 1, 2, 3, 4, 5)}),
)

TINY_SEED_LEVELS: Mapping[str, Mapping[str, tuple[Level, ...]]] = {
    "spell_backward": {"word_len": (3,)},
    "chain_sum": {"num_terms": (2,), "num_digits": (1,)},
    "rotate_matrix": {"n": (2,), "num_rotations": (0,)},
}
"""The easy corner, where the game starts: levels of the seed prompts."""

MAX_NEW_TOKENS = 20
"""Room for the longest answer of these spaces (a 3 × 3 matrix) with its end token."""
