"""KTO and SFT: against TRL's trainers used plainly, and their closed forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from trl import KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.config import PolicyConfig
from solver.examples.singles import Single
from solver.examples.table import SELECTIONS, UNPAIRED, BestOfNOptions
from solver.learning.stage import Stage
from solver.objectives.rows.groups import KtoOptions, SftOptions
from solver.objectives.trl_singles import Kto, Sft, mismatched
from solver.policy import Policy
from tests.solver.objectives.plain_trl import (
    config_of,
    farthest,
    gradients,
    groups_of,
    texts_of,
    trained,
)

NAN = np.nan
ONE_EACH = np.array([[0.9, NAN], [NAN, 0.1], [0.0, NAN], [0.5, NAN]])
"""A single scored response to each prompt, so that TRL's rotation mismatches prompts as ours."""
REWARDS_PG = np.random.default_rng(3).uniform(size=(4, 3))
IMITATE_ALL = SftOptions(examples=chosen("all", SELECTIONS))


def stage_of(directory: Path, groups: list[Group], **config: Any) -> Stage:
    settings = config_of(**config)
    policy = Policy.load(PolicyConfig(str(directory), device="cpu", threads=1), settings)
    return Stage(policy, groups, Seed(1), settings)


def columns(directory: Path, groups: list[Group]) -> dict[str, list[Any]]:
    """Prompt, completion and label of each scored response."""
    rows = [
        (prompt, answer, bool(reward >= 0.5))
        for group, (prompt, answers) in zip(groups, texts_of(directory, groups), strict=True)
        for answer, reward in zip(answers, group.rewards, strict=True)
        if np.isfinite(reward)
    ]
    prompts, completions, labels = zip(*rows, strict=True)
    return {"prompt": list(prompts), "completion": list(completions), "label": list(labels)}


def test_kto_takes_the_steps_of_trls_own_trainer(tiny_model_dir: Path, tmp_path: Path) -> None:
    groups, steps = groups_of(ONE_EACH), 4
    theirs = {
        "beta": 0.3,
        "desirable_weight": 1.5,
        "undesirable_weight": 0.5,
        "per_device_train_batch_size": 4,
        "num_train_epochs": steps,
    }
    data = columns(tiny_model_dir, groups)
    expected = trained(tiny_model_dir, tmp_path, KTOTrainer, KTOConfig, data, steps, theirs)
    options = KtoOptions(beta=0.3, desirable_weight=1.5, undesirable_weight=0.5)
    found, metrics = gradients(
        tiny_model_dir, Kto, options, groups, epochs=steps, micro_batch_tokens=30
    )
    assert farthest(found, expected) < 1e-5
    assert metrics["baseline"] > 0


def test_sft_takes_the_steps_of_trls_own_trainer(tiny_model_dir: Path, tmp_path: Path) -> None:
    groups = groups_of(REWARDS_PG)
    data = columns(tiny_model_dir, groups)
    del data["label"]
    theirs = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 3}
    expected = trained(tiny_model_dir, tmp_path, SFTTrainer, SFTConfig, data, 2, theirs)
    found, _ = gradients(tiny_model_dir, Sft, IMITATE_ALL, groups, epochs=2, micro_batch_tokens=60)
    assert farthest(found, expected) < 1e-5


@pytest.mark.parametrize(
    ("make", "options"), [(Kto, KtoOptions(beta=0.3)), (Sft, IMITATE_ALL)], ids=["kto", "sft"]
)
def test_a_step_does_not_depend_on_how_it_is_cut(
    tiny_model_dir: Path, make: Any, options: Any
) -> None:
    groups = groups_of(REWARDS_PG)
    whole, cut = (
        gradients(tiny_model_dir, make, options, groups, epochs=2, micro_batch_tokens=n)
        for n in (10**6, 40)
    )
    assert farthest(whole[0], cut[0]) < 1e-5


def test_kto_at_the_reference_is_half_of_each_weight(tiny_model_dir: Path) -> None:
    stage = stage_of(tiny_model_dir, groups_of([[0.9, 0.1, 0.2], [0.3, 0.4, 0.8]]))
    options = KtoOptions(desirable_weight=3.0, undesirable_weight=0.5)
    ((one,),) = Kto(options, stage.config).plan(stage).steps
    stage.policy.module.train()
    with torch.no_grad():
        loss = float(one.loss()[0])
    assert loss == pytest.approx((2 * 3.0 + 4 * 0.5) / 2 / 6, abs=1e-5)


def test_the_baseline_stands_every_response_behind_another_prompt(tiny_model_dir: Path) -> None:
    stage = stage_of(tiny_model_dir, groups_of(REWARDS_PG))
    places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (3, 1)]
    rows = mismatched(stage, [Single(p, g, True) for p, g in places])
    matched = [stage.row(place) for place in places]
    assert sorted(row.prompt_ids.tobytes() for row in rows) == sorted(
        row.prompt_ids.tobytes() for row in matched
    )
    assert sorted(row.response_ids.tobytes() for row in rows) == sorted(
        row.response_ids.tobytes() for row in matched
    )
    own = {(row.prompt_ids.tobytes(), row.response_ids.tobytes()) for row in matched}
    assert not own & {(row.prompt_ids.tobytes(), row.response_ids.tobytes()) for row in rows}


def test_responses_to_one_prompt_alone_have_a_baseline_of_zero(tiny_model_dir: Path) -> None:
    groups = groups_of(REWARDS_PG[:1])
    stage = stage_of(tiny_model_dir, groups)
    assert mismatched(stage, [Single(0, g, True) for g in range(3)]) == []
    _, metrics = gradients(tiny_model_dir, Kto, KtoOptions(), groups, epochs=3)
    assert metrics["baseline"] == 0.0


def test_kto_learns_from_groups_that_are_all_wrong(tiny_model_dir: Path) -> None:
    (found,), metrics = gradients(tiny_model_dir, Kto, KtoOptions(), groups_of(np.zeros((4, 2))))
    assert (metrics["desirable"], metrics["undesirable"]) == (0.0, 8.0)
    assert sum(float(g.norm()) for g in found.values()) > 1e-3
    by_mean = KtoOptions(examples=chosen("mean", UNPAIRED))
    assert gradients(tiny_model_dir, Kto, by_mean, groups_of(np.zeros((4, 2))))[0] == []


def test_kto_needs_a_reference_that_can_score() -> None:
    with pytest.raises(ConfigError, match=r"solver\.reference: .* found precomputed"):
        Kto(KtoOptions(), config_of(reference="precomputed"))


def test_sft_is_the_mean_negative_log_probability_of_the_best(tiny_model_dir: Path) -> None:
    stage = stage_of(tiny_model_dir, groups_of(REWARDS_PG))
    best = [(p, int(row.argmax())) for p, row in enumerate(REWARDS_PG)]
    ((one,),) = Sft(SftOptions(), stage.config).plan(stage).steps
    with torch.no_grad():
        loss = float(one.loss()[0])
    logps = np.concatenate(stage.start_logps(best))
    assert loss == pytest.approx(-logps.mean(dtype=float), rel=1e-5)


def test_sft_without_a_response_that_is_good_enough_takes_no_step(tiny_model_dir: Path) -> None:
    picky = SftOptions(examples=chosen("best_of_n", SELECTIONS, BestOfNOptions(min_reward=2.0)))
    found, metrics = gradients(tiny_model_dir, Sft, picky, groups_of(REWARDS_PG))
    assert (found, metrics["responses_dropped"]) == ([], 12.0)


def test_dft_weighs_each_token_by_its_probability(tiny_model_dir: Path) -> None:
    stage = stage_of(tiny_model_dir, groups_of(REWARDS_PG))
    options = SftOptions(examples=chosen("all", SELECTIONS), loss_type="dft")
    ((one,),) = Sft(options, stage.config).plan(stage).steps
    with torch.no_grad():
        loss = float(one.loss()[0])
    logps = np.concatenate(stage.start_logps(stage.scored)).astype(float)
    assert loss == pytest.approx(-(logps * np.exp(logps)).mean(), rel=1e-5)


@pytest.mark.parametrize("make", [Kto, Sft])
def test_trl_options_that_the_project_decides_are_refused(make: Any) -> None:
    options = KtoOptions() if make is Kto else SftOptions()
    with pytest.raises(ConfigError, match="responses are recorded"):
        make(options, config_of(trl={"max_length": 8}))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (KtoOptions(beta=0.0), "beta"),
        (KtoOptions(desirable_weight=-1.0), "desirable_weight"),
        (SftOptions(loss_type="nlll"), "loss_type"),
    ],
)
def test_impossible_options_are_refused_by_name(options: Any, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"solver\.objective\.{name}"):
        options.check("solver.objective")
