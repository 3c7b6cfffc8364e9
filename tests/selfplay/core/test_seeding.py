from __future__ import annotations

import subprocess
import sys

import pytest

from selfplay.core.seeding import Seed


def test_the_same_path_gives_the_same_draws_in_another_process() -> None:
    code = "from selfplay.core.seeding import Seed; print(Seed(7).at(3, 'learn').integer())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(told.stdout) == Seed(7).at(3, "learn").integer()


@pytest.mark.parametrize(
    "other",
    [Seed(1).at(3, "a"), Seed(0).at("3", "a"), Seed(0).at("a", 3), Seed(0).at(3), Seed(0).at("3a")],
)
def test_every_part_of_the_path_and_its_place_matter(other: Seed) -> None:
    assert Seed(0).at(3, "a").words() != other.words()


def test_integers_keep_to_their_bits() -> None:
    draws = [Seed(0).at(i).integer(bits=31) for i in range(1000)]
    assert max(draws) < 2**31
    assert max(draws) > 2**30
    assert len(set(draws)) > 990


def test_generators_repeat_themselves() -> None:
    seed = Seed(5, ("x",))
    assert seed.numpy().random(3).tolist() == seed.numpy().random(3).tolist()
    assert seed.torch().initial_seed() == seed.torch().initial_seed() == seed.integer()
