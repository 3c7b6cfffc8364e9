"""From a chosen objective to one that learns."""

from __future__ import annotations

from selfplay.core.components import Choice, load_attribute
from selfplay.core.errors import ConfigError
from solver.config import SolverConfig
from solver.objectives.groups import GroupObjective, WeightedObjective
from solver.objectives.objective import Objective
from solver.objectives.pairs import PairObjective
from solver.objectives.table import OBJECTIVES

SHAPES = {"pairs": PairObjective, "groups": GroupObjective, "weights": WeightedObjective}
"""What makes an objective of a pure function."""


def build_objective(choice: Choice, config: SolverConfig) -> Objective:
    """The objective, or a user's own class called with (options, config).

    Raises:
        ConfigError: options that do not go together, or that TRL does not take.
    """
    row = OBJECTIVES.get(choice.name)
    if row is None:
        objective: Objective = choice.build(config)
        return objective
    if config.reference is not None and not {"reference", "reference logits"} & set(row.needs):
        raise ConfigError(
            f"solver.reference: expected null, since '{choice.name}' has no reference policy, "
            f"found '{config.reference}'. Remove it, or choose an objective with a reference."
        )
    if row.shape == "class":
        made: Objective = load_attribute(row.factory)(choice.options, config)
        return made
    shaped: Objective = SHAPES[row.shape](load_attribute(row.factory), row, choice.options, config)
    return shaped
