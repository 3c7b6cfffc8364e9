"""Policy gradients of groups: against TRL's trainers used plainly, and their closed forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.config import LengthConfig, PolicyConfig
from solver.learning.stage import Stage
from solver.objectives.rows.groups import DapoOptions, DrGrpoOptions, GrpoOptions, RlooOptions
from solver.objectives.trl_groups import Grpo, Rloo, soft_penalties
from solver.policy import Policy
from tests.solver.objectives.plain_trl import (
    LONGEST,
    RATE,
    Gradients,
    config_of,
    distance,
    farthest,
    gradients,
    groups_of,
    texts_of,
    trained,
)

REWARDS_PG = np.random.default_rng(0).normal(size=(4, 4))


class Replay:
    """Hands recorded responses and their rewards to a TRL trainer, in the order it asks in."""

    def __init__(self, directory: Path, groups: list[Group]) -> None:
        self._prompts = [prompt for prompt, _ in texts_of(directory, groups)]
        self._tokenizer = AutoTokenizer.from_pretrained(directory)
        self._groups = groups

    @property
    def data(self) -> dict[str, list[Any]]:
        return {"prompt": self._prompts}

    def _places(self, prompts: list[str]) -> list[tuple[int, int]]:
        asked = [self._prompts.index(prompt) for prompt in prompts]
        return [(p, asked[:i].count(p)) for i, p in enumerate(asked)]

    def generate(self, prompts: list[str]) -> tuple[list[list[int]], list[list[int]]]:
        ids = [self._groups[p].responses[g].token_ids.tolist() for p, g in self._places(prompts)]
        return self._tokenizer(prompts).input_ids, ids

    def rollout(self, prompts: list[str], trainer: Any) -> dict[str, Any]:
        asked, answered = self.generate(prompts)
        logprobs = [[0.0] * len(ids) for ids in answered]
        return {"prompt_ids": asked, "completion_ids": answered, "logprobs": logprobs}

    def reward(self, prompts: list[str], **_columns: Any) -> list[float | None]:
        rewards = [float(self._groups[p].rewards[g]) for p, g in self._places(prompts)]
        return [None if np.isnan(reward) else reward for reward in rewards]


def plain(
    directory: Path,
    scratch: Path,
    groups: list[Group],
    trainer: type,
    config: type,
    options: dict[str, Any],
    rate: float = RATE,
) -> list[Gradients]:
    """Two iterations over the groups by TRL's trainer, each in two micro-batches."""
    replay = Replay(directory, groups)
    arguments: dict[str, Any] = {"reward_funcs": replay.reward}
    if issubclass(trainer, GRPOTrainer):
        arguments["rollout_func"] = replay.rollout
    else:

        class Recorded(trainer):  # type: ignore[misc]
            """Generates nothing."""

            def _generate(self, prompts: list[str]) -> Any:
                asked, answered = replay.generate(prompts)
                return asked, answered, self.processing_class.batch_decode(answered)

        trainer = Recorded
    size = sum(len(group.responses) for group in groups)
    given = {
        "per_device_train_batch_size": size // 2,
        "gradient_accumulation_steps": 2,
        "num_generations": len(groups[0].responses),
        "num_iterations": 2,
        "shuffle_dataset": False,
        "max_completion_length": LONGEST,
        "temperature": 1.0,
        **options,
    }
    return trained(directory, scratch, trainer, config, replay.data, 2, given, rate, **arguments)


@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        (
            GrpoOptions(beta=0.1),
            {"loss_type": "grpo", "beta": 0.1, "use_bias_correction_kl": False},
        ),
        (
            GrpoOptions(beta=0.1, importance="sequence"),
            {
                "loss_type": "grpo",
                "beta": 0.1,
                "importance_sampling_level": "sequence",
                "use_bias_correction_kl": False,
            },
        ),
        (
            GrpoOptions(beta=0.0, importance="sequence", epsilon=0.05),
            {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 0.05},
        ),
        (DrGrpoOptions(), {"loss_type": "dr_grpo", "scale_rewards": "none"}),
        (DapoOptions(overlong=0.0), {"loss_type": "dapo", "epsilon_high": 0.28}),
    ],
    ids=["grpo", "gspo with a kl", "gspo", "dr_grpo", "dapo"],
)
def test_grpo_takes_the_steps_of_trls_own_trainer(
    tiny_model_dir: Path, tmp_path: Path, options: GrpoOptions, theirs: dict[str, Any]
) -> None:
    rewards_PG = REWARDS_PG.copy()
    if not isinstance(options, DapoOptions):
        # TRL counts the tokens of tied groups in DAPO's denominator; the paper drops them.
        rewards_PG[1] = 0.25
    groups = groups_of(rewards_PG)
    expected = plain(tiny_model_dir, tmp_path, groups, GRPOTrainer, GRPOConfig, theirs)
    found, metrics = gradients(
        tiny_model_dir, Grpo, options, groups, epochs=2, micro_batch_tokens=100
    )
    assert farthest(found, expected) < 1e-5
    assert metrics["clip_ratio/region_mean"] > 0


@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        (RlooOptions(beta=0.3), {"beta": 0.3}),
        (RlooOptions(beta=0.0, normalize_advantages=True), {"normalize_advantages": True}),
    ],
)
def test_rloo_takes_the_steps_of_trls_own_trainer(
    tiny_model_dir: Path, tmp_path: Path, options: RlooOptions, theirs: dict[str, Any]
) -> None:
    groups, rate = groups_of(REWARDS_PG), 0.0005
    given = {"beta": 0.0, "epsilon": 0.2} | theirs
    expected = plain(tiny_model_dir, tmp_path, groups, RLOOTrainer, RLOOConfig, given, rate)
    found, metrics = gradients(
        tiny_model_dir, Rloo, options, groups, rate, epochs=2, micro_batch_tokens=100
    )
    assert farthest(found, expected) < 1e-5
    assert metrics["clip_ratio/region_mean"] > 0


@pytest.mark.parametrize(
    ("options", "trl"),
    [
        (GrpoOptions(), {}),
        (DrGrpoOptions(beta=0.1), {}),
        (DapoOptions(cache=4), {}),
        (GrpoOptions(beta=0.0), {"entropy_coef": 0.1, "top_entropy_quantile": 0.5}),
    ],
    ids=["grpo", "dr_grpo", "dapo", "grpo with entropy"],
)
def test_a_step_does_not_depend_on_how_it_is_cut(
    tiny_model_dir: Path, options: GrpoOptions, trl: dict[str, Any]
) -> None:
    rewards_PG = REWARDS_PG.copy()
    rewards_PG[2, :2] = np.nan
    rewards_PG[3] = 1.0
    groups = groups_of(rewards_PG)
    found = [
        gradients(tiny_model_dir, Grpo, options, groups, epochs=2, micro_batch_tokens=n, trl=trl)[0]
        for n in (10**6, 60)
    ]
    assert len(found[0]) == 2
    assert farthest(*found) < 1e-5


def test_an_entropy_bonus_and_a_kl_teach_where_rewards_do_not(tiny_model_dir: Path) -> None:
    tied = groups_of(np.ones((4, 4)))
    without = GrpoOptions(beta=0.0)
    assert gradients(tiny_model_dir, Grpo, without, tied)[0] == []
    (bonus,), _ = gradients(tiny_model_dir, Grpo, without, tied, trl={"entropy_coef": 0.1})
    assert sum(float(g.norm()) for g in bonus.values()) > 1e-3
    _, (second) = gradients(tiny_model_dir, Grpo, GrpoOptions(beta=0.1), tied, epochs=2)[0]
    assert sum(float(g.norm()) for g in second.values()) < 1e-4


@pytest.mark.parametrize(
    ("make", "options"),
    [(Grpo, DrGrpoOptions()), (Grpo, DapoOptions()), (Rloo, RlooOptions(beta=0.0))],
)
def test_equal_rewards_give_zero_gradient(tiny_model_dir: Path, make: Any, options: Any) -> None:
    found, metrics = gradients(tiny_model_dir, make, options, groups_of(np.full((4, 4), 0.1)))
    assert found == []
    assert (metrics["groups_tied"], metrics["groups_used"]) == (4.0, 0.0)


def test_dapo_drops_tied_outcomes_even_where_lengths_tell_them_apart(tiny_model_dir: Path) -> None:
    rewards_PG = np.stack([np.ones(4), REWARDS_PG[1], np.zeros(4), [np.nan, np.nan, 1.0, np.nan]])
    groups = groups_of(rewards_PG)
    shaped: dict[str, Any] = {"length": LengthConfig(5, 0.01)}
    (alone,), metrics = gradients(tiny_model_dir, Grpo, DapoOptions(), groups, **shaped)
    counted = (metrics["groups_used"], metrics["groups_tied"], metrics["groups_unscored"])
    assert counted == (1.0, 2.0, 1.0)
    only = [Group(g.prompt, g.responses, "train", 0, g.verdicts) for g in groups[1:2]]
    (expected,), _ = gradients(tiny_model_dir, Grpo, DapoOptions(), only, **shaped)
    assert distance(alone, expected) < 1e-5


def test_dapo_penalises_the_last_cache_tokens(tiny_model_dir: Path) -> None:
    groups = groups_of(np.zeros((4, 4)))
    config = config_of()
    policy = Policy.load(PolicyConfig(str(tiny_model_dir), device="cpu", threads=1), config)
    stage = Stage(policy, groups, Seed(0), config)
    penalties_PG = soft_penalties(stage, DapoOptions(overlong=2.0, max_length=8, cache=4))
    for group, row in zip(groups, penalties_PG, strict=True):
        expected = [2 * min(1, max(0, (r.length - 4) / 4)) for r in group.responses]
        assert row.tolist() == pytest.approx(expected)
    assert 0 < (penalties_PG > 0).mean() < 1
    default_PG = soft_penalties(stage, DapoOptions())
    assert default_PG[0].tolist() == [float(r.length >= LONGEST) for r in groups[0].responses]


def test_a_temperature_enters_policy_and_reference_alike(tiny_model_dir: Path) -> None:
    groups = groups_of(REWARDS_PG)
    for make, options in ((Rloo, RlooOptions()), (Grpo, GrpoOptions())):
        settings = config_of()
        warm = type(settings.sampling)(max_new_tokens=LONGEST, temperature=0.7)
        settings = type(settings)(warm)
        policy = Policy.load(PolicyConfig(str(tiny_model_dir), device="cpu", threads=1), settings)
        plan = make(options, settings).plan(Stage(policy, groups, Seed(1), settings))
        policy.module.train()
        for step in plan.steps:
            for one in step:
                one.loss()
        metrics = {**plan.metrics, **plan.close()}
        assert abs(metrics["kl_reference"]) < 1e-5


def test_grpo_starts_at_minus_the_mean_advantage(tiny_model_dir: Path) -> None:
    settings = config_of()
    policy = Policy.load(PolicyConfig(str(tiny_model_dir), device="cpu", threads=1), settings)
    stage = Stage(policy, groups_of(REWARDS_PG), Seed(1), settings)
    ((one,),) = Grpo(GrpoOptions(), settings).plan(stage).steps
    policy.module.train()
    with torch.no_grad():
        assert abs(float(one.loss()[0])) < 1e-5


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("importance_sampling_level", "objective's own options"),
        ("scale_rewards", "objective's own options"),
        ("max_completion_length", "responses are recorded"),
        ("delt", "did you mean 'delta'"),
    ],
)
def test_trl_options_that_would_change_nothing_are_refused(option: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Grpo(GrpoOptions(), config_of(trl={option: 1}))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (GrpoOptions(beta=-1), "beta"),
        (GrpoOptions(epsilon=2), "epsilon"),
        (GrpoOptions(importance="word"), "importance"),
        (DapoOptions(cache=9, max_length=8), "cache"),
        (DapoOptions(overlong=-1), "overlong"),
        (RlooOptions(epsilon_high=-0.1), "epsilon_high"),
    ],
)
def test_impossible_options_are_refused_by_name(options: Any, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"solver\.objective\.{name}"):
        options.check("solver.objective")
