"""The constraints that a prompt brings along, and whether a response follows each of them.

They come in IFEval's own layout, as two further columns of the prompt file: `instruction_id_list`,
a list of kinds, and `kwargs`, a list of as many mappings. Parameters without a value are left out,
so that files in which every mapping has every key work too.

Strict and loose evaluation are IFEval's (arXiv 2311.07911, section 2.2). Loose asks whether any of
eight variants follows the constraint: the response without its first line, without its last,
without both, or whole; each with its asterisks, or without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfplay.core.checks import check_parameters, run_check
from selfplay.core.errors import ConfigError, DataError, nearest
from selfplay.core.instructions.table import INSTRUCTIONS
from selfplay.core.types import Prompt

IDS, PARAMETERS = "instruction_id_list", "kwargs"
"""The columns."""


@dataclass(frozen=True)
class Instruction:
    """One constraint of a prompt."""

    kind: str
    """Its name in `INSTRUCTIONS`."""
    parameters: Any
    """An instance of that row's parameters."""
    name: str
    """The kind; with its number behind `#` where the prompt has the kind before."""


def instructions_of(prompt: Prompt) -> tuple[Instruction, ...]:
    """The constraints of a prompt, in order.

    Raises:
        DataError: it has none, they are in another layout, or one of them cannot be used.
    """
    kinds, given = prompt.extra.get(IDS), prompt.extra.get(PARAMETERS)
    if not kinds:
        raise DataError(f"the prompt has no instructions: its column '{IDS}' is absent or empty")
    if not (isinstance(kinds, Sequence) and isinstance(given, Sequence)) or isinstance(kinds, str):
        raise DataError(f"expected lists in the columns '{IDS}' and '{PARAMETERS}'")
    if len(kinds) != len(given):
        raise DataError(f"{len(kinds)} entries of '{IDS}' and {len(given)} of '{PARAMETERS}'")
    return tuple(
        _instruction(kind, values, 1 + list(kinds[:i]).count(kind))
        for i, (kind, values) in enumerate(zip(kinds, given, strict=True))
    )


def _instruction(kind: object, values: object, occurrence: int) -> Instruction:
    if not isinstance(kind, str) or kind not in INSTRUCTIONS:
        raise DataError(f"no instruction is called '{kind}'; {nearest(str(kind), INSTRUCTIONS)}")
    if not isinstance(values, Mapping | None):
        raise DataError(f"{kind}: expected a mapping among '{PARAMETERS}', found {values!r}")
    plain = {key: value for key, value in (values or {}).items() if value is not None}
    try:
        parameters = check_parameters(kind, plain, PARAMETERS)
    except ConfigError as error:
        raise DataError(str(error)) from error
    return Instruction(kind, parameters, kind if occurrence == 1 else f"{kind}#{occurrence}")


def follows(instruction: Instruction, text: str, prompt: Prompt, loose: bool = False) -> bool:
    """Whether a response follows a constraint.

    Raises:
        DataError: that cannot be told of the response.
    """
    if run_check(instruction.kind, instruction.parameters, text, prompt) >= 1.0:
        return True
    return loose and any(_variant_follows(instruction, part, prompt) for part in variants(text))


def _variant_follows(instruction: Instruction, text: str, prompt: Prompt) -> bool:
    try:
        return run_check(instruction.kind, instruction.parameters, text, prompt) >= 1.0
    except DataError:  # what is left of the response is too short to tell
        return False


def variants(text: str) -> tuple[str, ...]:
    """The seven that loose evaluation looks at beside the response itself."""
    lines = text.split("\n")
    parts = ["\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])]
    return (text.replace("*", ""), *parts, *(part.replace("*", "") for part in parts))
