"""NaN as the tests receive it from the code: farther off than every tolerance.

`abs(f(x) - 3) > 1e-6` is False of NaN, so `if that: fail` would let it pass as right. Here what is
computed with it stays undefined, it is greater than every number and less than none. Otherwise it
is NaN: unequal to everything, and `math.isnan` knows it.
"""

from __future__ import annotations

from typing import Any

_CLOSED = (
    "abs", "neg", "pos", "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv",
    "floordiv", "rfloordiv", "mod", "rmod", "pow", "rpow", "round",
)  # fmt: skip


class Undefined(float):
    """NaN; see the module."""

    def __new__(cls, *_: object) -> Undefined:
        """Of whatever it was computed from."""
        return super().__new__(cls, "nan")

    def __gt__(self, other: object) -> bool:
        return True

    __ge__ = __gt__

    def __lt__(self, other: object) -> bool:
        return False

    __le__ = __lt__


def _undefined(*_: Any) -> Undefined:
    return Undefined()


for _name in _CLOSED:
    setattr(Undefined, f"__{_name}__", _undefined)
