"""From a chosen objective to one that learns."""

from __future__ import annotations

from selfplay.core.components import Choice, load_attribute
from selfplay.core.errors import ConfigError
from solver.config import SolverConfig
from solver.objectives.groups import GroupObjective, WeightedObjective
from solver.objectives.needs import rows_of
from solver.objectives.objective import Objective
from solver.objectives.pairs import PairObjective
from solver.objectives.references import check_reference
from solver.objectives.table import OBJECTIVES

SHAPES = {"pairs": PairObjective, "groups": GroupObjective, "weights": WeightedObjective}
"""What makes an objective of a pure function."""


def build_objective(choice: Choice, config: SolverConfig) -> Objective:
    """The objective, or a user's own class called with (options, config).

    Raises:
        ConfigError: options that do not go together, or that TRL does not take.
    """
    if choice.name in OBJECTIVES:
        check_reference(choice, config)
        if config.trl and not any(row.trainer for row in rows_of(choice)):
            raise ConfigError(
                f"solver.trl: expected nothing, since the loss of '{choice.name}' is not TRL's, "
                f"found {', '.join(config.trl)}. Remove it, or choose an objective on one of TRL's "
                "trainers (docs/objectives.md)."
            )
    return made_objective(choice, config)


def made_objective(choice: Choice, config: SolverConfig) -> Objective:
    """As `build_objective`; a part of a combination, which may lack the reference of another.

    Raises:
        ConfigError: as `build_objective`.
    """
    row = OBJECTIVES.get(choice.name)
    if row is None:
        objective: Objective = choice.build(config)
        return objective
    if row.shape == "class":
        made: Objective = load_attribute(row.factory)(choice.options, config)
        return made
    shaped: Objective = SHAPES[row.shape](load_attribute(row.factory), row, choice.options, config)
    return shaped
