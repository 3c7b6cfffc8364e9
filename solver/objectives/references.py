"""Whether an objective can keep to the reference that the configuration names. Torch-free."""

from __future__ import annotations

from pathlib import Path

from selfplay.core.components import Choice
from selfplay.core.errors import ConfigError
from solver.config import REFERENCES, SolverConfig
from solver.objectives.needs import needs_of, rows_of


def check_reference(choice: Choice, config: SolverConfig) -> None:
    """Refuses a reference before any model loads.

    Args:
        choice: the objective, with its parts where it has any.
        config: names the reference.

    Raises:
        ConfigError: the objective has none, or gives it no weight, or needs more of it than is
            recorded, or there is no such directory.
    """
    reference, name, needs = config.reference, choice.name, needs_of(choice)
    if reference is None:
        return
    if not {"reference", "reference logits"} & needs:
        why, way = _unread(choice)
        raise ConfigError(
            f"solver.reference: expected null, since '{name}' {why}, found '{reference}'. "
            f"Remove it, or {way}."
        )
    if reference == "precomputed" and "reference logits" in needs:
        raise ConfigError(
            f"solver.reference: '{name}' compares whole distributions, and of those nothing is "
            "recorded; found 'precomputed'. Choose round_start, initial, moving_average or a model "
            "directory."
        )
    if config.reference_directory is not None and not Path(reference).is_dir():
        raise ConfigError(
            f"solver.reference: expected {', '.join(REFERENCES)} or a model directory, found "
            f"'{reference}', which is no directory. Check the path; a model of the hub is "
            "downloaded first."
        )


def _unread(choice: Choice) -> tuple[str, str]:
    """Why nothing of the objective reads a reference, and what would."""
    weights = sorted({row.reference_weight for row in rows_of(choice)} - {""})
    if not weights:
        return "has no reference policy", "choose an objective with a reference"
    option = " and ".join(weights)
    return f"does not read its reference policy while {option} is 0", f"set {option} above 0"
