"""Claims about numbers and how they are compared."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta.answers.numerals import number, ordinal, same_number
from meta.answers.spelling import spelled


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", 18),
        ("1,000", 1000),
        ("18.00", 18),
        ("**18**", 18),
        ("18.", 18),
        ("3/4", Fraction(3, 4)),
        ("1 1/2", Fraction(3, 2)),
        ("1½", Fraction(3, 2)),
        (r"2\frac{3}{4}", Fraction(11, 4)),
        ("- 3", -3),
        ("\u22123", -3),
        (".5", Fraction(1, 2)),
        ("5e-05", Fraction(1, 20000)),
        ("1e+22", 10**22),
        (r"1\times10^{-5}", Fraction(1, 10**5)),
        ("6.022×10²³", 6022 * 10**20),
        ("10^22", 10**22),
        (r"1\,234", 1234),
        ("1{,}234", 1234),
        ("1 million", 10**6),
        ("1.5 billion", 15 * 10**8),
        (r"0.\overline{3}", Fraction(1, 3)),
        ("twenty-one", 21),
        ("one hundred and five", 105),
        ("two and a half", Fraction(5, 2)),
        ("three quarters", Fraction(3, 4)),
        ("５", 5),
        ("三百二十一", 321),
        ("3.5万", 35000),
        ("三分之二", Fraction(2, 3)),
    ],
)
def test_a_number_has_its_value_however_it_is_written(text: str, value: Fraction) -> None:
    found = number(spelled(text))
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize(
    "text",
    [
        "18 eggs",
        "1,2",
        "1/0",
        "2x",
        "3:30",
        "",
        "1 2",
        "5e",
        "e5",
        "5 - 7",
        "1e99999",
        "twenty or one",
    ],
)
def test_anything_else_is_no_number(text: str) -> None:
    assert number(spelled(text)) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1/3", "0.333333"),
        ("1/3", "0.3333333333"),
        ("0.30000000000000004", "0.3"),
        ("1e22", "10^22"),
        ("0.5", "1/2"),
        ("2.9999999999", "3"),
    ],
)
def test_a_number_is_what_it_is_rounded_to(one: str, other: str) -> None:
    a, b = number(spelled(one)), number(spelled(other))
    assert a is not None
    assert b is not None
    assert same_number(a, b)
    assert same_number(b, a)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1/3", "0.33"),
        ("0.0000001", "0.0000002"),
        ("0.0000001", "0"),
        ("1234567.89", "1234567.90"),
        ("1000000", "1000001"),
        ("1000000", "1000000.5"),
        ("9007199254740993", "9007199254740992"),
        ("355/113", "22/7"),
    ],
)
def test_tolerance_is_relative_and_exact_numbers_are_compared_exactly(one: str, other: str) -> None:
    a, b = number(spelled(one)), number(spelled(other))
    assert a is not None
    assert b is not None
    assert not same_number(a, b)


@given(st.integers(), st.integers(1, 10**6))
def test_every_fraction_is_read_back(numerator: int, denominator: int) -> None:
    found = number(f"{numerator}/{denominator}")
    assert found is not None
    assert found.value == Fraction(numerator, denominator)


@given(st.integers(-(10**30), 10**30))
def test_thousands_separators_do_not_change_an_integer(value: int) -> None:
    found = number(f"{value:,}")
    assert found is not None
    assert found.value == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_as_python_writes_it_is_a_number(value: float) -> None:
    found = number(spelled(str(value)))
    assert found is not None
    assert found.value == Fraction(str(value))


@pytest.mark.parametrize("text", ["third", "3rd", "第三", "第3"])
def test_ranks_are_read(text: str) -> None:
    assert ordinal(text) == 3
