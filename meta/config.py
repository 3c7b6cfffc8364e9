"""The meta role's configuration and the table of its judges. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from selfplay.core.components import NoOptions, Row, component
from selfplay.core.errors import ConfigError, nearest

EXTRACTIONS: Mapping[str, str] = {
    "auto": "the last \\boxed{}, else what follows the last answer marker, else the whole response",
    "whole": "the whole response",
    "last_number": "the last number",
    "boxed": "the last \\boxed{}",
    "after_marker": "the line after the last `marker`",
}
"""Where in a response the verifier looks for the answer."""


@dataclass(frozen=True)
class VerifierOptions:
    """How a response's answer is found and compared."""

    extract: str = "auto"
    """One of `EXTRACTIONS`."""
    marker: str = "####"
    """What the answer follows, for `after_marker`."""
    binary: bool = True
    """Only a full score counts, as 1; else a puzzle's partial credit is the reward."""
    timeout: int = 5
    """Seconds for one parse, one comparison or one puzzle score."""

    def __post_init__(self) -> None:
        if self.extract not in EXTRACTIONS:
            raise ConfigError(
                f"verifier.extract: nothing is called '{self.extract}'; "
                f"{nearest(self.extract, EXTRACTIONS)}"
            )
        if not self.marker.strip():
            raise ConfigError("verifier.marker: expected some text, found none")
        if self.timeout < 1:
            raise ConfigError(f"verifier.timeout: expected 1 second or more, found {self.timeout}")


JUDGES: Mapping[str, Row] = {
    "verifier": Row(
        "meta.judges.verifier:Verifier",
        VerifierOptions,
        "1 for the right answer: a puzzle's own scorer, or the gold answer by math-verify",
    ),
    "rubric": Row(
        "meta.judges.rubric_checks:RubricChecks",
        NoOptions,
        "the rubric's score, every criterion being a check in code",
    ),
}
"""Judges by name. A judge is built as `factory(options, rubric)`, the rubric being None without."""


@dataclass(frozen=True)
class MetaConfig:
    """The meta role."""

    judge: Any = component("verifier", JUDGES)
    """What gives the reward."""
    rubric: str = ""
    """Path of the first rubric (YAML); empty for none."""
    verify: VerifierOptions = field(default_factory=VerifierOptions)
    """How held-out tasks are verified, whatever the reward is."""
