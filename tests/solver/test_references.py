"""The policy that an objective keeps to: which one it is, what it costs, that it survives."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError, DataError, ModelError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Sampling
from solver.config import LoraConfig, PolicyConfig, SolverConfig
from solver.examples.table import PAIRINGS
from solver.learning.stage import Stage
from solver.objectives.rows.combined import Part, SumOptions
from solver.objectives.rows.groups import DapoOptions, GrpoOptions, RlooOptions
from solver.objectives.rows.ppo import PpoOptions
from solver.objectives.table import OBJECTIVES
from solver.policy import Policy
from solver.solver import Solver, check_solver
from tests.solver.small_solver import judged

NO_MODEL = "no/such/model"


def configured(name: str = "dpo", options: Any = None, **rest: Any) -> SolverConfig:
    objective = chosen(name, OBJECTIVES, options)
    return SolverConfig(
        Sampling(n=4, max_new_tokens=6), objective, **{"learning_rate": 1e-2} | rest
    )


def make(directory: Path, config: SolverConfig, lora: bool = False) -> Solver:
    policy = PolicyConfig(str(directory), device="cpu", threads=1, lora=LoraConfig(enabled=lora))
    return Solver(config, Policy.load(policy, config))


def logits(module: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = module(torch.arange(5, 15)[None]).logits
    return found


@pytest.mark.parametrize("lora", [False, True])
def test_the_average_is_the_decayed_sum_of_the_weights(tiny_model_dir: Path, lora: bool) -> None:
    config = configured(reference="moving_average", reference_decay=0.75)
    solver = make(tiny_model_dir, config, lora)
    learned = dict(solver.policy.pretrained.module.named_parameters())
    names = [name for name, parameter in learned.items() if parameter.requires_grad]
    expected = {name: learned[name].detach().clone() for name in names}
    for t in range(2):
        solver.learn(judged(solver, seed=t), Seed(t))
        expected = {k: 0.75 * v + 0.25 * learned[k].detach() for k, v in expected.items()}
    assert list(solver.policy.averaged) == names
    for name, average in solver.policy.averaged.items():
        torch.testing.assert_close(average, expected[name])
    assert any(not torch.equal(learned[k], solver.policy.averaged[k]) for k in names)


def test_under_lora_the_average_shares_the_base(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, configured(reference="moving_average"), lora=True)
    live = dict(solver.policy.module.named_parameters())
    for name, parameter in solver.policy.reference("moving_average").named_parameters():
        assert (parameter is live[name]) != ("lora_" in name)


@pytest.mark.parametrize("lora", [False, True])
def test_learning_after_restore_is_bit_identical_with_an_average(
    tiny_model_dir: Path, tmp_path: Path, lora: bool
) -> None:
    config = configured(reference="moving_average", reference_decay=0.5)
    one, other = (make(tiny_model_dir, config, lora) for _ in range(2))
    for t in range(2):
        one.learn(judged(one, seed=t), Seed(t))
    one.save(tmp_path / "a")
    assert (tmp_path / "a" / "average.safetensors").exists()
    other.restore(tmp_path / "a")
    groups = judged(one, seed=5)
    found = one.learn(groups, Seed(9))
    assert found == other.learn(groups, Seed(9))
    assert found["loss"] != pytest.approx(math.log(2), abs=1e-4)
    assert one.save(tmp_path / "b") == other.save(tmp_path / "c")


def test_the_digest_covers_the_average(tiny_model_dir: Path, tmp_path: Path) -> None:
    solver = make(tiny_model_dir, configured(reference="moving_average"))
    before = solver.save(tmp_path / "a")
    next(iter(solver.policy.averaged.values())).add_(1e-3)
    assert solver.save(tmp_path / "b") != before


def test_without_decay_the_average_is_the_policy_as_the_round_begins(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, configured(reference="moving_average", reference_decay=0.0))
    for t in range(2):
        loss = solver.learn(judged(solver, seed=t), Seed(t))["loss"]
        assert loss == pytest.approx(math.log(2), abs=1e-5)


def test_a_model_directory_gives_the_log_probabilities_of_its_model(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    teacher = make(tiny_model_dir, configured())
    teacher.learn(judged(teacher), Seed(1))
    teacher.save(tmp_path / "teacher")
    config = configured(reference=str(tmp_path / "teacher"))
    solver = make(tiny_model_dir, config)
    stage = Stage(solver.policy, judged(solver), Seed(0), config)
    expected = stage.score(teacher.policy.module, stage.rows(stage.scored))
    for found, wanted in zip(
        stage.reference_logps(stage.scored, "round_start"), expected, strict=True
    ):
        np.testing.assert_array_equal(found, wanted)
    assert solver.learn(judged(solver), Seed(1))["loss"] != pytest.approx(math.log(2), abs=1e-4)


def test_a_missing_model_directory_is_refused_before_any_model_loads() -> None:
    with pytest.raises(ConfigError, match=f"found '{NO_MODEL}', which is no directory"):
        check_solver(configured(reference=NO_MODEL))


def test_a_reference_with_other_tokens_is_a_model_error(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    tokenizer.add_tokens(["<more>"])
    tokenizer.save_pretrained(tmp_path / "other")
    AutoModelForCausalLM.from_pretrained(tiny_model_dir).save_pretrained(tmp_path / "other")
    with pytest.raises(ModelError, match="of which 1 are not shared"):
        make(tiny_model_dir, configured(reference=str(tmp_path / "other")))


def test_precomputed_is_what_was_recorded(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, configured(reference="precomputed"))
    groups = judged(solver)
    shifted = [shifted_best(group, by=3.0) for group in groups]
    # The reference likes each chosen response better by 3 nats, so Δ = -3: -log σ(-0.3).
    expected = math.log1p(math.exp(0.3))
    assert solver.learn(shifted, Seed(1))["loss"] == pytest.approx(expected, abs=1e-4)


def shifted_best(group: Group, by: float) -> Group:
    """The group, its best response recorded as more likely."""
    best = int(np.argmax(group.rewards))
    responses = list(group.responses)
    logprobs = responses[best].logprobs.copy()
    logprobs[0] += by
    responses[best] = replace(responses[best], logprobs=logprobs)
    return replace(group, responses=tuple(responses))


def test_precomputed_without_a_record_says_which_response_lacks_it(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, configured(reference="precomputed"))
    bare = [
        replace(group, responses=tuple(replace(r, logprobs=None) for r in group.responses))
        for group in judged(solver)
    ]
    with pytest.raises(DataError, match=r"response \d to '3' has none"):
        solver.learn(bare, Seed(1))


def test_precomputed_is_refused_where_whole_distributions_are_compared() -> None:
    with pytest.raises(ConfigError, match="compares whole distributions"):
        check_solver(configured("tdpo2", reference="precomputed"))


def test_an_objective_without_a_reference_refuses_one() -> None:
    with pytest.raises(ConfigError, match="'simpo' has no reference policy"):
        check_solver(configured("simpo", reference="initial"))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rloo", RlooOptions(beta=0.0)),
        ("grpo", GrpoOptions(beta=0.0)),
        ("dr_grpo", None),
        ("dapo", None),
        ("ppo", PpoOptions(beta=0.0)),
    ],
)
def test_a_reference_without_weight_is_refused(name: str, options: Any) -> None:
    check_solver(configured(name, options))
    message = f"'{name}' does not read its reference policy while beta is 0, found 'initial'"
    with pytest.raises(ConfigError, match=f"{message}. Remove it, or set beta above 0"):
        check_solver(configured(name, options, reference="initial"))


@pytest.mark.parametrize(
    ("name", "options"),
    [("rloo", None), ("grpo", None), ("dapo", DapoOptions(beta=0.01)), ("ppo", None)],
)
def test_a_reference_with_weight_is_taken(name: str, options: Any) -> None:
    check_solver(configured(name, options, reference="round_start"))


def test_a_reference_is_taken_where_one_part_of_a_sum_reads_it() -> None:
    unread = Part(chosen("rloo", OBJECTIVES, RlooOptions(beta=0.0)))
    read = Part(chosen("dpo", OBJECTIVES))
    check_solver(configured("sum", SumOptions((unread, read)), reference="initial"))
    with pytest.raises(ConfigError, match="'sum' does not read its reference policy"):
        check_solver(configured("sum", SumOptions((unread,)), reference="initial"))


def test_a_decay_of_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"solver.reference_decay: expected 0 or more and below"):
        replace(configured(), reference_decay=1.0).check("solver")


def test_each_response_is_scored_by_the_reference_once(tiny_model_dir: Path) -> None:
    from solver.objectives.rows.trl import DpoOptions

    pairs = chosen("all_pairs", PAIRINGS)
    config = configured(
        "dpo", DpoOptions(pairs), reference="initial", epochs=3, minibatches=2, micro_batch_tokens=1
    )
    solver = make(tiny_model_dir, config)
    groups = judged(solver)
    seen: list[int] = []
    solver.policy.reference("initial").register_forward_hook(
        lambda _module, _args, kwargs, _output: seen.append(len(kwargs["input_ids"])),
        with_kwargs=True,
    )
    metrics = solver.learn(groups, Seed(1))
    distinct = {(g, r.token_ids.tobytes()) for g, x in enumerate(groups) for r in x.responses}
    assert metrics["pairs"] > len(distinct)
    assert sum(seen) == len(distinct)


@pytest.mark.parametrize("reference", ["round_start", "initial"])
@pytest.mark.parametrize("lora", [False, True])
def test_whole_distributions_are_compared_with_a_module_that_stands_still(
    tiny_model_dir: Path, lora: bool, reference: str
) -> None:
    config = configured("tdpo1", reference=reference, minibatches=2, epochs=2)
    solver = make(tiny_model_dir, config, lora)
    stage = Stage(solver.policy, judged(solver), Seed(0), config)
    before = logits(solver.policy.module)
    held = stage.reference_module("round_start")
    torch.testing.assert_close(logits(held), before)
    metrics = solver.learn(judged(solver), Seed(1))
    assert metrics["grad_norm"] > 0
    assert not torch.allclose(logits(solver.policy.module), before)
    torch.testing.assert_close(logits(held), before, atol=0, rtol=0)


@pytest.mark.parametrize("lora", [False, True])
def test_whole_distributions_are_compared_with_the_average(
    tiny_model_dir: Path, lora: bool
) -> None:
    config = configured("tdpo1", reference="moving_average", reference_decay=0.5)
    solver = make(tiny_model_dir, config, lora)
    losses = [solver.learn(judged(solver, seed=t), Seed(t))["loss"] for t in range(2)]
    assert losses[0] == pytest.approx(math.log(2), abs=1e-5)
    assert losses[1] != pytest.approx(math.log(2), abs=1e-4)


@pytest.mark.parametrize("lora", [False, True])
def test_tdpo_starts_at_ln_two_in_every_round(tiny_model_dir: Path, lora: bool) -> None:
    solver = make(tiny_model_dir, configured("tdpo1"), lora)
    for t in range(2):
        loss = solver.learn(judged(solver, seed=t), Seed(t))["loss"]
        assert loss == pytest.approx(math.log(2), abs=1e-5)


def test_the_copy_of_the_start_is_made_once_and_goes_with_its_stage(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gc
    import weakref

    import solver.policy as place

    made = []

    def counted(module: Any, copy: Any = place.frozen_copy) -> Any:
        made.append(weakref.ref(found := copy(module)))
        return found

    monkeypatch.setattr(place, "frozen_copy", counted)
    solver = make(tiny_model_dir, configured("tdpo1", micro_batch_tokens=1, epochs=2))
    solver.learn(judged(solver), Seed(1))
    gc.collect()
    assert [copy() for copy in made] == [None]


def test_under_lora_the_initial_policy_is_the_base_while_the_adapter_learns(
    tiny_model_dir: Path,
) -> None:
    plain = make(tiny_model_dir, configured())
    solver = make(tiny_model_dir, configured(reference="initial"), lora=True)
    solver.learn(judged(solver), Seed(1))
    torch.testing.assert_close(
        logits(solver.policy.reference("initial")), logits(plain.policy.module), atol=0, rtol=0
    )
    assert not torch.allclose(logits(solver.policy.module), logits(plain.policy.module))
    assert solver.learn(judged(solver), Seed(2))["grad_norm"] > 0
