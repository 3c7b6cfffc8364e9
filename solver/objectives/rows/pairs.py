"""Objectives on pairs that are this project's own code: their options and rows. Torch-free.

Defaults are the papers', where they name one. Greek letters in the fields' docstrings are those of
the row's formula.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from selfplay.core.components import Choice, component
from selfplay.core.errors import ConfigError, nearest, require
from solver.examples.table import PAIRINGS
from solver.objectives.row import ObjectiveRow
from solver.objectives.rows.pair_options import CheckedPairOptions

GPO_FUNCTIONS = ("logistic", "hinge", "squared", "exponential", "truncated_quadratic", "savage")


@dataclass(frozen=True)
class GpoOptions(CheckedPairOptions):
    """Generalised preference optimisation: any of six functions of the scaled gap."""

    beta: float = 0.1
    """β: scale of the gap; where a function has a margin, it is reached at Δ = 1/β."""
    function: str = "logistic"
    """f: `logistic`, `hinge`, `squared`, `exponential`, `truncated_quadratic` or `savage`."""

    def check(self, where: str) -> None:
        """As `CheckedPairOptions.check`."""
        super().check(where)
        if self.function not in GPO_FUNCTIONS:
            raise ConfigError(
                f"{where}.function: GPO has no function '{self.function}'; "
                f"{nearest(self.function, GPO_FUNCTIONS)}"
            )


@dataclass(frozen=True)
class BetaDpoOptions(CheckedPairOptions):
    """DPO whose β follows the gaps of each optimiser step, on the pairs that are no outliers."""

    NOT_BELOW_ZERO = ("adaptation",)

    beta: float = 0.1
    """β₀: of a step whose kept pairs have the usual gap."""
    adaptation: float = 0.6
    """a: by how much of β₀ it grows for each nat that the step's mean gap is above the usual."""
    keep: float = 0.8
    """Share of each step's pairs that are learned from."""
    momentum: float = 0.9
    """Weight of the past in the running mean and deviation of the gap."""

    def check(self, where: str) -> None:
        """As `CheckedPairOptions.check`."""
        super().check(where)
        require(0 < self.keep <= 1, f"{where}.keep", "above 0 and up to 1", self.keep)
        require(0 <= self.momentum < 1, f"{where}.momentum", "from 0 to below 1", self.momentum)


@dataclass(frozen=True)
class DpopOptions(CheckedPairOptions):
    """DPO-Positive: DPO that may not make the chosen response less likely."""

    NOT_BELOW_ZERO = ("penalty",)

    beta: float = 0.3
    """β: strength of the tie to the reference."""
    penalty: float = 50.0
    """λ: cost of each nat that the chosen response lies below the reference, in nats of the gap."""


@dataclass(frozen=True)
class RdpoOptions(CheckedPairOptions):
    """Length-regularised DPO."""

    NOT_BELOW_ZERO = ("alpha",)

    beta: float = 0.1
    """β: strength of the tie to the reference."""
    alpha: float = 0.01
    """α: how much of a preference is put down to each token that the chosen response is longer
    by. The paper tunes it for each task."""


@dataclass(frozen=True)
class Tdpo1Options(CheckedPairOptions):
    """Token-level DPO, first form."""

    beta: float = 0.1
    """β: strength of the tie to the reference."""


@dataclass(frozen=True)
class Tdpo2Options(CheckedPairOptions):
    """Token-level DPO, second form: the divergence of the chosen response is held fixed."""

    NOT_BELOW_ZERO = ("alpha",)

    beta: float = 0.1
    """β: strength of the tie to the reference."""
    alpha: float = 0.5
    """α: weight of the divergences beside the gap."""


@dataclass(frozen=True)
class SlicOptions(CheckedPairOptions):
    """Sequence likelihood calibration from feedback (SLiC-HF)."""

    ABOVE_ZERO = ("delta",)
    NOT_BELOW_ZERO = ("sft_weight",)

    delta: float = 1.0
    """δ: margin of the summed log-probabilities, in nats."""
    sft_weight: float = 0.1
    """λ: weight of imitating the chosen response, which stands in for the paper's SFT target."""


@dataclass(frozen=True)
class SimpoOptions(CheckedPairOptions):
    """Simple preference optimisation: mean log-probabilities, a margin and no reference."""

    NOT_BELOW_ZERO = ("gamma",)

    beta: float = 2.0
    """β: scale of the mean log-probabilities. Far above DPO's: a mean is far below a sum."""
    gamma: float = 1.0
    """γ: margin of the scaled difference; the paper's best are a quarter to a half of β."""


@dataclass(frozen=True)
class OrpoOptions(CheckedPairOptions):
    """Odds-ratio preference optimisation: imitation and preference in one."""

    ABOVE_ZERO = ()
    NOT_BELOW_ZERO = ("odds_weight",)

    odds_weight: float = 0.1
    """λ: weight of the odds ratio beside imitating the chosen response."""


@dataclass(frozen=True)
class CodpoOptions(CheckedPairOptions):
    """Constrained online DPO (CGPO)."""

    NOT_BELOW_ZERO = ("sft_weight",)

    pairs: Choice = component("constraints", PAIRINGS)
    """Which responses of a group become pairs."""
    beta: float = 0.1
    """β: strength of the tie to the reference."""
    sft_weight: float = 0.2
    """λ: weight of imitating the chosen response, each token of it alike; 0.2 is Llama 3's for the
    same term (arXiv 2407.21783, section 4.1.4)."""


ROWS: Mapping[str, ObjectiveRow] = MappingProxyType(
    {
        "gpo": ObjectiveRow(
            "solver.objectives.margins:gpo",
            GpoOptions,
            "any of six functions of the gap: logistic, hinge, squared, exponential and others",
            shape="pairs",
            needs=("pairs", "reference"),
            reference="round_start",
            formula="f(βΔ); f(z) = −log σ(z) (logistic), max(0, 1 − z) (hinge), (z − 1)² (squared),"
            " e^−z (exponential), max(0, 1 − z)² (truncated_quadratic), (1 + e^z)^−2 (savage)",
            when="To compare loss shapes on the same pairs: squared stops pushing at a fixed margin"
            ", savage forgives mislabelled pairs, exponential chases them.",
            source="Tang et al., 2024, Generalized Preference Optimization, arXiv 2402.05749,"
            " table 1",
        ),
        "beta_dpo": ObjectiveRow(
            "solver.objectives.margins:beta_dpo",
            BetaDpoOptions,
            "DPO with a β that follows the step's gaps, outlying pairs left out",
            shape="pairs",
            needs=("pairs", "reference"),
            reference="round_start",
            formula="−log σ(β_b Δ); β_b = max(1e-3, β₀[1 + a(mean Δ_kept − m)]); m, s = running"
            " mean and deviation of Δ; kept: a share drawn by exp(−½((Δ − m)/s)²)",
            when="When the pairs' quality varies from step to step and steps hold many pairs (32 or"
            " more), so that their mean gap says something.",
            source="Wu et al., 2024, β-DPO, arXiv 2407.08639, section 4, and the authors' code",
            whole_step=True,
        ),
        "dpop": ObjectiveRow(
            "solver.objectives.margins:dpop",
            DpopOptions,
            "DPO that holds the chosen response at or above the reference",
            shape="pairs",
            needs=("pairs", "reference"),
            reference="initial",
            formula="−log σ(β[Δ − λ max(0, −r_w)])",
            when="When the two responses of a pair differ in few tokens (mathematics, code) and"
            " plain DPO makes both of them less likely.",
            source="Pal et al., 2024, Smaug, arXiv 2402.13228, eq. 3",
        ),
        "rdpo": ObjectiveRow(
            "solver.objectives.margins:rdpo",
            RdpoOptions,
            "DPO that puts part of each preference down to length",
            shape="pairs",
            needs=("pairs", "reference"),
            reference="round_start",
            formula="−log σ(βΔ + α(|y_w| − |y_l|))",
            when="When chosen responses tend to be the longer ones and answers grow from round to"
            " round without getting better.",
            source="Park et al., 2024, Disentangling Length from Quality in DPO, arXiv 2403.19159;"
            " the sign as derived there from E[r − α|y|] (many texts print the opposite)",
        ),
        "tdpo1": ObjectiveRow(
            "solver.objectives.tdpo:tdpo1",
            Tdpo1Options,
            "DPO with the difference of the responses' sequential divergences as a margin",
            shape="pairs",
            needs=("pairs", "reference logits"),
            reference="round_start",
            formula="−log σ(β[Δ − (K_l − K_w)]); K = Σ_t KL(π_ref(·|s_t) ‖ π(·|s_t)) over the"
            " response",
            when="To see what TDPO's margin does by itself; tdpo2 is the form to train with.",
            source="Zeng et al., 2024, Token-level DPO, arXiv 2404.11999, section 4.3",
        ),
        "tdpo2": ObjectiveRow(
            "solver.objectives.tdpo:tdpo2",
            Tdpo2Options,
            "DPO that keeps the divergence along the rejected response close to the chosen one's",
            shape="pairs",
            needs=("pairs", "reference logits"),
            reference="round_start",
            formula="−log σ(β[Δ − α(K_l − sg(K_w))]); K = Σ_t KL(π_ref(·|s_t) ‖ π(·|s_t)) over the"
            " response",
            when="When DPO drifts too far from the reference or loses diversity, and there is"
            " memory for the reference's whole distributions.",
            source="Zeng et al., 2024, Token-level DPO, arXiv 2404.11999, section 4.3",
        ),
        "slic": ObjectiveRow(
            "solver.objectives.reference_free:slic",
            SlicOptions,
            "a margin between the log-probabilities, with imitation of the chosen response",
            shape="pairs",
            needs=("pairs",),
            formula="max(0, δ − ℓ_w + ℓ_l) − λ log π(y_w)",
            when="When a reference does not fit in memory and the two responses have similar"
            " lengths, since log-probabilities are summed, not averaged.",
            source="Zhao et al., 2023, SLiC-HF, arXiv 2305.10425, section 2",
        ),
        "simpo": ObjectiveRow(
            "solver.objectives.reference_free:simpo",
            SimpoOptions,
            "a margin between mean log-probabilities, without a reference",
            shape="pairs",
            needs=("pairs",),
            formula="−log σ(β ℓ_w/|y_w| − β ℓ_l/|y_l| − γ)",
            when="When memory or time for a reference is short and answers must not grow longer;"
            " nothing but a small learning rate holds it near its start.",
            source="Meng et al., 2024, SimPO, arXiv 2405.14734, eq. 6",
        ),
        "orpo": ObjectiveRow(
            "solver.objectives.reference_free:orpo",
            OrpoOptions,
            "imitation of the chosen response and its odds over the rejected one, in one loss",
            shape="pairs",
            needs=("pairs",),
            formula="−ℓ_w/|y_w| − λ log σ(lo_w − lo_l); lo = log(P/(1 − P)), P = exp(ℓ/|y|)",
            when="When a base model is to learn the format and the preference at once, without an"
            " SFT stage before.",
            source="Hong et al., 2024, ORPO, arXiv 2403.07691, eqs. 6 and 7",
        ),
        "codpo": ObjectiveRow(
            "solver.objectives.codpo:codpo",
            CodpoOptions,
            "DPO of responses that keep all constraints over those that break one, with imitation",
            shape="pairs",
            needs=("pairs", "reference", "constraints"),
            reference="round_start",
            formula="−log σ(βΔ) − (λ/|y⁺|) log π(y⁺); y⁺ = the best that keeps all constraints,"
            " y⁻ = the worst that breaks one",
            when="When judges name broken constraints and a high reward must not make up for one.",
            source="Xu et al., 2024, CGPO, arXiv 2409.20370, the CODPO optimiser",
        ),
    }
)
"""Name → objective."""
