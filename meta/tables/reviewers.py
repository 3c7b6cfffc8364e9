"""Options and rows of the reviewers that propose rubrics. No NumPy, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from selfplay.core.checks import CHECKS
from selfplay.core.components import Row
from selfplay.core.errors import nearest, require


@dataclass(frozen=True)
class StatisticalOptions:
    """How the reviewer without a language model looks for edits."""

    max_edits: int = 3
    """Edits in one proposal, at most."""
    level: float = 0.05
    """Chance of proposing an edit where none helps: each step's intervals are widened for the
    number of edits that it tries (Bonferroni)."""
    deny: tuple[str, ...] = ()
    """Checks that are not to be used, by name. Those that look at the gold answer never are."""
    weights: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    """Weights that a criterion may get."""
    max_prompts: int = 400
    """Prompts that are looked at; where there are more, drawn by the seed."""
    common: float = 0.2
    """Share of the prompts from which on an ending or a beginning of their responses is general
    enough to become a criterion: an instance's details stay out of the rubric."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or an unknown check.
        """
        require(self.max_edits >= 1, f"{where}.max_edits", "1 or more", self.max_edits)
        require(0 < self.level < 1, f"{where}.level", "between 0 and 1", self.level)
        positive = bool(self.weights) and all(weight > 0 for weight in self.weights)
        require(positive, f"{where}.weights", "numbers above 0", list(self.weights))
        require(self.max_prompts >= 2, f"{where}.max_prompts", "2 or more", self.max_prompts)
        require(0 < self.common <= 1, f"{where}.common", "above 0 and up to 1", self.common)
        for name in self.deny:
            hint = f"'{name}'; {nearest(name, CHECKS)}"
            require(name in CHECKS, f"{where}.deny", "names of checks", hint)


ROWS: Mapping[str, Row] = {
    "statistical": Row(
        "meta.reviewers.statistical:StatisticalReviewer",
        StatisticalOptions,
        "edits `check` criteria where their score and the anchors disagree; no language model",
    ),
}
"""Reviewers by name. A reviewer is built as `factory(options, *what its kind needs)`."""
