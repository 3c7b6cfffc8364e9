"""Exact arithmetic on text: numbers, `+ - * /` and parentheses, as fractions.

Nothing is evaluated as code. Left out: powers, functions, implicit products, scientific notation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

_NUMBER = re.compile(r"\d+\.?\d*|\.\d+")
_TOKEN = re.compile(rf"\s*({_NUMBER.pattern}|[-+*/()])")
_LONGEST = 300
"""Characters of an expression: bounds its depth."""


def numbers_of(text: str) -> list[Fraction]:
    """The numbers of an expression, in order.

    Raises:
        ValueError: a character that has no place in an expression.
    """
    return [Fraction(token) for token in _tokens(text) if _NUMBER.fullmatch(token)]


def evaluate(text: str, numbers: Iterable[Fraction] | None = None) -> Fraction:
    """The value of an expression, with `numbers` in the place of its own where they are given.

    Raises:
        ValueError: no expression.
        ZeroDivisionError: a division by zero.
    """
    values = iter(numbers_of(text) if numbers is None else numbers)
    reader = _Reader(_tokens(text), values)
    value = reader.sum()
    reader.finish()
    return value


def substitute(text: str, numbers: Sequence[Fraction]) -> str:
    """The expression with `numbers` in the place of its own.

    Raises:
        ValueError: a number without a finite decimal expansion.
    """
    values = iter(numbers)
    return _NUMBER.sub(lambda found: decimal(next(values)), text)


def decimals(value: Fraction) -> int | None:
    """Places after the point that write `value` exactly; None where no number of places does."""
    twos = fives = 0
    rest = value.denominator
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None


def decimal(value: Fraction) -> str:
    """The number in decimal notation, without trailing zeros.

    Raises:
        ValueError: it has no finite decimal expansion.
    """
    places = decimals(value)
    if places is None:
        raise ValueError(f"expected a finite decimal, found {value}")
    if not places:
        return str(value.numerator)
    digits = str(abs(value.numerator) * 10**places // value.denominator).zfill(places + 1)
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _tokens(text: str) -> list[str]:
    if len(text) > _LONGEST:
        raise ValueError(f"expected an expression of up to {_LONGEST} characters")
    tokens, position, whole = [], 0, text.rstrip()
    while position < len(whole):
        found = _TOKEN.match(whole, position)
        if found is None:
            raise ValueError(f"expected an expression, found '{text}'")
        tokens.append(found[1])
        position = found.end()
    return tokens


class _Reader:
    """Recursive descent: a sum of products of factors."""

    def __init__(self, tokens: Sequence[str], values: Iterator[Fraction]) -> None:
        self._tokens = [*tokens, ""]
        self._values = values
        self._position = 0

    def sum(self) -> Fraction:
        value = self._product()
        while (sign := self._take("+", "-")) is not None:
            term = self._product()
            value = value + term if sign == "+" else value - term
        return value

    def finish(self) -> None:
        if self._tokens[self._position]:
            raise ValueError(f"expected the end, found '{self._tokens[self._position]}'")

    def _product(self) -> Fraction:
        value = self._factor()
        while (sign := self._take("*", "/")) is not None:
            factor = self._factor()
            value = value * factor if sign == "*" else value / factor
        return value

    def _factor(self) -> Fraction:
        if self._take("-") is not None:
            return -self._factor()
        if self._take("(") is not None:
            value = self.sum()
            if self._take(")") is None:
                raise ValueError("expected a closing parenthesis")
            return value
        if not _NUMBER.fullmatch(self._tokens[self._position]):
            raise ValueError(f"expected a number, found '{self._tokens[self._position]}'")
        self._position += 1
        return next(self._values)

    def _take(self, *wanted: str) -> str | None:
        """The next token, if it is among those wanted."""
        token = self._tokens[self._position]
        if token not in wanted:
            return None
        self._position += 1
        return token
