"""Asking a model many things at once when it may refuse the whole list for one of them.

A model in process refuses a list in which one chat does not fit its context; halving finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from selfplay.core.errors import ModelError

Item = TypeVar("Item")
Found = TypeVar("Found")


def one_by_one(
    items: Sequence[Item], ask: Callable[[Sequence[Item]], Sequence[Found | str]]
) -> list[Found | str]:
    """`ask(items)`; an item that the model refuses has the reason in place of its answer."""
    if not items:
        return []
    try:
        return list(ask(items))
    except ModelError as error:
        if len(items) == 1:
            return [str(error)]
    half = len(items) // 2
    return one_by_one(items[:half], ask) + one_by_one(items[half:], ask)
