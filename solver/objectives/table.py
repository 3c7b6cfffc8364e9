"""The table of objectives, put together from the families. Torch-free.

To add an objective: one function and one row. A preference loss is a function from `PairBatch`
(solver/objectives/terms.py) and options to the loss of each pair; its row, in the family's file
under solver/objectives/rows, says where it is, what it needs and what its options are.
"""

from __future__ import annotations

from types import MappingProxyType

from solver.objectives.row import ObjectiveRow
from solver.objectives.rows import cgpo, combined, groups, pairs, ppo, procedures, trl

OBJECTIVES: MappingProxyType[str, ObjectiveRow] = MappingProxyType(
    {
        **trl.ROWS,
        **groups.ROWS,
        **pairs.ROWS,
        **procedures.ROWS,
        **ppo.ROWS,
        **cgpo.ROWS,
        **combined.ROWS,
    }
)
