"""Constitutions: what ships, what is refused and where, which principle is drawn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from meta.constitution.constitution import (
    MAX_PRINCIPLES,
    SHIPPED,
    Constitution,
    Principle,
    constitution_file,
    constitution_from_yaml,
    read_constitution,
)
from selfplay.core.errors import DataError
from selfplay.core.seeding import Seed

KIND = Principle("kind", "Where is it unkind?", "Make it kinder.", "kinder")
SHORT = Principle("short", "Where is it long?", "Make it shorter.", "shorter")


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_ships_can_revise_and_compare(path: Path) -> None:
    found = read_constitution(constitution_file(path.stem))
    assert found.name == path.stem
    found.check_comparing()


HEAD = "name: mine\nprinciples:\n"
ONE = "  - {id: a, critique: b, revision: c}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEAD}{ONE}{ONE}", "ids are used twice: a"),
        (f"{HEAD}  - {{id: a, critique: b}}\n", "line 3: principle 1: needs revision"),
        (f"{HEAD}{ONE}  - {{id: b c, critique: b, revision: c}}\n", "line 4: principle 'b c'"),
        (f"{HEAD}  - {{id: a, critique: '', revision: c}}\n", "expected critique, a text"),
        (f"{HEAD}  - {{id: a, critique: b, revision: 3}}\n", "expected revision, a text"),
        (f"{HEAD}  - {{id: a, critique: {'b' * 601}, revision: c}}\n", "up to 600"),
        (f"{HEAD}  - {{id: a, critic: b, revision: c}}\n", "no key 'critic'; did you mean"),
        ("name: a\nname: b\nprinciples: []\n", "line 2: the constitution has the key 'name' twice"),
        ("name: mine\nprinciples: []\n", "expected 1 to 64 principles, found 0"),
        ("name: mine\n", "expected 'principles', a list"),
        (f"version: true\nprinciples:\n{ONE}", "expected a version of 1 or more, found True"),
        (f"{HEAD}  - &p {{id: a, critique: b, revision: c}}\n  - *p\n", "line 4: .* alias"),
    ],
)
def test_a_faulty_constitution_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        constitution_from_yaml(text)


def test_there_are_no_more_principles_than_its_bound() -> None:
    many = tuple(Principle(f"p{i}", "b", "c") for i in range(MAX_PRINCIPLES + 1))
    with pytest.raises(DataError, match="found 65"):
        Constitution(many)


def test_a_file_that_is_not_there_is_named_with_its_neighbours() -> None:
    with pytest.raises(DataError, match=r"constitution .*plane\.yaml.*'plain\.yaml'"):
        read_constitution(constitution_file("plane"))


def test_principles_without_a_preference_cannot_compare() -> None:
    with pytest.raises(DataError, match=r"expected `prefer` .* found none in kind"):
        Constitution((Principle("kind", "b", "c"), SHORT)).check_comparing()


def test_every_principle_is_as_likely_and_follows_from_the_seed() -> None:
    both = Constitution((KIND, SHORT))
    drawn = [both.drawn(Seed(1).at(i)).id for i in range(400)]
    assert drawn == [both.drawn(Seed(1).at(i)).id for i in range(400)]
    assert 160 < Counter(drawn)["kind"] < 240


def test_the_fingerprint_changes_with_every_word() -> None:
    one, other = Constitution((KIND,)), Constitution((Principle("kind", "?", "Make it kinder."),))
    assert one.fingerprint == Constitution((KIND,)).fingerprint != other.fingerprint
