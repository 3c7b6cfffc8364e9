"""What a row of the table of checks is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from selfplay.core.types import Prompt

CheckFunction: TypeAlias = Callable[[str, Prompt, Any], float]


@dataclass(frozen=True)
class CheckRow:
    """One check: what computes it, what it takes and what it says."""

    function: CheckFunction
    parameters: type
    """A frozen dataclass: the check's parameters, typed, with their defaults."""
    summary: str
    uses_answer: bool = False
    """Whether it looks at the gold answer."""


@dataclass(frozen=True)
class NoParameters:
    """Parameters of a check that has none."""
