"""Randomness is derived, never carried.

Every draw names itself by a path such as (round 3, "attempt", chunk 7) under the run's seed. The
same path gives the same generator in every process, so a stage that is run again repeats itself
and no generator state needs saving.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class Seed:
    """The name of a draw: the run's seed and a path below it."""

    run: int
    path: tuple[str | int, ...] = ()

    def at(self, *parts: str | int) -> Seed:
        """The seed `parts` further down the path."""
        return Seed(self.run, self.path + parts)

    def words(self) -> list[int]:
        """Eight 32-bit words that depend on every part of the path and on their order."""
        name = json.dumps([self.run, *self.path]).encode()
        digest = hashlib.blake2b(name, digest_size=32).digest()
        return [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]

    def integer(self, bits: int = 63) -> int:
        """An integer in [0, 2^bits), for libraries that take a number as their seed."""
        words = self.words()
        return (words[0] | words[1] << 32) & ((1 << bits) - 1)

    def numpy(self) -> np.random.Generator:
        """A fresh NumPy generator for this path."""
        import numpy as np

        return np.random.default_rng(np.random.SeedSequence(self.words()))

    def torch(self, device: str | torch.device = "cpu") -> torch.Generator:
        """A fresh torch generator for this path on `device`."""
        import torch

        generator = torch.Generator(device=device)
        generator.manual_seed(self.integer())
        return generator
