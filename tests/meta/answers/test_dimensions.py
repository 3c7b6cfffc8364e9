"""Claims about units that are made of others."""

from __future__ import annotations

from fractions import Fraction

import pytest

from meta.answers.dimensions import dimension
from meta.answers.reading import read
from meta.answers.spelling import spelled
from meta.answers.units import Quantity, same_quantity


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("m/s^2", "m s^{-2}"),
        ("kJ/mol", "kJ*mol^{-1}"),
        ("J/(g K)", "J g^-1 K^-1"),
        ("N", "kg*m/s^2"),
        ("Pa", "N/m^2"),
        ("V", "J/C"),
        ("newtons per meter", "N/m"),
        ("meters per second squared", "m/s^2"),
        ("\\mu m", "μm"),
        ("ohms", "Ω"),
    ],
)
def test_a_unit_is_the_same_however_it_is_made(one: str, other: str) -> None:
    assert dimension(one) == dimension(other) is not None


def test_a_prefix_is_a_factor_and_its_case_counts() -> None:
    assert dimension("nm") == ((("m", 1),), Fraction(1, 10**9))
    small, large = dimension("mW"), dimension("MW")
    assert small is not None
    assert large is not None
    assert small[0] == large[0]
    assert large[1] == 10**9 * small[1]


@pytest.mark.parametrize("text", ["m g", "xyz", "", "eggs", "m/", "s t", "g + m", "m^x"])
def test_variables_and_words_are_no_unit(text: str) -> None:
    assert dimension(text) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("656 nm", r"6.56\times 10^{-7} m", True),
        ("-1.0 kJ/mol", r"-1.0\ \mathrm{kJ\,mol^{-1}}", True),
        ("0.25 mol", "250 mmol", True),
        ("0.25 M", "0.25 m", False),
        ("1.5 m", "1.5 m^2", False),
        ("2.5 atm", "2.5 Pa", False),
        ("20 kJ/mol", "20 J/mol", False),
    ],
)
def test_quantities_are_equal_in_any_unit_of_their_dimension(
    one: str, other: str, same: bool
) -> None:
    first, second = read(spelled(one)), read(spelled(other))
    assert isinstance(first, Quantity)
    assert isinstance(second, Quantity)
    assert same_quantity(first, second, percents=False) is same
