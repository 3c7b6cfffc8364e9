"""The judges: names, options and where their code is. Imports neither NumPy nor torch.

Those that ask a language model have theirs in `meta.judges.llm.table`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from meta.judges.llm.table import BY_MODELS
from meta.sandbox.limits import Limits
from selfplay.core.checks import check_parameters
from selfplay.core.components import NoOptions, Row, Table, model_place
from selfplay.core.errors import ConfigError, nearest, require
from selfplay.core.json_schemas.validation import check_schema
from selfplay.core.json_text import READERS

EXTRACTIONS: Mapping[str, str] = {
    "auto": "what the last \\boxed{}, <answer> or answer marker marks, else the whole response",
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
    """Seconds for one comparison (of processor time) or one puzzle score."""

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


@dataclass(frozen=True)
class CheckOptions:
    """One check in code."""

    kind: str = "length"
    """Which check, by its name in `selfplay.core.checks`."""
    params: dict[str, Any] = field(default_factory=dict)
    """Its parameters: for `length` unit, minimum and maximum; for `pattern` regex and whole."""

    def check(self, where: str) -> None:
        """Refuses what is no check.

        Raises:
            ConfigError: an unknown check, or parameters that it does not take.
        """
        check_parameters(self.kind, self.params, where)


FORMATS: Mapping[str, str] = {
    "auto": "what the directory's config.json names as `reward_format`, else `chat` where the "
    "tokenizer has a chat template, else `pair`",
    "chat": "the chat template over prompt and response, the response being the assistant's turn",
    "answer": "the chat template up to where the answer begins, the response, and the "
    "template's end of turn behind a response that was not cut off",
    "pair": "the tokenizer's own encoding of two texts, the prompt's and the response",
    "plain": "the prompt's text, a blank line, the response",
}
"""How a reward model is shown a prompt and its response."""


@dataclass(frozen=True)
class RewardModelOptions:
    """A sequence-classification model whose score is the reward."""

    path: str = model_place("")
    """A model directory in Hugging Face layout, or a hub name."""
    format: str = "auto"
    """One of `FORMATS`."""
    head: int = 0
    """Which of the model's labels is the score."""
    mean: float = 0.0
    """The reward is (score - mean) / std: what the scores of trusted responses have."""
    std: float = 1.0
    """What the difference from `mean` is divided by."""
    squash: bool = False
    """Pass the reward through the logistic function, to lie in [0, 1]."""
    dtype: str = "float32"
    """Of the weights, by torch's name."""
    device: str = "auto"
    """`cpu`, `cuda` or `auto`: CUDA where there is one."""
    batch_tokens: int = 16384
    """Tokens, padding included, that are scored at once."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no path, an unknown format, or a value outside its range.
        """
        require(bool(self.path), f"{where}.path", "a reward model's directory", "none")
        hint = f"'{self.format}'; {nearest(self.format, FORMATS)}"
        require(self.format in FORMATS, f"{where}.format", " or ".join(FORMATS), hint)
        require(self.head >= 0, f"{where}.head", "0 or more", self.head)
        require(self.std > 0, f"{where}.std", "above 0", self.std)
        require(self.batch_tokens >= 1, f"{where}.batch_tokens", "1 or more", self.batch_tokens)


WITHOUT: Mapping[str, str] = {
    "refuse": "an error before anything is judged",
    "missing": "every verdict is missing, with the reason",
}
"""What happens where unknown code cannot be kept in bounds; it is never run unprotected."""


@dataclass(frozen=True)
class CodeOptions:
    """Which tests a response's code is run against, and within which limits."""

    tests: str = "tests"
    """Column of the prompt file with the tests: Python source, a list of it, or pairs of input and
    output; see `meta.judges.code`."""
    entry_point: str = "entry_point"
    """Column with what is tested, and `check(candidate)` is given: a name, several with commas
    between them, or an expression such as `Solution().solve`. The tests have no other name from the
    code; without it, those that nobody defines."""
    setup: str = "setup"
    """Column with source to execute before the tests."""
    prefix: str = ""
    """Column with source to put before the response's code, such as a signature to complete; empty
    for none. What it defines in full, tests have from here."""
    binary: bool = True
    """Only code that passes all tests counts, as 1; else the share passed is the reward."""
    workers: int = 0
    """Responses that are run at once; 0 for one on each processor."""
    without: str = "refuse"
    """Where no sandbox can be had, one of `WITHOUT`."""
    limits: Limits = field(default_factory=Limits)
    """What each process may use."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no column, or a value outside its range.
        """
        require(bool(self.tests), f"{where}.tests", "the name of a column", "none")
        require(self.workers >= 0, f"{where}.workers", "0 (one a processor) or more", self.workers)
        hint = f"'{self.without}'; {nearest(self.without, WITHOUT)}"
        require(self.without in WITHOUT, f"{where}.without", " or ".join(WITHOUT), hint)
        self.limits.check(f"{where}.limits")


EVALUATIONS: Mapping[str, str] = {
    "strict": "the response as it is",
    "loose": "the response, or what is left of it without its first or last line or its asterisks",
}
"""What of a response has to follow an instruction, as in IFEval."""

REWARDS: Mapping[str, str] = {
    "share": "the share of the instructions that are followed",
    "all": "1 where all of them are followed, else 0",
}
"""What the instructions of a prompt amount to."""


@dataclass(frozen=True)
class InstructionsOptions:
    """How the instructions that a prompt brings along are verified."""

    evaluation: str = "strict"
    """One of `EVALUATIONS`."""
    reward: str = "share"
    """One of `REWARDS`."""

    def check(self, where: str) -> None:
        """Refuses what is in neither table.

        Raises:
            ConfigError: says which there are.
        """
        _one_of(self.evaluation, EVALUATIONS, f"{where}.evaluation")
        _one_of(self.reward, REWARDS, f"{where}.reward")


@dataclass(frozen=True)
class JsonSchemaOptions:
    """What JSON a response has to hold. Exactly one of `schema`, `file` and `column` is given."""

    schema: dict[str, Any] = field(default_factory=dict)
    """The JSON Schema itself."""
    file: str = ""
    """A JSON file that holds it."""
    column: str = ""
    """The column of the prompt file that holds each prompt's own, as a mapping or as JSON text."""
    extract: str = "auto"
    """Where the JSON is: `whole` (all of the response), `fenced` (its last block between lines of
    three backticks), or `auto` (the block where the whole is no JSON)."""

    def check(self, where: str) -> None:
        """Refuses what could not be judged by.

        Raises:
            ConfigError: no schema or several, one that cannot be checked, an unknown extraction.
        """
        given = sum(map(bool, (self.schema, self.file, self.column)))
        require(given == 1, where, "one of schema, file and column", f"{given} of them")
        _one_of(self.extract, READERS, f"{where}.extract")
        check_schema(self.schema, f"{where}.schema")


def _one_of(name: str, table: Mapping[str, object], where: str) -> None:
    require(name in table, where, " or ".join(table), f"'{name}'; {nearest(name, table)}")


JUDGES: Table = {
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
    "reward_model": Row(
        "meta.judges.reward_model:RewardModelJudge",
        RewardModelOptions,
        "the score of a sequence-classification model, such as a trained reward model",
    ),
    "check": Row(
        "meta.judges.check:CheckJudge",
        CheckOptions,
        "the degree to which one check in code is passed: a length, a pattern, an ending",
    ),
    **BY_MODELS,
    "code": Row(
        "meta.judges.code:CodeJudge",
        CodeOptions,
        "1 for code that passes the prompt's unit tests, run in a sandbox",
    ),
    "instructions": Row(
        "meta.judges.instructions:InstructionsJudge",
        InstructionsOptions,
        "the share of the prompt's verifiable instructions (IFEval's kinds) that are followed",
    ),
    "json_schema": Row(
        "meta.judges.json_schema:JsonSchemaJudge",
        JsonSchemaOptions,
        "1 for a response whose JSON is valid under a JSON Schema",
    ),
}
"""Judges by name. A judge is built as `factory(options, rubric)`, the rubric being None without."""
