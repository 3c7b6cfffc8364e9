"""Objectives that are procedures, of several runs of the loop in one learning stage: their options
and rows. Torch-free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from selfplay.core.components import Choice, component
from selfplay.core.errors import nearest, require
from solver.examples.table import SELECTIONS
from solver.objectives.row import ObjectiveRow
from solver.objectives.rows.pair_options import PairOptions
from solver.objectives.rows.trl import DpoOptions

ORDERS = ("easy_to_hard", "hard_to_easy", "random")
MERGES = ("linear", "ties", "dare_linear", "dare_ties", "magnitude_prune")


@dataclass(frozen=True)
class SdpoOptions(DpoOptions):
    """Stepwise DPO: each stage keeps to the policy that the one before made."""

    stages: int = 2
    """Parts that a round's pairs are cut into; `solver.epochs` and `solver.minibatches` hold for
    each."""
    order: str = "easy_to_hard"
    """`easy_to_hard` (the widest margins of reward first), `hard_to_easy` or `random`."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no stages, an unknown order, or what DPO refuses.
        """
        super().check(where)
        require(self.stages >= 1, f"{where}.stages", "1 or more", self.stages)
        hint = f"'{self.order}'; {nearest(self.order, ORDERS)}"
        require(self.order in ORDERS, f"{where}.order", " or ".join(ORDERS), hint)


@dataclass(frozen=True)
class PaftOptions(PairOptions):
    """Imitation and preference, each learned by an adapter of its own, then merged."""

    imitate: Choice = component("best_of_n", SELECTIONS)
    """Which responses the first adapter imitates."""
    beta: float = 0.1
    """β of the second adapter's DPO."""
    sparsity: float = 1e-4
    """λ: what each unit of the first adapter's absolute weights costs, in nats per token; sparse
    adapters get less into each other's way."""
    r: int = 16
    """Rank of both adapters."""
    alpha: int = 32
    """They are scaled by alpha / r."""
    target_modules: str | list[str] = "all-linear"
    """Module names, or `all-linear`: every linear layer but the output head."""
    merge: str = "ties"
    """`linear`: the weighted sum; `ties`: each entry's sign is elected, and the mean taken of those
    that have it; `magnitude_prune`: the sum of the largest entries; `dare_`: entries are dropped at
    random and the rest scaled up."""
    weights: tuple[float, float] = (1.0, 1.0)
    """Of imitation and of preference in the merge."""
    density: float = 0.2
    """Share of each change's entries that `ties`, `dare_` and `magnitude_prune` keep."""

    def trl(self) -> dict[str, Any]:
        """The second adapter's options as TRL's."""
        return {"beta": self.beta, "loss_type": "sigmoid"}

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or an unknown merge.
        """
        require(self.beta > 0, f"{where}.beta", "above 0", self.beta)
        require(self.sparsity >= 0, f"{where}.sparsity", "0 or more", self.sparsity)
        require(self.r >= 1, f"{where}.r", "1 or more", self.r)
        require(self.alpha > 0, f"{where}.alpha", "above 0", self.alpha)
        require(0 < self.density <= 1, f"{where}.density", "above 0, up to 1", self.density)
        hint = f"'{self.merge}'; {nearest(self.merge, MERGES)}"
        require(self.merge in MERGES, f"{where}.merge", " or ".join(MERGES), hint)


ROWS: dict[str, ObjectiveRow] = {
    "sdpo": ObjectiveRow(
        "solver.objectives.sdpo:Sdpo",
        SdpoOptions,
        "DPO in stages, each of which keeps to the one before",
        needs=("pairs", "reference"),
        reference="round_start",
        trainer="DPOTrainer",
        formula="−log σ(βΔ) on part k of the pairs, from easy to hard; π_ref and the start of stage"
        " k = the policy after stage k − 1",
        when="When one round has many pairs of uneven difficulty, and a reference that trails far"
        " behind would hold the hard ones back.",
        source="Kim et al., 2024, sDPO, arXiv 2403.19270, section 3",
    ),
    "paft": ObjectiveRow(
        "solver.objectives.paft:Paft",
        PaftOptions,
        "imitation and DPO by two adapters side by side, merged into the weights",
        needs=("pairs", "reference", "whole weights"),
        reference="round_start",
        trainer="DPOTrainer",
        formula="θ + merge(w_s δ_s, w_p δ_p); δ_s minimises −log π(y)/|y| + λ‖δ_s‖₁ on the best"
        " responses, δ_p minimises −log σ(βΔ) on pairs, both from θ",
        when="When imitation is wanted beside preferences, and one after the other would undo what"
        " the first has learned.",
        source="Pentyala et al., 2024, PAFT, arXiv 2406.17923, section 3; TIES: Yadav et al., 2023,"
        " arXiv 2306.01708; DARE: Yu et al., 2023, arXiv 2311.03099",
    ),
}
