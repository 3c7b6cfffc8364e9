"""Claims about loading and saving model directories."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from selfplay.core.errors import ModelError
from selfplay.core.models.pretrained import load_pretrained, load_weights, save_pretrained

PEFT_DEPRECATION = "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
"""peft asks transformers for a property by its old name."""


@pytest.fixture
def directory(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may damage."""
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))


def edit(path: Path, **changes: object) -> None:
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def test_a_directory_loads_with_its_name_context_and_left_padding(tiny_model_dir: Path) -> None:
    pretrained = load_pretrained(str(tiny_model_dir), device="cpu")
    assert (pretrained.name, pretrained.context) == ("tiny", 256)
    assert pretrained.tokenizer.padding_side == "left"
    assert pretrained.module.dtype == torch.float32
    assert not pretrained.module.training


def test_the_dtype_is_the_one_asked_for(tiny_model_dir: Path) -> None:
    assert load_pretrained(str(tiny_model_dir), "bfloat16", "cpu").module.dtype == torch.bfloat16


def test_loading_prints_nothing(tiny_model_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_pretrained(str(tiny_model_dir), device="cpu")
    assert capfd.readouterr() == ("", "")


def test_the_pad_token_falls_back_to_the_end_of_sequence(directory: Path) -> None:
    edit(directory / "tokenizer_config.json", pad_token=None)
    tokenizer = load_pretrained(str(directory), device="cpu").tokenizer
    assert tokenizer.pad_token == tokenizer.eos_token == "<eos>"


def test_what_is_saved_loads_with_equal_weights(tiny_model_dir: Path, tmp_path: Path) -> None:
    pretrained = load_pretrained(str(tiny_model_dir), device="cpu")
    torch.nn.init.ones_(pretrained.module.model.norm.weight.data).mul_(3)
    save_pretrained(pretrained, tmp_path / "saved")
    again = load_pretrained(str(tmp_path / "saved"), device="cpu")
    for name, weight in pretrained.module.state_dict().items():
        assert torch.equal(weight, again.module.state_dict()[name]), name


def test_weights_are_replaced_in_place(tiny_model_dir: Path, tmp_path: Path) -> None:
    pretrained = load_pretrained(str(tiny_model_dir), device="cpu")
    parameter = pretrained.module.model.norm.weight
    before = parameter.detach().clone()
    parameter.data.add_(1)
    load_weights(pretrained.module, tiny_model_dir)
    assert pretrained.module.model.norm.weight is parameter
    assert torch.equal(parameter, before)


def test_weights_of_another_size_are_refused(tiny_model_dir: Path, directory: Path) -> None:
    pretrained = load_pretrained(str(tiny_model_dir), device="cpu")
    config = pretrained.module.config.__class__(
        **{**pretrained.module.config.to_dict(), "intermediate_size": 48}
    )
    LlamaForCausalLM(config).save_pretrained(directory)
    with pytest.raises(ModelError, match="do not fit the LlamaForCausalLM"):
        load_weights(pretrained.module, directory)


@pytest.mark.filterwarnings(PEFT_DEPRECATION)
def test_an_adapter_is_saved_alone_and_loads_onto_its_base(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model

    pretrained = load_pretrained(str(tiny_model_dir), device="cpu")
    lora = LoraConfig(task_type="CAUSAL_LM", r=2, init_lora_weights=False)
    pretrained.module = get_peft_model(pretrained.module, lora)
    save_pretrained(pretrained, tmp_path / "adapter")
    again = load_pretrained(str(tmp_path / "adapter"), device="cpu")
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    ids = torch.arange(4, 12)[None]
    expected = pretrained.module(ids).logits
    assert torch.allclose(again.module(ids).logits, expected, atol=1e-5)
    for name, weight in again.module.named_parameters():
        if "lora" in name:
            weight.data.zero_()
    load_weights(again.module, tmp_path / "adapter")
    assert torch.allclose(again.module(ids).logits, expected, atol=1e-5)
    with pytest.raises(ModelError, match="Expected the weights of an adapter, found a whole"):
        load_weights(again.module, tiny_model_dir)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("config.json", "with a config.json, found none"),
        ("model.safetensors", "Expected weights"),
        ("tokenizer*", "Expected a tokenizer, found none"),
        ("chat_template.jinja", "Expected a tokenizer with a chat template"),
    ],
)
def test_a_missing_file_is_named(directory: Path, damage: str, message: str) -> None:
    for path in directory.glob(damage):
        path.unlink()
    with pytest.raises(ModelError, match=message):
        load_pretrained(str(directory), device="cpu")


def test_a_damaged_config_is_reported_with_its_directory(directory: Path) -> None:
    (directory / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_pretrained(str(directory), device="cpu")


def test_truncated_weights_are_reported_with_their_directory(directory: Path) -> None:
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_pretrained(str(directory), device="cpu")


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no directory at '.*nowhere'"):
        load_pretrained(str(tmp_path / "nowhere"))


def test_a_hub_name_that_cannot_be_reached_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="is no local directory, and the hub could not provide"):
        load_pretrained("nobody/has-this-model", device="cpu")


def test_unknown_dtype_and_device_suggest_known_ones(tiny_model_dir: Path) -> None:
    with pytest.raises(ModelError, match="did you mean 'bfloat16'"):
        load_pretrained(str(tiny_model_dir), dtype="bfloat")
    with pytest.raises(ModelError, match="did you mean 'cuda'"):
        load_pretrained(str(tiny_model_dir), device="cuda0")
