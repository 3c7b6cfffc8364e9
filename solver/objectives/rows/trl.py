"""Options and rows of the pair objectives that TRL computes. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfplay.core.errors import ConfigError, nearest, require
from solver.objectives.row import ObjectiveRow
from solver.objectives.rows.pair_options import CheckedPairOptions

DPO_LOSSES = (
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
    "sigmoid_norm",
)
"""TRL's names."""

COUPLED_DPO_LOSSES = ("aot", "aot_unpaired", "sft")
"""Those that are no mean over pairs: they sort over the batch, or divide by its tokens."""


@dataclass(frozen=True)
class DpoOptions(CheckedPairOptions):
    """Direct preference optimisation."""

    beta: float = 0.1
    """Strength of the tie to the reference."""
    loss_type: str = "sigmoid"
    """TRL's name: `sigmoid` (DPO), `hinge`, `ipo`, `exo_pair`, `nca_pair`, `robust`, `bco_pair`,
    `sppo_hard`, `aot`, `aot_unpaired`, `apo_zero`, `apo_down`, `discopop`, `sft` or `sigmoid_norm`.
    `aot` and `aot_unpaired` sort over an optimiser step and `sft` divides by its tokens: with these
    a step is one pass, whatever `solver.micro_batch_tokens`."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a loss that TRL does not have, or β that is not positive.
        """
        super().check(where)
        if self.loss_type not in DPO_LOSSES:
            raise ConfigError(
                f"{where}.loss_type: TRL has no loss '{self.loss_type}'; "
                f"{nearest(self.loss_type, DPO_LOSSES)}"
            )

    def trl(self) -> dict[str, Any]:
        """These options as TRL's."""
        return {"beta": self.beta, "loss_type": self.loss_type}


@dataclass(frozen=True)
class HingeOptions(CheckedPairOptions):
    """Hinge loss on the gap (RSO; SLiC normalised by a reference)."""

    beta: float = 0.05
    """Pairs whose gap exceeds 1 / beta stop pulling."""

    def trl(self) -> dict[str, Any]:
        """These options as TRL's."""
        return {"beta": self.beta, "loss_type": "hinge"}


@dataclass(frozen=True)
class IpoOptions(CheckedPairOptions):
    """Identity preference optimisation, on per-token averages."""

    ABOVE_ZERO: ClassVar[tuple[str, ...]] = ("tau",)

    tau: float = 0.1
    """The gap is drawn to 1 / (2 tau)."""

    def trl(self) -> dict[str, Any]:
        """These options as TRL's."""
        return {"beta": self.tau, "loss_type": "ipo"}


@dataclass(frozen=True)
class LddpoOptions(CheckedPairOptions):
    """Length-desensitised DPO."""

    beta: float = 0.1
    """Strength of the tie to the reference."""
    alpha: float = 0.5
    """Weight of the tokens beyond the length of the pair's shorter response."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: alpha outside of [0, 1], or β that is not positive.
        """
        super().check(where)
        require(0 <= self.alpha <= 1, f"{where}.alpha", "0 to 1", self.alpha)

    def trl(self) -> dict[str, Any]:
        """These options as TRL's."""
        return {"beta": self.beta, "loss_type": "sigmoid", "ld_alpha": self.alpha}


@dataclass(frozen=True)
class DpoNormOptions(CheckedPairOptions):
    """DPO on log-ratios divided by their lengths."""

    beta: float = 0.1
    """Per token: values of 1 to 10 are usual."""

    def trl(self) -> dict[str, Any]:
        """These options as TRL's."""
        return {"beta": self.beta, "loss_type": "sigmoid_norm"}


PAIRS = "solver.objectives.trl_pairs:TrlPairs"

ROWS: dict[str, ObjectiveRow] = {
    "dpo": ObjectiveRow(
        PAIRS,
        DpoOptions,
        "preference loss on pairs",
        needs=("pairs", "reference"),
        reference="round_start",
        trainer="DPOTrainer",
        formula="−log σ(βΔ)",
        when="The baseline among preference losses; online it is iterative DPO.",
        source="Rafailov et al., 2023, arXiv 2305.18290, equation 7",
    ),
    "hinge": ObjectiveRow(
        PAIRS,
        HingeOptions,
        "hinge on the gap",
        needs=("pairs", "reference"),
        reference="round_start",
        trainer="DPOTrainer",
        formula="max(0, 1 − βΔ)",
        when="When pairs that are clearly apart should stop pulling.",
        source="Liu et al., 2023 (RSO), arXiv 2309.06657, equation 10",
    ),
    "ipo": ObjectiveRow(
        PAIRS,
        IpoOptions,
        "squared distance of the gap to a target",
        needs=("pairs", "reference"),
        reference="round_start",
        trainer="DPOTrainer",
        formula="(Δ̄ − 1/(2τ))², Δ̄ from per-token averages",
        when="When preferences are near certain and DPO would push the gap without bound.",
        source="Azar et al., 2023, arXiv 2310.12036, equation 17",
    ),
    "lddpo": ObjectiveRow(
        PAIRS,
        LddpoOptions,
        "DPO that discounts the longer response's tail",
        needs=("pairs", "reference"),
        reference="round_start",
        trainer="DPOTrainer",
        formula="DPO with log p = log p(first min-length tokens) + α·log p(tail)",
        when="When chosen responses are longer than rejected ones and length drifts.",
        source="Liu et al., 2024, arXiv 2409.06411, equation 10",
    ),
    "dpo_norm": ObjectiveRow(
        PAIRS,
        DpoNormOptions,
        "DPO on length-normalised log-ratios",
        needs=("pairs", "reference"),
        reference="round_start",
        trainer="DPOTrainer",
        formula="−log σ(β(r_w/|y_w| − r_l/|y_l|))",
        when="As SimPO where a reference is wanted.",
        source="Meng et al., 2024 (SimPO), arXiv 2405.14734, table 3; Tülu 3, arXiv 2411.15124",
    ),
}
