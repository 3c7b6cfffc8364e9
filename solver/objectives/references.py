"""Whether an objective can keep to the reference that the configuration names. Torch-free."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from selfplay.core.errors import ConfigError
from solver.config import REFERENCES, SolverConfig
from solver.objectives.row import Need


def check_reference(name: str, needs: Collection[Need], config: SolverConfig) -> None:
    """Refuses a reference before any model loads.

    Args:
        name: the objective's.
        needs: its own and those of its parts.
        config: names the reference.

    Raises:
        ConfigError: the objective has none, or needs more of it than is recorded, or there is no
            such directory.
    """
    reference = config.reference
    if reference is None:
        return
    if not {"reference", "reference logits"} & set(needs):
        raise ConfigError(
            f"solver.reference: expected null, since '{name}' has no reference policy, found "
            f"'{reference}'. Remove it, or choose an objective with a reference."
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
