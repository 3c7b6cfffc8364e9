"""What can be configured of judged win rates. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meta.judges.table import JUDGES
from selfplay.core.components import component
from selfplay.core.errors import nearest, require

FIRST = "first"
ANSWERS = ("greedy", "sampled")


@dataclass(frozen=True)
class JudgedConfig:
    """A win rate against a reference's answers, for prompts that no verifier can judge."""

    enabled: bool = False
    """Whether win rates are measured."""
    judge: Any = component("pairwise", JUDGES)
    """Who compares. A judge of pairs is asked in both orders; of any other, the higher reward wins.
    Its model is one of its own, since the solver's would change from round to round."""
    reference: str = FIRST
    """`first`: the answers of the run's first policy; or a file of recorded answers to the held-out
    prompts (rows with `responses`, or with a `completion`)."""
    answers: str = "greedy"
    """`greedy`, or `sampled`: all `evaluation.samples` of each prompt, which are one cluster."""
    prompts: int = 0
    """Held-out prompts to judge, from the first on; 0: all."""
    weighted: bool = True
    """Count a pairwise judge's probabilities as they are (AlpacaEval 2); else each order's verdict
    counts 1, 1/2 or 0, so that orders which disagree make a tie."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no reference, unknown answers, a negative number of prompts, the solver as
                the judge, or a judge of pairs that compares with gold answers.
        """
        require(bool(self.reference), f"{where}.reference", "`first` or a file", "none")
        hint = f"'{self.answers}'; {nearest(self.answers, ANSWERS)}"
        require(self.answers in ANSWERS, f"{where}.answers", " or ".join(ANSWERS), hint)
        require(self.prompts >= 0, f"{where}.prompts", "0 (all) or more", self.prompts)
        if not self.enabled:
            return
        options = self.judge.options
        model = getattr(getattr(options, "model", None), "name", "")
        expected = "a model of the judge's own, since the solver changes from round to round"
        require(model != "policy", f"{where}.judge.model", expected, model)
        gold = getattr(options, "against", "others") == "reference"
        require(not gold, f"{where}.judge.against", "others", "reference")
