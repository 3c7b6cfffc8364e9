"""TRL's pair losses: against its trainer used plainly, plain formulas, and their closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM
from trl import DPOConfig, DPOTrainer

from selfplay.config import load_config
from selfplay.core.components import chosen
from selfplay.core.documented import field_texts
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.config import PolicyConfig, SolverConfig
from solver.examples.table import PAIRINGS, AllPairsOptions
from solver.learning.plan import Loss, Pass, Plan
from solver.learning.stage import Stage
from solver.objectives.build import build_objective
from solver.objectives.objective import PlannedObjective
from solver.objectives.rows.trl import (
    COUPLED_DPO_LOSSES,
    DPO_LOSSES,
    DpoNormOptions,
    DpoOptions,
    HingeOptions,
    IpoOptions,
    LddpoOptions,
)
from solver.objectives.trl_pairs import TrlPairs
from solver.policy import Policy
from tests.conftest import make_tiny_model
from tests.solver.objectives.plain_trl import (
    Gradients,
    config_of,
    distance,
    farthest,
    gradients,
    groups_of,
    texts_of,
    trained,
)

REWARDS_PG = np.random.default_rng(5).uniform(size=(4, 3))
"""Every two responses of a group are a pair: twelve, of which most differ in length."""
STEPS = 3
EVERY_PAIR = chosen("all_pairs", PAIRINGS, AllPairsOptions())

OPTIONS: dict[str, Any] = {
    "dpo": DpoOptions(EVERY_PAIR, beta=0.3),
    "hinge": HingeOptions(EVERY_PAIR, beta=0.2),
    "ipo": IpoOptions(EVERY_PAIR, tau=0.4),
    "lddpo": LddpoOptions(EVERY_PAIR, beta=0.3, alpha=0.4),
    "dpo_norm": DpoNormOptions(EVERY_PAIR, beta=2.0),
}
THEIRS: dict[str, dict[str, Any]] = {
    "dpo": {"beta": 0.3},
    "hinge": {"beta": 0.2, "loss_type": "hinge"},
    "ipo": {"beta": 0.4, "loss_type": "ipo"},
    "lddpo": {"beta": 0.3, "ld_alpha": 0.4},
    "dpo_norm": {"beta": 2.0, "loss_type": "sigmoid_norm"},
}
COUPLED = {name: DpoOptions(EVERY_PAIR, 0.3, name) for name in COUPLED_DPO_LOSSES}
every_objective = pytest.mark.parametrize("name", OPTIONS)


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference that is not the policy."""
    return make_tiny_model(tmp_path_factory.mktemp("reference") / "tiny", seed=1)


def stage_of(directory: Path, groups: list[Group], **config: Any) -> Stage:
    settings = config_of(**config)
    policy = Policy.load(PolicyConfig(str(directory), device="cpu", threads=1), settings)
    policy.module.train()
    return Stage(policy, groups, Seed(1), settings)


def first_step(stage: Stage, options: Any) -> Sequence[Pass]:
    return TrlPairs(options, stage.config).plan(stage).steps[0]


def loss_of(step: Sequence[Pass]) -> float:
    with torch.no_grad():
        return sum(one.share * float(one.loss()[0]) for one in step)


def preferences(groups: Sequence[Group]) -> list[tuple[int, int, int]]:
    """Group, preferred and other response."""
    return [
        (p, w, v)
        for p, group in enumerate(groups)
        for w, v in permutations(range(len(group.responses)), 2)
        if group.rewards[w] > group.rewards[v]
    ]


# TRL's trainer, used plainly


class Noted(PlannedObjective):
    """Keeps the loss of every optimiser step."""

    def __init__(self, options: Any, config: SolverConfig) -> None:
        super().__init__(options, config)
        self.losses = [0.0] * config.epochs

    def plan(self, stage: Stage) -> Plan:
        plan = TrlPairs(self.options, self.config).plan(stage)
        steps = [[self._noted(k, one) for one in step] for k, step in enumerate(plan.steps)]
        return replace(plan, steps=steps)

    def _noted(self, step: int, one: Pass) -> Pass:
        def loss() -> Loss:
            value, metrics = one.loss()
            self.losses[step] += one.share * float(value.detach())
            return value, metrics

        return replace(one, loss=loss)


def ours(
    directory: Path, options: Any, groups: list[Group], rate: float, tokens: int
) -> tuple[list[float], list[Gradients]]:
    """Losses and gradients of `STEPS` steps on all pairs."""
    made: list[Noted] = []

    def make(options: Any, config: SolverConfig) -> Noted:
        made.append(Noted(options, config))
        return made[0]

    found, _ = gradients(
        directory, make, options, groups, rate, epochs=STEPS, micro_batch_tokens=tokens
    )
    return made[0].losses, found


def theirs(
    directory: Path,
    scratch: Path,
    groups: list[Group],
    options: dict[str, Any],
    rate: float,
    size: int,
) -> tuple[list[float], list[Gradients]]:
    """As `ours`, of TRL's own trainer with a reference, a data path and a loop of its own.

    Args:
        size: pairs of a micro-batch.
    """
    texts = texts_of(directory, groups)
    rows = [(texts[p][0], texts[p][1][w], texts[p][1][v]) for p, w, v in preferences(groups)]
    losses: list[float] = []

    class Watched(DPOTrainer):
        """Keeps the loss of every micro-batch."""

        def _compute_loss(self, *inputs: Any, **more: Any) -> Any:
            loss = super()._compute_loss(*inputs, **more)  # type: ignore[no-untyped-call]
            losses.append(float(loss.detach()))
            return loss

    columns = zip(*rows, strict=True)
    data = {k: list(v) for k, v in zip(("prompt", "chosen", "rejected"), columns, strict=True)}
    given = options | {
        "per_device_train_batch_size": size,
        "gradient_accumulation_steps": len(rows) // size,
        "num_train_epochs": STEPS,
        "disable_dropout": True,
    }
    found = trained(directory, scratch, Watched, DPOConfig, data, STEPS, given, rate)
    return np.array(losses).reshape(STEPS, -1).mean(axis=1).tolist(), found


@every_objective
def test_it_takes_the_steps_of_trls_own_trainer(
    tiny_model_dir: Path, tmp_path: Path, name: str
) -> None:
    groups, rate = groups_of(REWARDS_PG), 0.02
    expected = theirs(tiny_model_dir, tmp_path, groups, THEIRS[name], rate, size=4)
    found = ours(tiny_model_dir, OPTIONS[name], groups, rate, tokens=120)
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert farthest(found[1], expected[1]) < 1e-5
    assert abs(expected[0][-1] / expected[0][0] - 1) > 0.05  # the steps left the reference


@pytest.mark.parametrize("name", COUPLED)
def test_a_loss_that_couples_pairs_takes_the_steps_of_trl_on_whole_steps(
    tiny_model_dir: Path, tmp_path: Path, name: str
) -> None:
    groups, rate = groups_of(REWARDS_PG), 0.005
    given = {"beta": 0.3, "loss_type": name}
    expected = theirs(tiny_model_dir, tmp_path, groups, given, rate, size=12)
    found = ours(tiny_model_dir, COUPLED[name], groups, rate, tokens=120)
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert farthest(found[1], expected[1]) < 1e-5


# The formulas, written out


def discounted(logps_T: torch.Tensor, length: int, alpha: float) -> torch.Tensor:
    return sum((x if t < length else alpha * x for t, x in enumerate(logps_T)), torch.zeros(()))


def gap(w: torch.Tensor, w0: torch.Tensor, v: torch.Tensor, v0: torch.Tensor) -> torch.Tensor:
    return (w.sum() - w0.sum()) - (v.sum() - v0.sum())


def mean_gap(w: torch.Tensor, w0: torch.Tensor, v: torch.Tensor, v0: torch.Tensor) -> torch.Tensor:
    return (w.sum() - w0.sum()) / len(w) - (v.sum() - v0.sum()) / len(v)


def discounted_gap(*pair: torch.Tensor) -> torch.Tensor:
    shorter = min(len(logps_T) for logps_T in pair)
    w, w0, v, v0 = (discounted(logps_T, shorter, 0.4) for logps_T in pair)
    return (w - w0) - (v - v0)


def minus_log_sigmoid(z: torch.Tensor) -> torch.Tensor:
    return torch.log(1 + torch.exp(-z))


FORMULAS: dict[str, Callable[..., torch.Tensor]] = {
    "dpo": lambda *pair: minus_log_sigmoid(0.3 * gap(*pair)),
    "hinge": lambda *pair: torch.clamp(1 - 0.2 * gap(*pair), min=0),
    "ipo": lambda *pair: (mean_gap(*pair) - 1 / (2 * 0.4)) ** 2,
    "lddpo": lambda *pair: minus_log_sigmoid(0.3 * discounted_gap(*pair)),
    "dpo_norm": lambda *pair: minus_log_sigmoid(2.0 * mean_gap(*pair)),
}
"""Of one pair's token log-probabilities: policy and reference of the chosen, then the rejected."""


def written_out(
    name: str, groups: Sequence[Group], policy: dict[Any, Any], reference: dict[Any, Any]
) -> torch.Tensor:
    """The mean loss, from each response's token log-probabilities in float64."""
    losses = [
        FORMULAS[name](policy[p, w], reference[p, w], policy[p, v], reference[p, v])
        for p, w, v in preferences(groups)
    ]
    return torch.stack(losses).mean()


@every_objective
def test_its_value_is_the_formula_of_the_log_probabilities(
    tiny_model_dir: Path, other_model: Path, name: str
) -> None:
    groups = groups_of(REWARDS_PG)
    stage = stage_of(tiny_model_dir, groups, reference=str(other_model), micro_batch_tokens=120)
    places = stage.scored
    logps, reference = (
        dict(zip(places, [torch.tensor(row, dtype=torch.float64) for row in rows], strict=True))
        for rows in (stage.start_logps(places), stage.reference_logps(places, "round_start"))
    )
    expected = float(written_out(name, groups, logps, reference))
    step = first_step(stage, OPTIONS[name])
    assert len(step) > 2
    assert loss_of(step) == pytest.approx(expected, rel=1e-6)


def exact_logps(directory: Path, stage: Stage) -> tuple[Any, dict[Any, torch.Tensor]]:
    """A float64 model, and its log-probability of every response's tokens, one by one."""
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float64)
    found = {}
    for place in stage.scored:
        row = stage.row(place)
        ids = torch.tensor([*row.prompt_ids, *row.response_ids])
        logps_LV = torch.log_softmax(model(ids[None]).logits[0], dim=-1)
        first = len(row.prompt_ids)
        found[place] = torch.stack([logps_LV[t - 1, ids[t]] for t in range(first, len(ids))])
    return model, found


@every_objective
def test_its_gradient_is_that_of_the_formula_in_float64(
    tiny_model_dir: Path, other_model: Path, name: str
) -> None:
    groups = groups_of(REWARDS_PG)
    stage = stage_of(tiny_model_dir, groups, reference=str(other_model))
    model, policy = exact_logps(tiny_model_dir, stage)
    reference = {k: v.detach() for k, v in exact_logps(other_model, stage)[1].items()}
    written_out(name, groups, policy, reference).backward()
    expected = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    (found,), _ = gradients(
        tiny_model_dir, TrlPairs, OPTIONS[name], groups, reference=str(other_model)
    )
    assert distance(found, expected) < 1e-5


# Closed forms


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dpo", math.log(2)),
        ("lddpo", math.log(2)),
        ("dpo_norm", math.log(2)),
        ("hinge", 1.0),
        ("ipo", (1 / (2 * 0.4)) ** 2),
    ],
)
def test_it_starts_at_the_value_of_a_gap_of_zero(
    tiny_model_dir: Path, name: str, expected: float
) -> None:
    stage = stage_of(tiny_model_dir, groups_of(REWARDS_PG))
    assert loss_of(first_step(stage, OPTIONS[name])) == pytest.approx(expected, rel=1e-5)


def moved_apart(directory: Path, gap: float, mean: bool) -> list[Group]:
    """Groups with a recorded reference: the best response's log-ratio is `gap`, the others' 0.

    Args:
        mean: the gap is one of log-ratios per token.
    """
    groups = groups_of(REWARDS_PG)
    stage = stage_of(directory, groups)
    found = []
    for p, group in enumerate(groups):
        logps = stage.start_logps([(p, g) for g in range(len(group.responses))])
        best = int(group.rewards.argmax())
        logps[best] = logps[best] - np.float32(gap if mean else gap / len(logps[best]))
        recorded = zip(group.responses, logps, strict=True)
        responses = tuple(replace(r, logprobs=logps_T) for r, logps_T in recorded)
        found.append(replace(group, responses=responses))
    return found


def apart(directory: Path, options: Any, gap: float, mean: bool = False) -> tuple[float, float]:
    """Loss and norm of the gradient at a gap between the best and the worst of each group."""
    stage = stage_of(directory, moved_apart(directory, gap, mean), reference="precomputed")
    step = first_step(stage, replace(options, pairs=chosen("max_min", PAIRINGS)))
    loss = loss_of(step)
    for one in step:
        (one.share * one.loss()[0]).backward()
    grads = [p.grad for p in stage.policy.module.parameters() if p.grad is not None]
    return loss, math.sqrt(sum(float(g.norm()) ** 2 for g in grads))


def test_hinge_stops_pulling_beyond_its_margin(tiny_model_dir: Path) -> None:
    options = HingeOptions(beta=0.2)
    assert apart(tiny_model_dir, options, 1.01 / 0.2) == (0.0, 0.0)
    within, slope = apart(tiny_model_dir, options, 0.75 / 0.2)
    assert within == pytest.approx(0.25, abs=1e-5)
    assert slope > 1e-3


def test_ipo_has_its_minimum_at_half_of_one_over_tau(tiny_model_dir: Path) -> None:
    options, target = IpoOptions(tau=0.4), 1 / (2 * 0.4)
    loss, slope = apart(tiny_model_dir, options, target, mean=True)
    assert loss < 1e-10
    for gap in (target - 0.1, target + 0.1):
        beside, steeper = apart(tiny_model_dir, options, gap, mean=True)
        assert beside == pytest.approx(0.01, rel=1e-3)
        assert steeper > 1e3 * slope


def test_dpo_loses_its_scaled_gap_when_it_is_turned_round(tiny_model_dir: Path) -> None:
    there, back = (apart(tiny_model_dir, DpoOptions(beta=0.3), gap)[0] for gap in (2.0, -2.0))
    assert there - back == pytest.approx(-0.3 * 2.0, rel=1e-5)


def test_ld_dpo_that_discounts_nothing_is_dpo(tiny_model_dir: Path) -> None:
    groups = groups_of(REWARDS_PG)
    found, expected = (
        gradients(tiny_model_dir, TrlPairs, options, groups, epochs=2)[0]
        for options in (LddpoOptions(EVERY_PAIR, 0.3, alpha=1.0), OPTIONS["dpo"])
    )
    assert farthest(found, expected) < 1e-5


def test_ld_dpo_without_a_tail_keeps_the_reference_of_the_shared_length(
    tiny_model_dir: Path, other_model: Path
) -> None:
    groups = groups_of(REWARDS_PG)
    stage = stage_of(tiny_model_dir, groups, reference=str(other_model))
    options = replace(OPTIONS["lddpo"], alpha=0.0)
    sums = [one.batch["ref_chosen_logps"] for one in first_step(stage, options)]
    expected = []
    for p, w, v in preferences(groups):
        (logps_T,) = stage.reference_logps([(p, w)], "round_start")
        expected.append(float(logps_T[: groups[p].responses[v].length].sum(dtype=float)))
    assert sorted(torch.cat(sums).tolist()) == pytest.approx(sorted(expected), rel=1e-6)


# Micro-batches


@pytest.mark.parametrize("name", [*OPTIONS, *COUPLED])
def test_a_step_does_not_depend_on_how_it_is_cut(
    tiny_model_dir: Path, other_model: Path, name: str
) -> None:
    options, groups = (OPTIONS | COUPLED)[name], groups_of(REWARDS_PG)
    given: dict[str, Any] = {"epochs": 2, "reference": str(other_model)}
    whole, cut = (
        gradients(tiny_model_dir, TrlPairs, options, groups, micro_batch_tokens=n, **given)[0]
        for n in (10**6, 60)
    )
    assert len(cut) == 2
    assert farthest(cut, whole) < 1e-5


@pytest.mark.parametrize("name", [*OPTIONS, *COUPLED])
def test_only_steps_whose_pairs_are_coupled_stay_whole(tiny_model_dir: Path, name: str) -> None:
    stage = stage_of(tiny_model_dir, groups_of(REWARDS_PG), micro_batch_tokens=60, minibatches=2)
    for step in TrlPairs((OPTIONS | COUPLED)[name], stage.config).plan(stage).steps:
        assert (len(step) == 1) == (name in COUPLED)
        assert sum(one.share for one in step) == pytest.approx(1)


# Options


def test_the_text_of_the_option_names_every_loss() -> None:
    text = field_texts(DpoOptions)["loss_type"]
    assert [name for name in DPO_LOSSES if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (DpoOptions(beta=0.0), "beta"),
        (DpoOptions(loss_type="sigmoidal"), "loss_type"),
        (LddpoOptions(alpha=1.5), "alpha"),
    ],
)
def test_impossible_options_are_refused_by_name(options: Any, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"solver\.objective\.{name}"):
        options.check("solver.objective")


@pytest.mark.parametrize("option", ["hinge, beta: 0", "ipo, tau: -1", "lddpo, beta: 0"])
def test_a_scale_that_is_not_positive_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        load_config("tiny", [f"solver.objective={{name: {option}}}"])


def test_exo_pair_without_smoothing_is_refused_before_a_model_loads() -> None:
    solver = load_config(
        "tiny", ["solver.objective={name: dpo, loss_type: exo_pair}"]
    ).config.solver
    with pytest.raises(ConfigError, match="label_smoothing above 0"):
        build_objective(solver.objective, solver)
