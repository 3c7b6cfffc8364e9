"""Options and rows of the objectives on groups and on single responses. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from selfplay.core.components import Choice, component
from selfplay.core.errors import ConfigError, nearest, require
from solver.examples.table import SELECTIONS, UNPAIRED
from solver.objectives.row import ObjectiveRow

IMPORTANCE = ("token", "sequence")
SFT_LOSSES = ("nll", "dft")


@dataclass(frozen=True)
class RlooOptions:
    """REINFORCE leave-one-out (Ahmadian et al., 2024), clipped at the sequence level."""

    beta: float = 0.05
    """Weight of the KL to the reference inside the reward; 0 has no reference, and takes none."""
    epsilon: float = 0.2
    """Clip of the sequence ratio: at least 1 - epsilon."""
    epsilon_high: float | None = None
    """At most 1 + epsilon_high; `epsilon` when null."""
    normalize_advantages: bool = False
    """Divide the round's advantages by their standard deviation."""
    mask_truncated: bool = False
    """Leave responses that were cut off at `solver.sampling.max_new_tokens` out of the loss and out
    of its mean (DAPO's over-long filtering): their reward says little of the tokens that are there.
    It still counts in the group's advantages."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        _check_clip(self.beta, self.epsilon, self.epsilon_high, where)

    def trl(self) -> dict[str, Any]:
        """These options as TRL's; its KL is in the reward, and rewards are handed over."""
        return {"epsilon": self.epsilon, "epsilon_high": self.epsilon_high}


@dataclass(frozen=True)
class GrpoOptions:
    """Group relative policy optimisation: the mean over responses of the mean over tokens."""

    LOSS: ClassVar[str] = "grpo"
    """TRL's name of how token losses are put together."""
    SCALED: ClassVar[bool] = True
    """Are a group's advantages divided by the standard deviation of its rewards?"""

    beta: float = 0.04
    """Weight of the KL to the reference beside the surrogate, estimated token by token (k3); 0
    has no reference, and takes none."""
    epsilon: float = 0.2
    """Clip of the probability ratio: at least 1 - epsilon."""
    epsilon_high: float | None = None
    """At most 1 + epsilon_high; `epsilon` when null."""
    importance: str = "token"
    """The ratio is of each `token`, or the geometric mean over the `sequence` (GSPO, Zheng et al.,
    2025, arXiv 2507.18071; clips of 3e-4 and 4e-4 are usual there)."""
    mask_truncated: bool = False
    """Leave responses that were cut off at `solver.sampling.max_new_tokens` out of the loss and out
    of its mean (DAPO's over-long filtering): their reward says little of the tokens that are there.
    It still counts in the group's advantages."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or an unknown word.
        """
        _check_clip(self.beta, self.epsilon, self.epsilon_high, where)
        hint = f"'{self.importance}'; {nearest(self.importance, IMPORTANCE)}"
        require(self.importance in IMPORTANCE, f"{where}.importance", " or ".join(IMPORTANCE), hint)

    def trl(self) -> dict[str, Any]:
        """These options as TRL's."""
        return {
            "loss_type": self.LOSS,
            "beta": self.beta,
            "epsilon": self.epsilon,
            "epsilon_high": self.epsilon_high,
            "importance_sampling_level": self.importance,
        }


@dataclass(frozen=True)
class DrGrpoOptions(GrpoOptions):
    """GRPO done right: no division by deviation or length, so that neither biases the gradient."""

    LOSS: ClassVar[str] = "dr_grpo"
    SCALED: ClassVar[bool] = False

    beta: float = 0.0
    """Weight of the KL to the reference beside the surrogate; the paper has none. 0 takes no
    `solver.reference`."""
    importance: str = "token"
    """The ratio is of each `token`, or the geometric mean over the `sequence`. The latter is not
    GSPO here: a response's one surrogate counts once for each of its tokens (choose `grpo`)."""
    max_length: int | None = None
    """L: tokens that a response's sum is divided by; `solver.sampling.max_new_tokens` when null.
    Where neither is given for recorded responses, the longest of the learning stage."""

    def check(self, where: str) -> None:
        """As `GrpoOptions.check`."""
        super().check(where)
        length = self.max_length
        require(length is None or length >= 1, f"{where}.max_length", "null, or 1 or more", length)


@dataclass(frozen=True)
class DapoOptions(GrpoOptions):
    """Decoupled clip and dynamic sampling. `solver.refill` draws prompts for dropped groups."""

    LOSS: ClassVar[str] = "dapo"

    beta: float = 0.0
    """Weight of the KL to the reference beside the surrogate; the paper has none. 0 takes no
    `solver.reference`."""
    epsilon_high: float | None = 0.28
    """At most 1 + epsilon_high; `epsilon` when null."""
    importance: str = "token"
    """The ratio is of each `token`, or the geometric mean over the `sequence`. The latter is not
    GSPO here: a response's one surrogate counts once for each of its tokens (choose `grpo`)."""
    overlong: float = 1.0
    """What an over-long response loses at most, in units of the reward; 0 takes nothing."""
    max_length: int | None = None
    """Tokens at which all of `overlong` is lost; `solver.sampling.max_new_tokens` when null. Where
    neither is given for recorded responses, nobody knows, and nothing is lost."""
    cache: int | None = None
    """Tokens before `max_length` over which the loss rises; a fifth of `max_length` when null (the
    paper: 4,096 of 20,480)."""

    def check(self, where: str) -> None:
        """As `GrpoOptions.check`."""
        super().check(where)
        require(self.overlong >= 0, f"{where}.overlong", "0 or more", self.overlong)
        length, cache = self.max_length, self.cache
        require(length is None or length >= 1, f"{where}.max_length", "null, or 1 or more", length)
        fits = cache is None or 0 <= cache <= (length or cache)
        require(fits, f"{where}.cache", "null, or 0 to max_length", cache)


@dataclass(frozen=True)
class SppoOptions:
    """Self-play preference optimisation: log-ratios are drawn to scaled win rates."""

    beta: float = 0.001
    """β: a response that always wins is drawn to a log-ratio of almost 1 / (2β) nats."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: β is not positive.
        """
        require(self.beta > 0, f"{where}.beta", "above 0", self.beta)


@dataclass(frozen=True)
class ListwiseOptions:
    """The likelihood of the whole ranking of a group (Plackett-Luce)."""

    beta: float = 0.1
    """β: strength of the tie to the reference."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: β is not positive.
        """
        require(self.beta > 0, f"{where}.beta", "above 0", self.beta)


@dataclass(frozen=True)
class KtoOptions:
    """Kahneman-Tversky optimisation, on responses that are good or bad by themselves."""

    examples: Choice = component("threshold", UNPAIRED)
    """Which responses are good and which are bad."""
    beta: float = 0.1
    """β: strength of the tie to the reference."""
    desirable_weight: float = 1.0
    """λ_D: of each good response. The paper wants λ_D·(good ones) / λ_U·(bad ones) in 1 to 4/3."""
    undesirable_weight: float = 1.0
    """λ_U: of each bad response."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: β is not positive, or a weight is negative.
        """
        require(self.beta > 0, f"{where}.beta", "above 0", self.beta)
        for name in ("desirable_weight", "undesirable_weight"):
            require(getattr(self, name) >= 0, f"{where}.{name}", "0 or more", getattr(self, name))

    def trl(self) -> dict[str, Any]:
        """These options as TRL's."""
        return {
            "loss_type": "kto",
            "beta": self.beta,
            "desirable_weight": self.desirable_weight,
            "undesirable_weight": self.undesirable_weight,
        }


@dataclass(frozen=True)
class SftOptions:
    """Imitation of chosen responses."""

    examples: Choice = component("best_of_n", SELECTIONS)
    """Which responses are worth imitating."""
    loss_type: str = "nll"
    """`nll`, or `dft`: each token's loss weighs its own probability (Wu et al., 2025, arXiv
    2508.05629)."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a loss that TRL does not have.
        """
        if self.loss_type not in SFT_LOSSES:
            raise ConfigError(
                f"{where}.loss_type: TRL has no loss '{self.loss_type}'; "
                f"{nearest(self.loss_type, SFT_LOSSES)}"
            )

    def trl(self) -> dict[str, Any]:
        """These options as TRL's."""
        return {"loss_type": self.loss_type}


def _check_clip(beta: float, epsilon: float, epsilon_high: float | None, where: str) -> None:
    require(beta >= 0, f"{where}.beta", "0 or more", beta)
    require(0 <= epsilon <= 1, f"{where}.epsilon", "0 to 1", epsilon)
    high = epsilon_high
    require(high is None or high >= 0, f"{where}.epsilon_high", "null, or 0 or more", high)


ROWS: Mapping[str, ObjectiveRow] = MappingProxyType(
    {
        "rloo": ObjectiveRow(
            "solver.objectives.trl_groups:Rloo",
            RlooOptions,
            "leave-one-out policy gradient on whole groups",
            needs=("groups", "sampling", "reference"),
            reference="initial",
            reference_weight="beta",
            trainer="RLOOTrainer",
            formula="−min(q·A, clip(q, 1−ε, 1+ε_high)·A); q = π(y|x)/π_old(y|x), "
            "A_i = R_i − mean of the others, R = r − β·log(π_old/π_ref)",
            when="The default for rewards that can be checked: unbiased, no critic, no pairs.",
            source="Ahmadian et al., 2024, arXiv 2402.14740, section 3",
        ),
        "grpo": ObjectiveRow(
            "solver.objectives.trl_groups:Grpo",
            GrpoOptions,
            "clipped policy gradient with rewards standardised in each group",
            needs=("groups", "sampling", "reference"),
            reference="initial",
            reference_weight="beta",
            trainer="GRPOTrainer",
            formula="mean over responses of 1/|y| Σ_t [−min(q_t·A, clip(q_t, 1−ε, 1+ε_high)·A)"
            " + β(π_ref/π − log(π_ref/π) − 1)]; q_t = π/π_old of the token,"
            " A = (R − mean)/(std + 1e-4)",
            when="When results are to be compared with published GRPO runs; a response's tokens"
            " share its weight, so that long wrong answers cost little.",
            source="Shao et al., 2024, DeepSeekMath, arXiv 2402.03300, eq. 3",
        ),
        "dr_grpo": ObjectiveRow(
            "solver.objectives.trl_groups:Grpo",
            DrGrpoOptions,
            "GRPO without its biases by length and by difficulty",
            needs=("groups", "sampling", "reference"),
            reference="initial",
            reference_weight="beta",
            trainer="GRPOTrainer",
            formula="mean over responses of 1/L Σ_t −min(q_t·A, clip(q_t, 1−ε, 1+ε_high)·A);"
            " A = R − mean, L = max_length",
            when="When wrong answers grow longer under grpo, or groups that are almost all right"
            " or all wrong get too much weight.",
            source="Liu et al., 2025, Understanding R1-Zero-Like Training, arXiv 2503.20783,"
            " section 3.2",
        ),
        "dapo": ObjectiveRow(
            "solver.objectives.trl_groups:Grpo",
            DapoOptions,
            "GRPO by token, a wider upper clip, tied groups dropped, over-long answers penalised",
            needs=("groups", "sampling", "reference"),
            reference="initial",
            reference_weight="beta",
            trainer="GRPOTrainer",
            formula="1/N Σ over the step's tokens of −min(q_t·A, clip(q_t, 1−ε, 1+ε_high)·A);"
            " N = their number, A = (R − mean)/(std + 1e-4), R = r − overlong·min(1, max(0,"
            " (|y| − max_length + cache)/cache))",
            when="For long answers with checkable rewards, where entropy collapses under grpo; with"
            " solver.refill, which replaces the dropped groups.",
            source="Yu et al., 2025, DAPO, arXiv 2503.14476, section 3",
        ),
        "sppo": ObjectiveRow(
            "solver.objectives.ranked:sppo",
            SppoOptions,
            "squared distance of each log-ratio to the response's scaled win rate",
            shape="groups",
            needs=("groups", "reference"),
            reference="round_start",
            formula="1/n Σ_i ½[r_i − (P_i − ½)/β]²; P_i = mean over the group of 1 (beaten),"
            " ½ (tied, and itself), 0",
            when="For rewards whose order is worth more than their values; every response of a"
            " group teaches, and each round starts from its own reference.",
            source="Wu et al., 2024, SPPO, arXiv 2405.00675, section 4",
        ),
        "listwise": ObjectiveRow(
            "solver.objectives.ranked:listwise",
            ListwiseOptions,
            "likelihood of the group's whole ranking",
            shape="groups",
            needs=("groups", "reference"),
            reference="round_start",
            formula="−Σ_k log(e^{βr_k} / Σ_{j: R_j ≤ R_k} e^{βr_j})",
            when="When rewards rank many responses of a group and pairs would throw most of it"
            " away; with two responses it is dpo.",
            source="Rafailov et al., 2023, arXiv 2305.18290, appendix A.3; ties as in"
            " Breslow, 1974, Biometrics 30",
        ),
        "kto": ObjectiveRow(
            "solver.objectives.trl_singles:Kto",
            KtoOptions,
            "good responses up and bad ones down, each by itself",
            needs=("unpaired", "reference"),
            reference="round_start",
            trainer="KTOTrainer",
            formula="λ_D[1 − σ(β(r − z₀))] of a good response, λ_U[1 − σ(β(z₀ − r))] of a bad one;"
            " z₀ = max(0, mean r over mismatched prompts and responses of the step), constant"
            " under the gradient",
            when="For binary feedback, or groups that are all right or all wrong and give no pair.",
            source="Ethayarajh et al., 2024, KTO, arXiv 2402.01306, eqs. 7 and 8",
        ),
        "sft": ObjectiveRow(
            "solver.objectives.trl_singles:Sft",
            SftOptions,
            "imitation of chosen responses, by default the best of each group",
            needs=("responses",),
            trainer="SFTTrainer",
            formula="−1/N Σ log π(y_t | x, y_<t) over the N response tokens of the step",
            when="To begin with (RAFT, best-of-n distillation), or as a baseline.",
            source="Dong et al., 2023, RAFT, arXiv 2304.06767",
        ),
    }
)
"""Name → objective."""
