r"""The child of `meta.answers.engine`: reads pairs of expressions, says whether they are equal.

Expressions are parsed by math-verify (all of the text, or none). Numbers and terms are compared by
their values at fixed points, to 1e-12, or 1e-6 where exactly one side is in decimals: relative, so
that `\frac{1}{2^{99}}` is not 0. Equations are equal if their sides' differences are in one
proportion; matrices entry by entry; everything else is math-verify's to compare. It is run by its
path and imports nothing of the project.
"""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import signal
import sys
from functools import lru_cache
from typing import Any

EXACT, ROUNDED = 1e-12, 1e-6
POINTS = ((3, 7), (-11, 13), (29, 17), (-41, 19))
"""Numerators and denominators that the symbols' values are made of."""
DIGITS = 30
OWN_FAULT = (signal.SIGPROF, signal.SIGABRT, signal.SIGSEGV)
"""How a process ends that its expressions ended; another end came from outside."""
FACTOR_D = re.compile(r"(?<![a-zA-Z\\}])d\s*(?=[a-zA-Z\\])(?!\s*[xyzt]\b)")
"""A factor d, which math-verify takes for a differential."""
FAILURES = (
    *(ArithmeticError, AttributeError, AssertionError, LookupError, MemoryError, RecursionError),
    *(NotImplementedError, SyntaxError, TypeError, ValueError),
)
"""What sympy raises on odd expressions."""


def main() -> None:
    """Serves until its input ends, in forks of itself: one that is ended costs no new imports."""
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    logging.disable(logging.CRITICAL)
    compared("x^2", "2x")  # imports before any clock runs
    while True:
        server = os.fork()
        if server == 0:
            serve()
            os._exit(0)
        _, status = os.waitpid(server, 0)
        if not os.WIFSIGNALED(status):
            return
        own = os.WTERMSIG(status) in OWN_FAULT
        error = "limits" if own else "outside"
        print(json.dumps({"equal": None, "error": error}), flush=True)


def serve() -> None:
    """Answers requests, each within its seconds of processor time."""
    for line in sys.stdin:
        asked = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, asked["seconds"])
        reply = compared(asked["gold"], asked["answer"])
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(reply), flush=True)


def compared(gold: str, answer: str) -> dict[str, Any]:
    """The reply: equal (True, False, or None for an answer that is no mathematics), or an error."""
    try:
        expected = parse(gold)
        if expected is None:
            return {"equal": None, "error": "gold"}
        given = parse(answer)
        if given is None:
            return {"equal": None, "error": ""}
        tolerance = ROUNDED if ("." in gold) != ("." in answer) else EXACT
        return {"equal": equal(expected, given, tolerance), "error": ""}
    except FAILURES as error:
        return {"equal": None, "error": repr(error)[:200]}


@lru_cache(maxsize=4096)
def parse(latex: str) -> Any:
    """math-verify's reading of all of a text, unevaluated; None where it has none."""
    from latex2sympy2_extended.latex2sympy2 import NormalizationConfig
    from math_verify import parse as read
    from math_verify.parser import LatexExtractionConfig

    normalising = NormalizationConfig(
        basic_latex=True,
        units=False,
        malformed_operators=True,
        nits=True,
        boxed="all",
        equations=False,
    )
    whole = LatexExtractionConfig(
        try_extract_without_anchor=False, boxed_match_priority=0, normalization_config=normalising
    )
    if "\\int" not in latex:
        latex = FACTOR_D.sub("d*", latex)
    found = read(
        f"\\boxed{{{latex}}}",
        [whole],
        fallback_mode="no_fallback",
        extraction_mode="first_match",
        parsing_timeout=None,
        raise_on_error=True,
    )
    return imaginary(found[0]) if found else None


def imaginary(expression: Any) -> Any:
    """With the letter i as the imaginary unit."""
    from sympy import I, MatrixBase

    if isinstance(expression, MatrixBase) or not hasattr(expression, "free_symbols"):
        return expression
    letters = [symbol for symbol in expression.free_symbols if symbol.name == "i"]
    return expression.xreplace(dict.fromkeys(letters, I)) if letters else expression


def equal(gold: Any, given: Any, tolerance: float) -> bool:
    """Whether two expressions are equal, by what they are."""
    from math_verify import verify
    from sympy import Eq, Expr, MatrixBase

    if isinstance(gold, MatrixBase) and isinstance(given, MatrixBase):
        return gold.shape == given.shape and all(
            equal(one, other, tolerance) for one, other in zip(gold, given, strict=True)
        )
    if isinstance(gold, Expr) and isinstance(given, Expr):
        return same_values(gold, given, tolerance)
    if isinstance(gold, Eq) and isinstance(given, Eq) and in_proportion(gold, given):
        return True
    if (one := solutions(gold)) is not None and (other := solutions(given)) is not None:
        names = [getattr(side, "free_symbols", None) for side in (gold, given)]
        if one == other and (names[0] == names[1] or not all(names)):
            return True
    return bool(
        verify(gold, given, timeout_seconds=None, raise_on_error=True, numeric_precision=DIGITS)
    )


def solutions(expression: Any) -> Any:
    """The set that a set is, or that inequalities in one unknown describe; None for others."""
    from latex2sympy2_extended.logic import And as Chain
    from sympy import And, Eq, Set
    from sympy.core.relational import Relational

    if isinstance(expression, Set):
        return expression.doit()
    parts = expression._unsorted_args if isinstance(expression, Chain) else (expression,)
    relations = all(isinstance(part, Relational) and not isinstance(part, Eq) for part in parts)
    if not relations or len(expression.free_symbols) != 1:
        return None
    return And(*(part.doit() for part in parts)).as_set()


def same_values(gold: Any, given: Any, tolerance: float) -> bool:
    """Whether two terms have equal values wherever both have one."""
    if gold == given:
        return True
    gold, given = named_functions(gold), named_functions(given)
    symbols = sorted(gold.free_symbols | given.free_symbols, key=str)
    compared_somewhere = False
    for point in POINTS if symbols else POINTS[:1]:
        values = assigned(symbols, point)
        one, other = value(gold, values), value(given, values)
        if one is None and other is None:
            continue
        if one is None or other is None or not close(one, other, tolerance):
            return False
        compared_somewhere = True
    return compared_somewhere


def named_functions(expression: Any) -> Any:
    """With a symbol for each unknown function where it stands: `I(0)` has no value otherwise."""
    from sympy import Symbol
    from sympy.core.function import AppliedUndef

    found = expression.atoms(AppliedUndef)
    return expression.xreplace({function: Symbol(str(function)) for function in found})


def assigned(symbols: list[Any], point: tuple[int, int]) -> dict[Any, Any]:
    """A value for each symbol: different ones, at every point others."""
    from sympy import Rational

    top, bottom = point
    return {s: Rational(top * (5 * k + 3) + k, bottom + 2 * k) for k, s in enumerate(symbols)}


def value(expression: Any, values: dict[Any, Any]) -> Any:
    """The value at a point to `DIGITS` digits; None where there is none (a pole)."""
    from sympy import nan, oo, zoo

    found = expression.subs(values).doit()
    if found in (oo, -oo):
        return found
    if found.is_Rational:
        return found
    number = found.evalf(DIGITS, maxn=2000)
    if number in (nan, zoo) or not number.is_number or number.has(nan, zoo):
        return None
    return vanishing(found, number)


def vanishing(exact: Any, number: Any) -> Any:
    """0 for what is 0 but for rounding: digits that change when more are asked for."""
    from sympy import Integer

    if number == 0 or abs(number) > 1e-20:
        return number
    finer = exact.evalf(2 * DIGITS, maxn=4000)
    return number if abs(finer - number) <= EXACT * abs(number) else Integer(0)


def close(one: Any, other: Any, tolerance: float) -> bool:
    """Equal but for rounding."""
    from sympy import oo

    if one == other:
        return True
    if one in (oo, -oo) or other in (oo, -oo):
        return False
    if tolerance == EXACT and one.is_Rational and other.is_Rational:
        return False
    return bool(abs(one - other) <= tolerance * max(abs(one), abs(other)))


def in_proportion(gold: Any, given: Any) -> bool:
    """Whether two equations' differences of sides are the same but for a constant factor."""
    one, other = gold.lhs - gold.rhs, given.lhs - given.rhs
    symbols = sorted(one.free_symbols | other.free_symbols, key=str)
    if not symbols or one.free_symbols != other.free_symbols:
        return False
    ratios = []
    for point in POINTS:
        values = assigned(symbols, point)
        above, below = value(one, values), value(other, values)
        if above is None or below is None or below == 0 or above == 0:
            return False
        ratios.append(above / below)
    return all(close(ratio, ratios[0], EXACT) for ratio in ratios)


if __name__ == "__main__":
    main()
