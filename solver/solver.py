"""The solver role: answers prompts, learns from judged groups, saves and restores its policy."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Group, Prompt, Response, Sampling
from solver.baselines import baseline_responses, has_baseline
from solver.checkpoint import restore_policy, save_policy
from solver.config import PolicyConfig, SolverConfig
from solver.export import export_reward_model, reward_scores
from solver.learning.errors import SharedError
from solver.learning.memory import PeakMemory
from solver.learning.orders import Learn, TakeOver, state_of, take_over
from solver.learning.team import join
from solver.objectives.build import build_objective
from solver.objectives.objective import Objective
from solver.policy import Policy
from solver.schedule import rate_factor


def check_solver(config: SolverConfig) -> None:
    """Builds the objective and throws it away: what it refuses is refused before a model loads.

    Raises:
        ConfigError: an option that is passed through to TRL is unknown, or not to be passed.
    """
    build_objective(config.objective, config)


def leading_solver(chosen: PolicyConfig, config: SolverConfig) -> Solver:
    """A solver at version 0, in the first process of a launch; the others make theirs.

    Raises:
        ModelError, ConfigError, ResourceError: as `Policy.load`, or a process is gone.
    """
    team = join()
    with team.order((chosen, config)):
        return Solver(config, Policy.load(chosen, config, team))


class Solver:
    """One policy under one objective.

    Learning is a function of (policy state, groups, seed): the state is weights, their moving
    average where that is the reference, AdamW's moments and the version; `save` writes all of it.
    """

    def __init__(self, config: SolverConfig, policy: Policy) -> None:
        self._config = config
        self._policy = policy
        self._objective: Objective = build_objective(config.objective, config)
        self._peak_bytes: int | None = None

    @property
    def peak_bytes(self) -> int | None:
        """Most memory that the newest learning stage took; see `PeakMemory`."""
        return self._peak_bytes

    @property
    def version(self) -> int:
        """Learning stages done."""
        return self._policy.version

    @property
    def name(self) -> str:
        """The model's name."""
        return self._policy.model.name

    @property
    def policy(self) -> Policy:
        """The live policy, for roles that share its model."""
        return self._policy

    def respond(
        self,
        prompts: Sequence[Prompt],
        seed: Seed,
        sampling: Sampling | None = None,
        n: int | None = None,
    ) -> list[tuple[Response, ...]]:
        """Responses of each prompt, in order.

        Args:
            sampling: how to draw; the configuration's training sampling when None.
            n: responses per prompt in place of `sampling.n`.

        Raises:
            ModelError: a prompt does not fit the model's context.
        """
        chosen = sampling or self._config.sampling
        chosen = replace(chosen, n=n) if n is not None else chosen
        return self._policy.model.generate([p.messages for p in prompts], chosen, seed)

    def with_baseline(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Those of the prompts that get a baseline response (`solver.baseline`)."""
        return [prompt for prompt in prompts if has_baseline(prompt, self._config.baseline)]

    def baselines(self, prompts: Sequence[Prompt], seed: Seed) -> list[tuple[Response, ...]]:
        """One baseline response for each prompt of `with_baseline`; see `solver.baselines`."""
        config = self._config
        return baseline_responses(self._policy, prompts, config.baseline, config.sampling, seed)

    def learn(self, groups: Sequence[Group], seed: Seed) -> dict[str, float]:
        """One learning stage; the version advances even when nothing could be learned from.

        Args:
            groups: those to learn from; groups of the purpose `baseline` calibrate their rewards.
            seed: of whatever the objective draws.

        Returns:
            loss, grad_norm, steps, tokens (in the passes), kl (nats per response, to the stage's
            start), learning_rate, groups_used / _tied / _unscored, responses_missing, and the
            trainer's own.

        Raises:
            NotFiniteError: the loss or the gradient is not finite; restore a version to go on.
        """
        config = self._config
        factor = rate_factor(self.version, config.schedule, config.rounds, config.warmup_rounds)
        rate = config.learning_rate * factor
        self._policy.set_learning_rate(rate)
        missing = sum(
            len(group.responses) - int(np.isfinite(group.rewards).sum())
            for group in groups
            if group.purpose != "baseline"
        )
        peak = PeakMemory(self._policy.device)
        with self._policy.team.order(Learn(groups, seed)):
            metrics = self._objective.learn(self._policy, groups, seed)
        self._peak_bytes = peak.bytes
        self._policy.update_average()
        self._policy.version += 1
        return metrics | {"learning_rate": rate, "responses_missing": float(missing)}

    def save(self, directory: Path) -> str:
        """Writes the policy's whole state; returns its SHA-256. See `solver.checkpoint`."""
        return save_policy(self._policy, directory)

    def restore(self, directory: Path) -> None:
        """Goes back (or on) to a saved state. Raises ModelError if it cannot be used."""
        restore_policy(self._policy, directory)
        self._hand_over(state_of(self._policy))

    def follow(self) -> None:
        """In the other processes of a launch: does what the first one tells, until it is done.

        Raises:
            ResourceError: a process of the launch is gone.
        """
        while (order := self._policy.team.hear()) is not None:
            # The first process meets a shared error too, and decides what comes next.
            with suppress(SharedError):
                if isinstance(order, TakeOver):
                    self._hand_over(order)
                else:
                    self.learn(order.groups, order.seed)

    def dismiss(self) -> None:
        """In the first process of a launch: lets the others end, and ends the connections."""
        self._policy.team.dismiss()
        self._policy.team.leave()

    def _hand_over(self, order: TakeOver) -> None:
        with self._policy.team.order(order):
            take_over(self._policy, order)

    def reward_scores(self, groups: Sequence[Group]) -> list[NDArray[np.float32]]:
        """The reward head's score of each response, shape (n,) for each group.

        Raises:
            ModelError: the policy has no reward head.
        """
        return reward_scores(self._policy, groups)

    def export_reward_model(self, directory: Path) -> None:
        """Writes the reward model in transformers' layout. See `solver.export`."""
        export_reward_model(self._policy, directory)

    def prompt_ids(self, chats: Sequence[Chat]) -> list[list[int]]:
        """Token ids of each chat under the model's template."""
        return self._policy.model.prompt_ids(chats)

    def prompt_lengths(self, prompts: Sequence[Prompt]) -> list[int]:
        """Tokens of each prompt, chat template included."""
        return [len(ids) for ids in self.prompt_ids([prompt.messages for prompt in prompts])]

    def tokenize(self, text: str, closed: bool = False) -> list[int]:
        """Token ids of a recorded response, with what ends a turn behind it when `closed`."""
        return self._policy.model.response_ids(text, closed)

    @property
    def vocabulary(self) -> int:
        """Tokens that the model has embeddings for."""
        return int(self.policy.module.get_input_embeddings().weight.size(0))

    @property
    def context(self) -> int:
        """Most tokens that prompt and response may have together."""
        return self._policy.pretrained.context

    def decode(self, token_ids: Sequence[NDArray[np.int32]]) -> list[str]:
        """The text of each response, without special tokens."""
        return self._policy.model.decode(token_ids)
