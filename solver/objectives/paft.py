"""PAFT: imitation and preference learned side by side from the same weights, then merged.

Pentyala et al., 2024, arXiv 2406.17923. A learning stage puts two fresh low-rank adapters on the
policy: one imitates good responses under an L1 penalty, one learns pairs by DPO (TRL's) against the
policy as the stage begins. Each has an AdamW of its own that ends with the stage. Their changes are
merged and added to the whole weights, which alone are the policy's state. The paper trains both on
data sets of their own for a whole run; here both learn from the same round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.config import SolverConfig, check_together
from solver.learning.batches import micro_batches, steps_of
from solver.learning.loop import run
from solver.learning.plan import Loss, Pass, Plan
from solver.learning.stage import Place, Stage
from solver.objectives.batch import responses
from solver.objectives.merging import adapters, fold
from solver.objectives.row import ObjectiveRow
from solver.objectives.rows.procedures import PaftOptions
from solver.objectives.rows.trl import DpoOptions
from solver.objectives.sdpo import together
from solver.objectives.trl_pairs import TrlPairs
from solver.policy import Policy

NAMES = ("imitation", "preference")
PLAIN = ObjectiveRow("", PaftOptions, "log-probabilities alone")


class Paft:
    """The objective `paft`."""

    def __init__(self, options: PaftOptions, config: SolverConfig) -> None:
        """Raises ConfigError for TRL options that cannot be passed on."""
        self._options, self._config = options, config
        self._select = options.imitate.build()
        self._dpo = TrlPairs(DpoOptions(options.pairs, options.beta), config)

    def learn(self, policy: Policy, groups: Sequence[Group], seed: Seed) -> dict[str, float]:
        """As `Objective.learn`; metrics of the adapters are also told apart, by their names.

        Raises:
            ConfigError: the policy's weights are frozen; nothing was changed.
        """
        check_together(policy.chosen, self._config)
        if hasattr(policy.pretrained.module, "peft_config"):
            raise ConfigError(
                "model.path: expected whole weights, since paft merges adapters of its own into "
                "them, found an adapter directory. Merge it first (PEFT's merge_and_unload), or "
                "choose another objective, such as dpo."
            )
        options = self._options
        whole = Stage(policy, groups, seed, self._config)
        _ = whole.probe_start
        rate = policy.optimizer.param_groups[0]["lr"]
        peft = {
            "r": options.r,
            "lora_alpha": options.alpha,
            "target_modules": options.target_modules,
        }
        found = []
        with adapters(policy.pretrained.module, NAMES, peft, seed.at("adapters")) as wrapped:
            for name in NAMES:
                wrapped.set_adapter(name)
                learner = self._learner(policy, wrapped, rate)
                stage = Stage(learner, groups, seed.at(name), self._config)
                plan = self._imitation(stage) if name == "imitation" else self._dpo.plan(stage)
                found.append(run(stage, plan))
            fold(
                wrapped,
                policy.masters.add,
                NAMES,
                options.merge,
                options.weights,
                options.density,
                seed.at("merge"),
            )
        told = {
            f"{name}/{key}": value
            for name, metrics in zip(NAMES, found, strict=True)
            for key, value in metrics.items()
        }
        return found[1] | told | together(found) | {"kl": whole.moved()}

    def _learner(self, policy: Policy, wrapped: Any, rate: float) -> Policy:
        """The policy with the active adapter in place of the weights as what learns."""
        pretrained = replace(policy.pretrained, module=wrapped)
        learner = replace(policy, pretrained=pretrained)
        learner.set_learning_rate(rate)
        return learner

    def _imitation(self, stage: Stage) -> Plan:
        """-log π of the chosen responses, a mean over a step's tokens, + λ‖δ‖₁."""
        selection = self._select(stage.groups, stage.seed.at("select"))
        places: list[Place] = [
            place
            for single in selection.singles
            if stage.response(place := (single.group, single.response)).length
        ]
        lengths = [stage.row(place).length for place in places]
        config = stage.config

        def passed(chunk: Sequence[int], total: int) -> Pass:
            found = responses(stage, [places[i] for i in chunk], PLAIN)
            tokens = sum(stage.response(places[i]).length for i in chunk)

            def loss() -> Loss:
                nll = -found.scores().logps_R.sum() / tokens
                size = torch.stack([p.abs().sum() for p in stage.policy.learned]).sum()
                return nll + self._options.sparsity * size, {"nll": float(nll.detach())}

            return Pass(loss, tokens / total, found.tokens, found.tensors)

        steps = []
        generator = stage.seed.at("shuffle").numpy()
        epochs = config.epochs if places else 0
        for step in steps_of(len(places), config.minibatches, epochs, generator):
            total = sum(stage.response(places[i]).length for i in step)
            chunks = micro_batches(
                step.tolist(), lengths, config.micro_batch_tokens, stage.policy.team.size
            )
            steps.append([passed(chunk, total) for chunk in chunks])
        return Plan(steps, {"responses": float(len(places))})
