"""Stepwise DPO: a round's pairs in parts, each part against the policy that the part before made.

Kim et al., 2024, arXiv 2403.19270. The reference moves with the policy, so that every stage starts
at Δ = 0, where DPO's loss is ln 2. The paper orders whole data sets by how often the reference
prefers the chosen response; here pairs are ordered by their margins of reward, which need no
further model. The loss is TRL's (`solver.objectives.trl_pairs`). AdamW's moments go on from stage
to stage, as they do from round to round. Left out: mixing parts of several rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.config import SolverConfig
from solver.examples.pairs import Pair, Pairing
from solver.learning.loop import run
from solver.learning.stage import Stage
from solver.objectives.pairs import pairing_metrics
from solver.objectives.trl_pairs import TrlPairs
from solver.policy import Policy


class Sdpo:
    """The objective `sdpo`."""

    def __init__(self, options: Any, config: SolverConfig) -> None:
        """Raises ConfigError for a reference that stands still, or TRL options it cannot take."""
        if config.reference not in (None, "round_start"):
            raise ConfigError(
                "solver.reference: expected null, since the reference of 'sdpo' is the policy that "
                f"its stage begins with, found '{config.reference}'. Remove it, or choose 'dpo'."
            )
        self._options, self._config = options, config
        self._dpo = TrlPairs(options, config)
        self._pairing = options.pairs.build()

    def learn(self, policy: Policy, groups: Sequence[Group], seed: Seed) -> dict[str, float]:
        """As `Objective.learn`; metrics of stage k are also told apart, with the prefix `k/`."""
        whole = Stage(policy, groups, seed, self._config)
        pairing: Pairing = self._pairing(whole.groups, seed.at("pairs"))
        metrics = pairing_metrics(whole, pairing)
        _ = whole.probe_start
        parts = in_parts(pairing.pairs, self._options.stages, self._options.order, seed.at("order"))
        found = []
        for k, pairs in enumerate(parts):
            # A stage of its own: what was scored under the policy before is not the reference now.
            stage = Stage(policy, groups, seed.at("part", k), self._config, anew=True)
            found.append(run(stage, self._dpo.plan_of(stage, replace(pairing, pairs=pairs))))
            margin = float(np.mean([pair.margin for pair in pairs]))
            told = {name: value for name, value in found[k].items() if name not in metrics}
            metrics |= {f"{k}/{name}": value for name, value in told.items()}
            metrics |= {f"{k}/pairs": float(len(pairs)), f"{k}/margin": margin}
        return metrics | together(found) | {"kl": whole.moved() if found else 0.0}


def in_parts(pairs: Sequence[Pair], parts: int, order: str, seed: Seed) -> list[tuple[Pair, ...]]:
    """The pairs in order, cut into parts of nearly equal size; none is empty.

    Pairs of equal margin keep their places.
    """
    margins_N = np.array([pair.margin for pair in pairs])
    if order == "random":
        places_N = seed.numpy().permutation(len(pairs))
    else:
        places_N = np.argsort(margins_N if order == "hard_to_easy" else -margins_N, kind="stable")
    cut = np.array_split(places_N, min(parts, len(pairs))) if len(pairs) else []
    return [tuple(pairs[i] for i in part.tolist()) for part in cut]


def together(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Sums of steps and tokens over some runs of the loop, and means over their steps."""
    steps = sum(found["steps"] for found in runs)
    means = {
        name: sum(found["steps"] * found[name] for found in runs) / steps if steps else 0.0
        for name in ("loss", "grad_norm")
    }
    return {**means, "steps": steps, "tokens": sum(found["tokens"] for found in runs)}
