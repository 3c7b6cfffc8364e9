"""CGPO's two objectives on weighted responses: their options and rows. Torch-free.

CODPO, the third, is a loss of pairs (`rows.pairs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from selfplay.core.errors import nearest, require
from solver.objectives.row import ObjectiveRow

STAND_INS = ("group_mean", "zero")


@dataclass(frozen=True)
class CgpoOptions:
    """What CRPG and CRRAFT have in common."""

    kl_max: float = 20.0
    """KL_max: bound on log(π/π_ref) of a response, in nats. No default fits all: strict for chat,
    loose for mathematics and code, and longer responses need more."""
    stand_in: str = "group_mean"
    """What takes the place of r(x, ȳ) where a prompt has no judged baseline response
    (`solver.baseline`): `group_mean`, the mean reward of the group's other responses, so that ȳ is
    as if drawn from the policy that learns; or `zero`."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a bound that is not positive, or an unknown word.
        """
        require(self.kl_max > 0, f"{where}.kl_max", "above 0", self.kl_max)
        found = f"'{self.stand_in}'; {nearest(self.stand_in, STAND_INS)}"
        require(self.stand_in in STAND_INS, f"{where}.stand_in", " or ".join(STAND_INS), found)


@dataclass(frozen=True)
class CrpgOptions(CgpoOptions):
    """Calibrated-regularised policy gradient (CGPO)."""


@dataclass(frozen=True)
class CrraftOptions(CgpoOptions):
    """Calibrated-regularised reward-ranked fine-tuning (CGPO)."""


ROWS: Mapping[str, ObjectiveRow] = MappingProxyType(
    {
        "crpg": ObjectiveRow(
            "solver.objectives.cgpo:crpg",
            CrpgOptions,
            "policy gradient on a calibrated reward that constraints and the KL cut off",
            shape="weights",
            needs=("sampling", "reference", "constraints"),
            reference="initial",
            formula="−(1/n) Σ_i (R̃_i − mean R̃) log π(y_i|x_i); R̃ = clip(1 − log(π/π_ref)/KL_max, "
            "0, 1) · σ(r(x, y) − r(x, ȳ)) · 1[y ∈ X⁺], held constant",
            when="When a reward can be exploited and judges can say which responses are not"
            " acceptable; it keeps the spread of the samples.",
            source="Xu et al., 2024, CGPO, arXiv 2409.20370, the CRPG optimiser; the upper clip is"
            " this project's",
        ),
        "crraft": ObjectiveRow(
            "solver.objectives.cgpo:crraft",
            CrraftOptions,
            "imitation of the best response that keeps all constraints and stays near the"
            " reference",
            shape="weights",
            needs=("sampling", "reference", "constraints"),
            reference="initial",
            formula="−σ(r(x, y*) − r(x, ȳ)) log π(y*|x); y* = argmax r over y ∈ X⁺ with"
            " log(π/π_ref) ≤ KL_max; where there is none, y* = ȳ if it keeps the constraints",
            when="As crpg where only good responses shall be learned from: steadier, and it"
            " sharpens.",
            source="Xu et al., 2024, CGPO, arXiv 2409.20370, the CRRAFT optimiser",
        ),
    }
)
"""Name → objective."""
