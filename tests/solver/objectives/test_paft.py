"""PAFT on a real tiny model: the merge's arithmetic, and what a learning stage leaves behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft.tuners.lora import LoraLayer

from selfplay.config.settings import RunConfig
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Sampling, Verdict
from solver.config import LoraConfig, PolicyConfig, SolverConfig
from solver.learning.loop import NotFiniteError
from solver.learning.stage import Stage
from solver.masters import Masters
from solver.objectives.merging import adapters, fold, merged
from solver.objectives.rows.procedures import MERGES, PaftOptions
from solver.objectives.table import OBJECTIVES
from solver.policy import Policy
from solver.solver import Solver
from tests.solver.small_solver import judged, weights

PEFT = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"}
NAMES = ("imitation", "preference")


def configured(options: Any = None, **rest: Any) -> SolverConfig:
    objective = chosen("paft", OBJECTIVES, options)
    return SolverConfig(
        Sampling(n=4, max_new_tokens=6), objective, **{"learning_rate": 1e-2} | rest
    )


def make(directory: Path, options: Any = None, **rest: Any) -> Solver:
    policy, config = (
        PolicyConfig(str(directory), device="cpu", threads=1),
        configured(options, **rest),
    )
    return Solver(config, Policy.load(policy, config))


def test_ties_elects_a_sign_and_averages_those_that_have_it() -> None:
    a, b = torch.tensor([4.0, -3.0, 2.0, 0.1]), torch.tensor([2.0, 5.0, -0.2, 3.0])
    # Half of each is kept: a = [4, -3, 0, 0], b = [0, 5, 0, 3]. Signs of the sums: +, +, ., +.
    found = merged([a, b], "ties", (1.0, 1.0), 0.5)
    torch.testing.assert_close(found, torch.tensor([4.0, 5.0, 0.0, 3.0]))
    whole = merged([a, b], "ties", (1.0, 1.0), 1.0)
    torch.testing.assert_close(whole, torch.tensor([3.0, 5.0, 2.0, 1.55]))


def test_linear_is_the_weighted_sum() -> None:
    a, b = torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0, 5.0]])
    torch.testing.assert_close(
        merged([a, b], "linear", (0.5, -2.0), 0.1), torch.tensor([[-5.5, -11.0]])
    )


def test_magnitude_prune_sums_the_largest_entries() -> None:
    a, b = torch.tensor([4.0, -3.0, 0.5, 0.1]), torch.tensor([2.0, 0.1, -0.2, 3.0])
    torch.testing.assert_close(
        merged([a, b], "magnitude_prune", (1.0, 2.0), 0.5), torch.tensor([8.0, -3.0, 0.0, 6.0])
    )


def test_dare_keeps_the_expected_change() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        change = torch.full((200, 200), 2.0)
        found = merged([change, change], "dare_linear", (0.5, 0.5), 0.2)
    assert float(found.mean()) == pytest.approx(2.0, abs=0.05)
    assert set(found.unique().tolist()) == {0.0, 5.0, 10.0}


def test_folding_adds_the_product_of_the_factors(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir)
    module, expected = solver.policy.module, weights(solver)
    with adapters(module, NAMES, PEFT, Seed(0)) as wrapped, torch.no_grad():
        for name, layer in wrapped.get_base_model().named_modules():
            if isinstance(layer, LoraLayer):
                for adapter, weight in zip(NAMES, (0.5, 2.0), strict=True):
                    layer.lora_B[adapter].weight.normal_(generator=Seed(1).at(name).torch())
                    product = layer.lora_B[adapter].weight @ layer.lora_A[adapter].weight
                    expected[f"{name}.weight"] += weight * 8 / 4 * product
        fold(wrapped, Masters(()).add, NAMES, "linear", (0.5, 2.0), 0.2, Seed(2))
    moved = 0
    for name, weight in module.named_parameters():
        torch.testing.assert_close(weight, expected[name], atol=1e-5, rtol=1e-5)
        moved += "proj" in name
    assert moved == 14


def test_fresh_adapters_change_nothing_and_differ(tiny_model_dir: Path) -> None:
    module = make(tiny_model_dir).policy.module
    ids = torch.arange(5, 15)[None]
    before = module(ids).logits
    with adapters(module, NAMES, PEFT, Seed(0)) as wrapped:
        torch.testing.assert_close(wrapped(ids).logits, before, atol=0, rtol=0)
        layer = next(x for x in wrapped.modules() if isinstance(x, LoraLayer))
        assert not torch.equal(layer.lora_A[NAMES[0]].weight, layer.lora_A[NAMES[1]].weight)
    torch.testing.assert_close(module(ids).logits, before, atol=0, rtol=0)


@pytest.mark.parametrize("merge", MERGES)
def test_weights_change_in_place_and_no_adapter_stays(tiny_model_dir: Path, merge: str) -> None:
    solver = make(tiny_model_dir, PaftOptions(merge=merge))
    module, before = solver.policy.module, weights(solver)
    objects = list(module.named_parameters())
    kinds = [type(one) for one in module.modules()]
    metrics = solver.learn(judged(solver), Seed(1))
    after = list(module.named_parameters())
    assert solver.policy.module is module
    assert [(name, id(one)) for name, one in after] == [(name, id(one)) for name, one in objects]
    assert {id(one) for one in solver.policy.learned} == {id(one) for _, one in after}
    assert [type(one) for one in module.modules()] == kinds
    assert not hasattr(module, "peft_config")
    assert all(parameter.requires_grad for _, parameter in after)
    changed = [name for name, one in after if not torch.equal(one, before[name])]
    assert changed
    assert all("proj" in name for name in changed)
    assert metrics["kl"] > 0
    assert metrics["steps"] == 2


def test_the_optimiser_of_the_policy_is_not_touched(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir)
    solver.learn(judged(solver), Seed(1))
    assert not solver.policy.optimizer.state


@pytest.mark.parametrize("merge", ["ties", "dare_ties"])
def test_it_repeats_itself_bit_by_bit(tiny_model_dir: Path, tmp_path: Path, merge: str) -> None:
    one, other = (make(tiny_model_dir, PaftOptions(merge=merge)) for _ in range(2))
    for t in range(2):
        groups = judged(one, seed=t)
        assert one.learn(groups, Seed(t)) == other.learn(groups, Seed(t))
    assert one.save(tmp_path / "a") == other.save(tmp_path / "b")


def test_another_seed_draws_other_adapters(tiny_model_dir: Path, tmp_path: Path) -> None:
    one, other = (make(tiny_model_dir) for _ in range(2))
    groups = judged(one)
    one.learn(groups, Seed(1))
    other.learn(groups, Seed(2))
    assert one.save(tmp_path / "a") != other.save(tmp_path / "b")


def test_learning_makes_chosen_responses_likelier_and_widens_the_gap(tiny_model_dir: Path) -> None:
    options = PaftOptions(merge="linear", sparsity=0.0)
    solver = make(tiny_model_dir, options, epochs=4)
    groups = judged(solver)
    best = [(p, int(np.argmax(group.rewards))) for p, group in enumerate(groups)]
    worst = [(p, int(np.argmin(group.rewards))) for p, group in enumerate(groups)]

    def score() -> tuple[float, float]:
        stage = Stage(solver.policy, groups, Seed(0), solver.policy.config, anew=True)
        chosen_, rejected = (
            sum(float(x.sum()) for x in stage.start_logps(places)) for places in (best, worst)
        )
        return chosen_, chosen_ - rejected

    before = score()
    metrics = solver.learn(groups, Seed(1))
    after = score()
    assert after[0] > before[0]
    assert after[1] > before[1]
    assert metrics["imitation/responses"] == metrics["preference/pairs"] == 4


def test_the_penalty_makes_the_imitating_adapter_smaller(tiny_model_dir: Path) -> None:
    moved = []
    for sparsity in (0.0, 1.0):
        options = PaftOptions(merge="linear", weights=(1.0, 0.0), sparsity=sparsity)
        solver = make(tiny_model_dir, options, epochs=8)
        before = weights(solver)
        solver.learn(judged(solver), Seed(1))
        changes = [(v - before[k]).abs().sum() for k, v in weights(solver).items()]
        moved.append(float(torch.stack(changes).sum()))
    assert moved[1] < 0.7 * moved[0]


def test_passes_of_any_size_take_the_same_step(tiny_model_dir: Path) -> None:
    options = PaftOptions(merge="linear")
    small, large = (make(tiny_model_dir, options, micro_batch_tokens=n) for n in (1, 10_000))
    groups = judged(small)
    found = [solver.learn(groups, Seed(1)) for solver in (small, large)]
    for key in ("imitation/loss", "imitation/grad_norm", "preference/grad_norm"):
        assert found[0][key] == pytest.approx(found[1][key], rel=1e-4)


def test_a_loss_that_is_not_finite_leaves_the_module_as_it_was(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir)
    groups = judged(solver)
    with torch.no_grad():
        solver.policy.module.model.norm.weight.fill_(float("nan"))
    before = weights(solver)
    with pytest.raises(NotFiniteError):
        solver.learn(groups, Seed(1))
    assert all(
        torch.equal(before[k].nan_to_num(), v.nan_to_num()) for k, v in weights(solver).items()
    )
    assert all(parameter.requires_grad for parameter in solver.policy.learned)


def test_a_round_that_teaches_nothing_leaves_the_weights(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir)
    before = weights(solver)
    missing = [
        Group(g.prompt, g.responses, "train", 0).judged([Verdict.missing("no")] * 4, "f")
        for g in judged(solver)
    ]
    assert solver.learn(missing, Seed(1))["steps"] == 0
    assert all(torch.equal(before[k], v) for k, v in weights(solver).items())


def test_frozen_weights_are_refused_with_the_configuration() -> None:
    adapted = PolicyConfig(lora=LoraConfig(enabled=True))
    config = RunConfig(model=adapted, solver=configured())
    with pytest.raises(ConfigError, match=r"model.lora.enabled: expected false.*'paft'"):
        config.check("configuration")


def test_frozen_weights_are_refused_before_anything_changes(tiny_model_dir: Path) -> None:
    config = configured()
    adapted = PolicyConfig(str(tiny_model_dir), device="cpu", lora=LoraConfig(enabled=True))
    solver = Solver(config, Policy.load(adapted, config))
    groups = judged(solver)
    module = solver.policy.module
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with pytest.raises(ConfigError, match="Set it to false"):
        solver.learn(groups, Seed(1))
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"merge": "tie"}, "did you mean 'ties'"),
        ({"density": 0.0}, "o.density: expected above 0, up to 1"),
        ({"sparsity": -1.0}, "o.sparsity: expected 0 or more"),
        ({"r": 0}, "o.r: expected 1 or more"),
    ],
)
def test_impossible_options_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(PaftOptions(), **change).check("o")
