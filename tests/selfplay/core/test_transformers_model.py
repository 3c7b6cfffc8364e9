"""Claims about generation and scoring in process, on real tiny models."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selfplay.core.errors import ModelError
from selfplay.core.models import transformers_model
from selfplay.core.models.pretrained import Pretrained, load_pretrained, save_pretrained
from selfplay.core.models.transformers_model import TransformersModel
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Message, Response, Sampling, user

CHATS = [user(text) for text in ("hi", "what is 2 + 2?", "a longer question than others", "x", "z")]
SAMPLING = Sampling(n=4, max_new_tokens=24)
GREEDY = Sampling(n=1, temperature=0.0, max_new_tokens=24)
EOS = 1
PEFT_DEPRECATION = "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
"""peft asks transformers for a property by its old name."""


@pytest.fixture(scope="module")
def pretrained(tiny_model_dir: Path) -> Pretrained:
    return load_pretrained(str(tiny_model_dir), device="cpu")


@pytest.fixture(scope="module")
def model(pretrained: Pretrained) -> TransformersModel:
    return TransformersModel(pretrained)


def tokens(groups: list[tuple[Response, ...]]) -> list[list[list[int]]]:
    return [[response.token_ids.tolist() for response in group] for group in groups]


def full_forward(pretrained: Pretrained, prompt: list[int], answer: list[int]) -> torch.Tensor:
    """Logits (T, V) before each token of `answer`, by one forward without cache or padding."""
    with torch.no_grad():
        logits = pretrained.module(torch.tensor([prompt + answer])).logits[0]
    return logits[len(prompt) - 1 : -1]


def chosen_logprobs(logits_TV: torch.Tensor, answer: list[int]) -> np.ndarray:
    return logits_TV.log_softmax(-1)[torch.arange(len(answer)), torch.tensor(answer)].numpy()


def transformers_greedy(pretrained: Pretrained, prompt: list[int]) -> list[int]:
    output = pretrained.module.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False,
        max_new_tokens=GREEDY.max_new_tokens,
    )
    return output[0, len(prompt) :].tolist()


def test_greedy_equals_transformers_token_for_token(
    model: TransformersModel, pretrained: Pretrained
) -> None:
    expected = [transformers_greedy(pretrained, ids) for ids in model.prompt_ids(CHATS)]
    assert tokens(model.generate(CHATS, GREEDY, Seed(0))) == [[ids] for ids in expected]


def test_top_k_of_one_equals_greedy(model: TransformersModel) -> None:
    top_one = Sampling(n=1, top_k=1, max_new_tokens=24)
    assert tokens(model.generate(CHATS, top_one, Seed(5))) == tokens(
        model.generate(CHATS, GREEDY, Seed(0))
    )


def test_left_padding_does_not_change_greedy_responses(model: TransformersModel) -> None:
    together = tokens(model.generate(CHATS, GREEDY, Seed(0)))
    assert together == [tokens(model.generate([chat], GREEDY, Seed(0)))[0] for chat in CHATS]


def test_the_same_seed_repeats_and_another_does_not(model: TransformersModel) -> None:
    first = model.generate(CHATS, SAMPLING, Seed(3))
    again = model.generate(CHATS, SAMPLING, Seed(3))
    assert tokens(first) == tokens(again)
    assert tokens(first) != tokens(model.generate(CHATS, SAMPLING, Seed(4)))
    for one, other in zip(sum(first, ()), sum(again, ()), strict=True):
        np.testing.assert_array_equal(one.logprobs, other.logprobs)


def test_samples_do_not_depend_on_the_order_or_the_other_chats(
    model: TransformersModel, pretrained: Pretrained
) -> None:
    expected = tokens(model.generate(CHATS, SAMPLING, Seed(3)))
    assert tokens(model.generate(CHATS[::-1], SAMPLING, Seed(3)))[::-1] == expected
    assert tokens(model.generate(CHATS[1:2], SAMPLING, Seed(3))) == expected[1:2]
    small_batches = TransformersModel(pretrained, max_batch_tokens=1)
    assert tokens(small_batches.generate(CHATS, SAMPLING, Seed(3))) == expected


def test_global_random_state_plays_no_part(model: TransformersModel) -> None:
    state = torch.get_rng_state()
    model.generate(CHATS[:1], SAMPLING, Seed(3))
    assert torch.equal(torch.get_rng_state(), state)


def test_samples_of_a_prompt_and_of_equal_prompts_differ(model: TransformersModel) -> None:
    groups = tokens(model.generate([CHATS[0], CHATS[0]], SAMPLING, Seed(3)))
    assert len({tuple(ids) for group in groups for ids in group}) == 8


def test_logprobs_equal_a_full_forward(model: TransformersModel, pretrained: Pretrained) -> None:
    groups = model.generate(CHATS, SAMPLING, Seed(3))
    for prompt, group in zip(model.prompt_ids(CHATS), groups, strict=True):
        for response in group:
            answer = response.token_ids.tolist()
            expected = chosen_logprobs(full_forward(pretrained, prompt, answer), answer)
            np.testing.assert_allclose(response.logprobs, expected, atol=1e-4)
            (scored,) = model.logprobs([CHATS[model.prompt_ids(CHATS).index(prompt)]], [response])
            np.testing.assert_allclose(scored, expected, atol=1e-4)


def test_filtered_logprobs_are_those_of_the_filtered_distribution(
    model: TransformersModel, pretrained: Pretrained
) -> None:
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    sampling = Sampling(n=4, temperature=0.7, top_k=20, top_p=0.8, max_new_tokens=16)
    warpers = [TemperatureLogitsWarper(0.7), TopKLogitsWarper(20), TopPLogitsWarper(0.8)]
    (prompt,) = model.prompt_ids(CHATS[:1])
    for response in model.generate(CHATS[:1], sampling, Seed(3))[0]:
        answer = response.token_ids.tolist()
        logits = full_forward(pretrained, prompt, answer)
        for warper in warpers:
            logits = warper(None, logits)
        np.testing.assert_allclose(response.logprobs, chosen_logprobs(logits, answer), atol=1e-4)


def test_batched_scores_come_back_in_order_with_their_lengths(model: TransformersModel) -> None:
    groups = model.generate(CHATS, SAMPLING, Seed(3))
    chats = [chat for chat in CHATS for _ in range(SAMPLING.n)]
    responses = list(sum(groups, ()))
    responses[2] = Response("", np.zeros(0, np.int32), None, "recorded")
    scores = model.logprobs(chats, responses)
    assert [len(score) for score in scores] == [response.length for response in responses]
    assert all(score.dtype == np.float32 for score in scores)
    for score, response in zip(scores, responses, strict=True):
        if response.logprobs is not None:
            np.testing.assert_allclose(score, response.logprobs, atol=1e-4)


def test_finish_reason_tells_a_stop_from_the_length_limit(model: TransformersModel) -> None:
    responses = sum(model.generate(CHATS, Sampling(n=32, max_new_tokens=40), Seed(3)), ())
    assert {response.finish_reason for response in responses} == {"stop", "length"}
    for response in responses:
        stopped = response.finish_reason == "stop"
        assert (response.token_ids == EOS).sum() == stopped
        assert response.token_ids[-1] == EOS if stopped else response.length == 40
        assert "<eos>" not in response.text
        assert response.text == model.decode([response.token_ids])[0]


def test_sampled_frequencies_match_the_softmax(
    model: TransformersModel, pretrained: Pretrained
) -> None:
    n = 20_000
    (group,) = model.generate(CHATS[:1], Sampling(n=n, max_new_tokens=1), Seed(3))
    counts = Counter(int(response.token_ids[0]) for response in group)
    (prompt,) = model.prompt_ids(CHATS[:1])
    probs = full_forward(pretrained, prompt, [0])[0].softmax(-1).numpy().astype(float)
    expected = n * probs
    usual = expected >= 5
    observed = np.array([counts[token] for token in range(len(probs))])
    statistic = float(((observed - expected)[usual] ** 2 / expected[usual]).sum())
    freedom = int(usual.sum()) - 1
    assert freedom > 10
    assert statistic < freedom + 4 * np.sqrt(2 * freedom)


def test_a_prompt_that_does_not_fit_names_itself_and_the_limit(model: TransformersModel) -> None:
    with pytest.raises(ModelError, match=r"context of 256 tokens, found 256 .* begins 'yyyy"):
        model.generate([user("y" * 251)], Sampling(max_new_tokens=1), Seed(0))
    model.generate([user("y" * 250)], Sampling(n=1, max_new_tokens=1), Seed(0))


def test_a_template_that_refuses_a_chat_is_a_model_error(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    directory = shutil.copytree(tiny_model_dir, tmp_path / "model")
    template = "{{ raise_exception('no system messages') }}"
    (directory / "chat_template.jinja").write_text(template, encoding="utf-8")
    pretrained = load_pretrained(str(directory), device="cpu")
    chat: Chat = (Message("system", "be brief"), Message("user", "hi"))
    with pytest.raises(ModelError, match="no system messages"):
        TransformersModel(pretrained).generate([chat], SAMPLING, Seed(0))


def test_no_chats_give_no_responses(model: TransformersModel) -> None:
    assert model.generate([], SAMPLING, Seed(0)) == []
    assert model.logprobs([], []) == []


def test_generating_leaves_training_mode_and_gradients_alone(tiny_model_dir: Path) -> None:
    pretrained = load_pretrained(str(tiny_model_dir), device="cpu")
    model, module = TransformersModel(pretrained), pretrained.module
    module.train()
    module.model.norm.eval()
    model.generate(CHATS, SAMPLING, Seed(0))
    assert module.training
    assert not module.model.norm.training
    ids = torch.tensor(model.prompt_ids(CHATS[:1]))
    module(input_ids=ids, labels=ids).loss.backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_generation_follows_the_live_weights_and_load_restores_them(tiny_model_dir: Path) -> None:
    pretrained = load_pretrained(str(tiny_model_dir), device="cpu")
    model = TransformersModel(pretrained)
    before = tokens(model.generate(CHATS, SAMPLING, Seed(0)))
    with torch.no_grad():
        pretrained.module.model.norm.weight.neg_()
    assert tokens(model.generate(CHATS, SAMPLING, Seed(0))) != before
    model.load(tiny_model_dir)
    assert tokens(model.generate(CHATS, SAMPLING, Seed(0))) == before


@pytest.mark.filterwarnings(PEFT_DEPRECATION)
def test_a_lora_model_generates_scores_and_loads(tiny_model_dir: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    pretrained = load_pretrained(str(tiny_model_dir), device="cpu")
    plain = tokens(TransformersModel(pretrained).generate(CHATS, GREEDY, Seed(0)))
    lora = LoraConfig(task_type="CAUSAL_LM", r=4, init_lora_weights=False)
    pretrained.module = get_peft_model(pretrained.module, lora)
    model = TransformersModel(pretrained)
    groups = model.generate(CHATS, GREEDY, Seed(0))
    assert tokens(groups) != plain
    scores = model.logprobs(CHATS, [group[0] for group in groups])
    for score, (response,) in zip(scores, groups, strict=True):
        np.testing.assert_allclose(score, response.logprobs, atol=1e-4)
    save_pretrained(pretrained, tmp_path)
    for name, weight in pretrained.module.named_parameters():
        if "lora" in name:
            weight.data.zero_()
    assert tokens(model.generate(CHATS, GREEDY, Seed(0))) == plain
    model.load(tmp_path)
    assert tokens(model.generate(CHATS, GREEDY, Seed(0))) == tokens(groups)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_generation_on_cuda_scores_like_the_cpu(tiny_model_dir: Path) -> None:
    on_cuda = TransformersModel(load_pretrained(str(tiny_model_dir), device="cuda"))
    on_cpu = TransformersModel(load_pretrained(str(tiny_model_dir), device="cpu"))
    groups = on_cuda.generate(CHATS, SAMPLING, Seed(3))
    for chat, group in zip(CHATS, groups, strict=True):
        for score, response in zip(on_cpu.logprobs([chat] * 4, group), group, strict=True):
            np.testing.assert_allclose(score, response.logprobs, atol=1e-3)


def test_the_samples_of_one_prompt_are_cut_where_they_exceed_the_token_budget(
    pretrained: Pretrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampling = Sampling(n=64, max_new_tokens=8)
    whole = TransformersModel(pretrained).generate(CHATS[:2], sampling, Seed(3))
    rows: list[int] = []
    widths: list[int] = []
    plain = transformers_model.decode

    def decode(module: Any, prompts: Any, uniforms_RT: torch.Tensor, *rest: Any) -> Any:
        rows.append(len(uniforms_RT))
        widths.append(max(map(len, prompts)) + sampling.max_new_tokens)
        return plain(module, prompts, uniforms_RT, *rest)

    monkeypatch.setattr(transformers_model, "decode", decode)
    small = TransformersModel(pretrained, max_batch_tokens=200)
    found = small.generate(CHATS[:2], sampling, Seed(3))
    assert tokens(found) == tokens(whole)
    assert all(count * width <= 200 for count, width in zip(rows, widths, strict=True))
    assert all(64 * width > 200 for width in widths)
    assert sum(rows) == 2 * 64
