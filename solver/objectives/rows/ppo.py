"""Options and rows of classic RLHF: `ppo` and the reward model `rm`. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.core.components import Choice, component
from selfplay.core.errors import require
from solver.examples.table import PAIRINGS
from solver.objectives.row import ObjectiveRow
from solver.objectives.rows.pair_options import PairOptions


@dataclass(frozen=True)
class PpoOptions:
    """Proximal policy optimisation with a value head on the policy's body."""

    beta: float = 0.05
    """Weight of each token's KL to the reference inside its reward; 0 has no reference, and takes
    none."""
    gamma: float = 1.0
    """Discount of a reward one token further on."""
    gae_lambda: float = 0.95
    """Between the value's own error (0) and the whole return (1)."""
    epsilon: float = 0.2
    """Clip of each token's ratio."""
    epsilon_value: float | None = 0.2
    """How far a value may move from that of the stage's start; not clipped when null."""
    value_weight: float = 0.1
    """Weight of the value's loss beside the policy's."""
    whiten: bool = True
    """Centre the stage's advantages and divide them by their standard deviation."""
    value_reaches_body: bool = True
    """The value's loss changes the policy's body too, and not the head alone."""
    value_warmup: int = 0
    """Learning stages at the start in which the value head alone learns, on a fixed policy (value
    pretraining; Yuan et al., 2025, arXiv 2503.01491)."""
    pretraining_mix: float = 0.0
    """Weight of a likelihood loss on texts beside the policy's (InstructGPT's PPO-ptx); 0: none."""
    pretraining: str | None = None
    """JSON Lines with the texts: rows with `text`, or with `prompt` and `completion`."""
    pretraining_batch: int = 16
    """Texts drawn for each optimiser step."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or a mix without its texts.
        """
        require(self.beta >= 0, f"{where}.beta", "0 or more", self.beta)
        for name in ("gamma", "gae_lambda"):
            require(0 <= getattr(self, name) <= 1, f"{where}.{name}", "0 to 1", getattr(self, name))
        for name in ("epsilon", "epsilon_value"):
            value = getattr(self, name)
            require(value is None or value > 0, f"{where}.{name}", "above 0", value)
        for name in ("value_weight", "value_warmup", "pretraining_mix"):
            require(getattr(self, name) >= 0, f"{where}.{name}", "0 or more", getattr(self, name))
        batch = self.pretraining_batch
        require(batch >= 1, f"{where}.pretraining_batch", "1 or more", batch)
        require(
            (self.pretraining is None) == (self.pretraining_mix == 0),
            f"{where}.pretraining",
            "a file of texts together with a pretraining_mix above 0, or neither",
            f"pretraining={self.pretraining} and pretraining_mix={self.pretraining_mix}",
        )


@dataclass(frozen=True)
class RewardModelOptions(PairOptions):
    """A reward model: a scalar head that learns which of two responses is preferred."""

    pairs: Choice = component("all_pairs", PAIRINGS)
    """Which responses of a group are compared. All comparisons of a prompt stay in one pass, where
    each response is scored once."""
    margin: bool = False
    """Ask the scores to differ by as much as the rewards do (Llama 2, arXiv 2307.09288, eq. 2)."""
    soft: bool = True
    """Where a judge or a record says how likely the chosen response is the better one (`pairwise`,
    a column `probability`), take that for the label; else every label is 1."""


ROWS: dict[str, ObjectiveRow] = {
    "ppo": ObjectiveRow(
        "solver.objectives.actor_critic:Ppo",
        PpoOptions,
        "clipped policy gradient per token with a learned value",
        needs=("sampling", "reference", "value head"),
        reference="initial",
        reference_weight="beta",
        formula="−min(q_t·A_t, clip(q_t, 1−ε, 1+ε)·A_t) + c·½·max((V_t − R_t)²,"
        " (clip(V_t, V_old,t ± ε_v) − R_t)²), q_t = π/π_old of a token, A by GAE(γ, λ),"
        " R = A + V_old; token reward −β·log(π_old/π_ref), r added on the last token",
        when="Classic RLHF, and long responses whose tokens deserve credit of their own; works with"
        " one response to a prompt.",
        source="Schulman et al., 2017, arXiv 1707.06347, equation 7; Ouyang et al., 2022"
        " (InstructGPT), arXiv 2203.02155, equation 2; GAE: Schulman et al., 2015, arXiv"
        " 1506.02438, equation 16",
    ),
    "rm": ObjectiveRow(
        "solver.objectives.reward_model:RewardModel",
        RewardModelOptions,
        "trains a reward model on comparisons",
        needs=("pairs", "reward head"),
        trainer="RewardTrainer",
        formula="−p log σ(d) − (1 − p) log σ(−d), d = s_w − s_l − m, s the reward head's score at"
        " the last token, p the comparison's label (1 where none was recorded), m = r_w − r_l if"
        " `margin`, else 0 (here r is the recorded reward)",
        when="The middle step of classic RLHF: comparisons in, a reward model out, which the judge"
        " `reward_model` reads.",
        source="Ouyang et al., 2022 (InstructGPT), arXiv 2203.02155, equation 1; Stiennon et al.,"
        " 2020, arXiv 2009.01325, section 3.4; soft labels: Lee et al., 2023 (RLAIF), arXiv"
        " 2309.00267, section 2.2",
    ),
}
