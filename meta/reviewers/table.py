"""Options and rows of the reviewers that propose rubrics. No NumPy, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfplay.core.checks import CHECKS
from selfplay.core.components import Row
from selfplay.core.errors import nearest, require


@dataclass(frozen=True)
class StatisticalOptions:
    """How the reviewer without a language model looks for edits."""

    max_edits: int = 3
    """Edits in one proposal, at most; pruning is none."""
    prune: bool = True
    """Drop the criteria that the proposal's accuracy on the anchors does not need."""
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
        _check_denied(self.deny, where)


@dataclass(frozen=True)
class LLMOptions:
    """How a language model reviews the rubric (MPO, arXiv 2504.20157)."""

    rollouts: int = 20
    """Rollouts that are analysed: what alarms point at has up to half of the places, the others go
    to the thirds of the scores in equal numbers."""
    batch: int = 1
    """Analyses behind one refinement."""
    merge: bool = True
    """Merge the refinements into one rubric; else the first readable one is the candidate."""
    reference: bool = True
    """Show the prompt's gold answer, where there is one."""
    checks: bool = False
    """Criteria that code scores may be proposed too; else those in force stay as they are."""
    deny: tuple[str, ...] = ()
    """Checks that are not to be proposed, by name. Those that look at the gold answer, IFEval's
    kinds and `pattern` never are."""
    max_weight: float = 10.0
    """Largest weight of a criterion, where none in force has a larger one."""
    temperature: float = 0.0
    """0 means greedy."""
    max_new_tokens: int = 2048
    """A reply that does not end within so many tokens is none."""
    max_tokens: int = 300_000
    """Tokens of one review, asked and replied; it never takes more."""
    repairs: int = 2
    """How often a reply that cannot be used is sent back with the reason."""
    structured: bool = True
    """Ask a server for replies of a JSON schema."""
    max_characters: int = 6_000
    """Characters of a prompt, reference, response or rationale that are shown; what is longer loses
    its middle."""
    common: float = 0.2
    """Share of the prompts from which on what their rollouts say is general enough to be named in a
    criterion: an instance's details stay out of the rubric."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or an unknown check.
        """
        least = {"rollouts": 1, "batch": 1, "max_new_tokens": 1, "max_tokens": 1}
        for name, low in {**least, "repairs": 0, "max_characters": 100}.items():
            found = getattr(self, name)
            require(found >= low, f"{where}.{name}", f"{low} or more", found)
        require(self.max_weight > 0, f"{where}.max_weight", "above 0", self.max_weight)
        require(self.temperature >= 0, f"{where}.temperature", "0 or more", self.temperature)
        require(0 < self.common <= 1, f"{where}.common", "above 0 and up to 1", self.common)
        _check_denied(self.deny, where)


def _check_denied(deny: Sequence[str], where: str) -> None:
    for name in deny:
        hint = f"'{name}'; {nearest(name, CHECKS)}"
        require(name in CHECKS, f"{where}.deny", "names of checks", hint)


REVIEWERS: Mapping[str, Row] = {
    "statistical": Row(
        "meta.reviewers.statistical:StatisticalReviewer",
        StatisticalOptions,
        "edits `check` criteria where their score and the anchors disagree; no language model",
    ),
    "llm": Row(
        "meta.reviewers.llm.reviewer:LLMReviewer",
        LLMOptions,
        "a language model analyses rollouts, refines the rubric by them and merges (MPO)",
    ),
}
"""Reviewers by name, built as `factory(options, model)` with a text model or None."""
