"""SLiC, SimPO and ORPO against their formulas in plain floats, their closed forms and TRL's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from solver.objectives.reference_free import log1mexp, log_odds, orpo, simpo, slic
from solver.objectives.rows.pairs import OrpoOptions, SimpoOptions, SlicOptions
from solver.objectives.terms import PairBatch, Scores

Tokens = list[float]
Formula = Callable[[Tokens, Tokens], float]
SEEDS = range(5)


def random_responses(seed: int, count: int = 6, longest: int = 5) -> list[Tokens]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, size=count)
    return [(-rng.exponential(size=n)).tolist() for n in lengths]


def scores(responses: Sequence[Tokens], dtype: torch.dtype = torch.float64) -> Scores:
    width = max(len(tokens) for tokens in responses) + 1  # at least one position is padding
    filled = [[*tokens, *[0.0] * (width - len(tokens))] for tokens in responses]
    mask_RT = torch.tensor([[t < len(tokens) for t in range(width)] for tokens in responses])
    return Scores(torch.tensor(filled, dtype=dtype, requires_grad=True), mask_RT)


def batch_of(chosen: Sequence[Tokens], rejected: Sequence[Tokens], **given: Any) -> PairBatch:
    return PairBatch(scores(chosen, **given), scores(rejected, **given), torch.ones(len(chosen)))


def mean(tokens: Tokens) -> float:
    return sum(tokens) / len(tokens)


def minus_log_sigmoid(z: float) -> float:
    return -math.log(1.0 / (1.0 + math.exp(-z)))


def slic_formula(chosen: Tokens, rejected: Tokens) -> float:
    return max(0.0, 0.8 - sum(chosen) + sum(rejected)) - 0.3 * sum(chosen)


def simpo_formula(chosen: Tokens, rejected: Tokens) -> float:
    return minus_log_sigmoid(2.5 * mean(chosen) - 2.5 * mean(rejected) - 0.6)


def orpo_formula(chosen: Tokens, rejected: Tokens) -> float:
    p, q = math.exp(mean(chosen)), math.exp(mean(rejected))
    odds_ratio = (p / (1 - p)) / (q / (1 - q))
    return -mean(chosen) - 0.7 * math.log(1 / (1 + 1 / odds_ratio))


CASES: dict[str, tuple[Any, Any, Formula]] = {
    "slic": (slic, SlicOptions(delta=0.8, sft_weight=0.3), slic_formula),
    "simpo": (simpo, SimpoOptions(beta=2.5, gamma=0.6), simpo_formula),
    "orpo": (orpo, OrpoOptions(odds_weight=0.7), orpo_formula),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_each_loss_and_its_gradient_are_those_of_the_formula(name: str, seed: int) -> None:
    loss, options, formula = CASES[name]
    sides = [random_responses(2 * seed + side) for side in (0, 1)]
    batch = batch_of(*sides)
    losses_B = loss(batch, options)
    expected = [formula(*pair) for pair in zip(*sides, strict=True)]
    assert losses_B.tolist() == pytest.approx(expected, rel=1e-9)
    losses_B.sum().backward()
    for which, side in enumerate((batch.chosen, batch.rejected)):
        assert side.logps_RT.grad is not None
        for b, pair in enumerate(zip(*sides, strict=True)):
            for t in range(len(pair[which])):
                values = []
                for step in (1e-6, -1e-6):
                    moved = [list(tokens) for tokens in pair]
                    moved[which][t] += step
                    values.append(formula(*moved))
                slope = (values[0] - values[1]) / 2e-6
                assert side.logps_RT.grad[b, t].item() == pytest.approx(slope, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_losses_keep_their_dtype(name: str, dtype: torch.dtype) -> None:
    loss, options, _ = CASES[name]
    batch = batch_of(random_responses(0), random_responses(1), dtype=dtype)
    assert loss(batch, options).dtype == dtype


# Closed forms


def test_slic_beyond_its_margin_only_imitates() -> None:
    batch = batch_of([[-1.0, -1.0]], [[-4.0]])
    loss_B = slic(batch, SlicOptions(delta=1.0, sft_weight=0.1))
    loss_B.sum().backward()
    assert loss_B.item() == pytest.approx(0.2)
    assert batch.rejected.logps_RT.grad is not None
    assert not batch.rejected.logps_RT.grad.any()


def test_simpo_with_equal_mean_log_probabilities_is_softplus_of_gamma() -> None:
    batch = batch_of([[-0.7, -0.9]], [[-0.8] * 3])
    loss_B = simpo(batch, SimpoOptions(gamma=1.3))
    assert loss_B.item() == pytest.approx(math.log1p(math.exp(1.3)), rel=1e-12)


def test_simpo_does_not_change_when_a_response_is_repeated() -> None:
    once, twice = batch_of([[-0.5, -1.0]], [[-2.0]]), batch_of([[-0.5, -1.0] * 2], [[-2.0] * 2])
    torch.testing.assert_close(simpo(once, SimpoOptions()), simpo(twice, SimpoOptions()))


def test_orpo_with_equal_probabilities_is_imitation_plus_lambda_log_two() -> None:
    batch = batch_of([[-0.7, -0.9]], [[-0.8] * 3])
    loss_B = orpo(batch, OrpoOptions(odds_weight=0.4))
    assert loss_B.item() == pytest.approx(0.8 + 0.4 * math.log(2), rel=1e-12)


def test_orpo_without_its_odds_is_supervised_fine_tuning() -> None:
    responses = random_responses(3)
    loss_B = orpo(batch_of(responses, random_responses(4)), OrpoOptions(odds_weight=0.0))
    assert loss_B.tolist() == pytest.approx([-mean(tokens) for tokens in responses], rel=1e-12)


# Numbers at the edge of the dtype


@pytest.mark.parametrize("x", [-1e-12, -1e-6, -0.5, -math.log(2), -1.0, -30.0, -700.0])
def test_log_one_minus_exp_is_exact_over_its_whole_range(x: float) -> None:
    value = log1mexp(torch.tensor([x], dtype=torch.float64)).item()
    exact = math.log(-math.expm1(x)) if x > -1 else math.log1p(-math.exp(x))
    assert value == pytest.approx(exact, rel=1e-12, abs=1e-320)


@pytest.mark.parametrize("x", [-1e-9, -0.3, -2.0, -50.0, -700.0])
def test_log_odds_invert_the_logistic_function(x: float) -> None:
    odds = log_odds(torch.tensor([x], dtype=torch.float64)).item()
    back = -math.log1p(math.exp(-odds)) if odds > 0 else odds - math.log1p(math.exp(odds))
    assert back == pytest.approx(x, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("chosen", "rejected"), [(0.0, 0.0), (0.0, -90.0), (-90.0, 0.0)])
def test_orpo_is_finite_where_a_response_is_certain(
    chosen: float, rejected: float, dtype: torch.dtype
) -> None:
    batch = batch_of([[chosen]], [[rejected]], dtype=dtype)
    loss_B = orpo(batch, OrpoOptions())
    loss_B.sum().backward()
    for tensor in (loss_B, batch.chosen.logps_RT.grad, batch.rejected.logps_RT.grad):
        assert tensor is not None
        assert torch.isfinite(tensor).all()


# TRL's own


@pytest.fixture(scope="module")
def trl() -> Iterator[SimpleNamespace]:
    """TRL's classes of trainers; their methods run here on objects that hold the options alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
        from trl.experimental.cpo import CPOTrainer
        from trl.experimental.orpo import ORPOTrainer

        yield SimpleNamespace(cpo=CPOTrainer, orpo=ORPOTrainer)


ACCELERATOR = SimpleNamespace(device=torch.device("cpu"))


def mean_logps(side: Scores) -> torch.Tensor:
    return (side.logps_RT.sum(-1) / side.mask_RT.sum(-1)).detach()


def test_simpo_agrees_with_trl(trl: SimpleNamespace) -> None:
    batch = batch_of(random_responses(0, 32), random_responses(1, 32), dtype=torch.float32)
    holder = SimpleNamespace(
        loss_type="simpo",
        beta=2.5,
        simpo_gamma=0.6,
        alpha=0.0,
        label_smoothing=0.0,
        accelerator=ACCELERATOR,
    )
    theirs_B, _, _ = trl.cpo.cpo_loss(holder, mean_logps(batch.chosen), mean_logps(batch.rejected))
    ours_B = simpo(batch, SimpoOptions(beta=2.5, gamma=0.6))
    torch.testing.assert_close(ours_B, theirs_B, rtol=1e-5, atol=0)


def test_the_odds_of_orpo_agree_with_trl(trl: SimpleNamespace) -> None:
    batch = batch_of(random_responses(0, 32), random_responses(1, 32), dtype=torch.float32)
    holder = SimpleNamespace(beta=0.7, accelerator=ACCELERATOR)
    chosen_B = mean_logps(batch.chosen)
    theirs_B, *_ = trl.orpo.odds_ratio_loss(holder, chosen_B, mean_logps(batch.rejected))
    ours_B = orpo(batch, OrpoOptions(odds_weight=0.7)) + chosen_B
    torch.testing.assert_close(ours_B, -theirs_B, rtol=1e-5, atol=1e-6)


class Encoded:
    """Two prompts of one length with answers, as TRL's collator gives them, and a real model."""

    def __init__(self, model_dir: Path, prompt: int, answers: dict[str, tuple[int, int]]) -> None:
        from transformers import LlamaForCausalLM

        self.model = LlamaForCausalLM.from_pretrained(model_dir)
        self.prompt = prompt
        rng = torch.Generator().manual_seed(0)
        prompts = torch.randint(3, 90, (2, prompt), generator=rng)
        self.batch: dict[str, torch.Tensor] = {}
        for side, lengths in answers.items():
            width = prompt + max(lengths)
            tokens = torch.randint(3, 90, (2, width), generator=rng)
            tokens[:, :prompt] = prompts
            position = torch.arange(width).expand(2, -1)
            real = position < prompt + torch.tensor(lengths)[:, None]
            self.batch[f"{side}_input_ids"] = torch.where(real, tokens, 0)
            self.batch[f"{side}_attention_mask"] = real.long()
            self.batch[f"{side}_labels"] = torch.where(real & (position >= prompt), tokens, -100)

    def logps(self, side: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of each token but the first, with what is real and what is answer."""
        tokens_BT = self.batch[f"{side}_input_ids"]
        real_BT = self.batch[f"{side}_attention_mask"].bool()
        logits = self.model(tokens_BT, attention_mask=real_BT.long()).logits[:, :-1]
        logps_BT = logits.log_softmax(-1).gather(-1, tokens_BT[:, 1:, None])[..., 0].detach()
        answer_BT = self.batch[f"{side}_labels"][:, 1:] != -100
        return logps_BT, real_BT[:, 1:], answer_BT

    def ours(self) -> float:
        sides = []
        for side in ("chosen", "rejected"):
            logps_BT, _, answer_BT = self.logps(side)
            sides.append(Scores(logps_BT * answer_BT, answer_BT))
        batch = PairBatch(sides[0], sides[1], torch.ones(2))
        return orpo(batch, OrpoOptions(odds_weight=0.7)).mean().item()

    def theirs(self, trainer: Any) -> float:
        holder = SimpleNamespace(
            beta=0.7,
            accelerator=SimpleNamespace(
                device=torch.device("cpu"), gather_for_metrics=lambda tensor: tensor
            ),
            is_encoder_decoder=False,
            padding_value=0,
            aux_loss_enabled=False,
            concatenated_inputs=trainer.concatenated_inputs,
            get_batch_logps=trainer.get_batch_logps,
        )
        for name in ("concatenated_forward", "odds_ratio_loss"):
            setattr(holder, name, getattr(trainer, name).__get__(holder))
        loss, _ = trainer.get_batch_loss_metrics(holder, self.model, self.batch)
        return float(loss.detach())


def test_orpo_is_trl_to_the_digit_without_prompt_and_with_equal_lengths(
    trl: SimpleNamespace, tiny_model_dir: Path
) -> None:
    """A prompt of one token has nothing to predict."""
    encoded = Encoded(tiny_model_dir, 1, {"chosen": (4, 4), "rejected": (6, 3)})
    assert encoded.ours() == pytest.approx(encoded.theirs(trl.orpo), rel=1e-5)


def test_orpo_differs_from_trl_by_the_prompt_and_by_its_mean_over_all_tokens_alone(
    trl: SimpleNamespace, tiny_model_dir: Path
) -> None:
    encoded = Encoded(tiny_model_dir, 5, {"chosen": (4, 2), "rejected": (6, 3)})
    logps_BT, real_BT, answer_BT = encoded.logps("chosen")
    whole = -logps_BT[real_BT].mean().item()
    answers = -((logps_BT * answer_BT).sum(-1) / answer_BT.sum(-1)).mean().item()
    assert abs(whole - answers) > 0.05
    difference = encoded.theirs(trl.orpo) - encoded.ours()
    assert difference == pytest.approx(whole - answers, rel=1e-4)
