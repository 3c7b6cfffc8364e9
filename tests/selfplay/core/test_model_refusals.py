"""Claims about model directories that are broken: our error, with what is wrong and where."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from selfplay.core.errors import ModelError
from selfplay.core.models.agreement import check_generation
from selfplay.core.models.pretrained import load_pretrained, load_weights
from selfplay.core.models.transformers_model import TransformersModel
from selfplay.core.types import user

WEIGHTS, ADAPTER = "model.safetensors", "adapter_model.safetensors"


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def reweigh(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def prefixed(tensors: dict[str, torch.Tensor]) -> None:
    for name in list(tensors):
        tensors[f"_orig_mod.{name}"] = tensors.pop(name)


def added_token(path: Path) -> None:
    content = json.loads(path.read_text())
    token = {"id": 99, "content": "<answer>", "special": False, "normalized": True}
    content["added_tokens"].append(
        token | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
    )
    path.write_text(json.dumps(content))


FIRST = "model.layers.0.self_attn.q_proj.weight"
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a key is missing": (
        lambda d: reweigh(d / WEIGHTS, lambda t: t.pop(FIRST)),
        rf"are without {FIRST}\. Weights made up",
    ),
    "keys of a compiled module": (lambda d: reweigh(d / WEIGHTS, prefixed), "beyond it _orig_mod"),
    "the configuration has a layer more": (
        lambda d: edit(d / "config.json", num_hidden_layers=3),
        r"are without model\.layers\.2\.",
    ),
    "the file has a layer more": (
        lambda d: edit(d / "config.json", num_hidden_layers=1),
        r"hold beyond it model\.layers\.1\.",
    ),
    "another shape": (
        lambda d: edit(d / "config.json", intermediate_size=96),
        r"other shapes for .*\(64, 32\) instead of \(96, 32\)",
    ),
    "another architecture": (
        lambda d: edit(d / "config.json", model_type="gpt2", architectures=["GPT2LMHeadModel"]),
        r"'.*model'",
    ),
    "an unknown architecture": (
        lambda d: edit(d / "config.json", model_type="nobody_has_this"),
        "cannot be loaded: .*nobody_has_this",
    ),
    "no object": (lambda d: (d / "config.json").write_text("[]"), "cannot be loaded"),
    "no safetensors": (lambda d: (d / WEIGHTS).write_bytes(b"\0" * 64), "cannot be loaded"),
    "NaN weights": (
        lambda d: reweigh(d / WEIGHTS, lambda t: t[FIRST][0].fill_(float("nan"))),
        f"weight {FIRST} .*not finite",
    ),
    "an empty tokenizer": (
        lambda d: (d / "tokenizer.json").write_text("{}"),
        "tokenizer in '.*' cannot be loaded",
    ),
    "a cut tokenizer": (
        lambda d: (d / "tokenizer.json").write_text('{"version": "1.0", "model": {'),
        "tokenizer in '.*' cannot be loaded",
    ),
    "tokens that the model cannot embed": (
        lambda d: added_token(d / "tokenizer.json"),
        r"1 tokens that the model cannot embed, which has 99: '<answer>' \(99\)",
    ),
    "named templates without a default": (
        lambda d: (
            (d / "chat_template.jinja").unlink(),
            edit(
                d / "tokenizer_config.json",
                chat_template=[{"name": "rag", "template": "x"}, {"name": "tool", "template": "y"}],
            ),
        ),
        r"none that is called 'default' \(rag, tool\)",
    ),
    "a template that is no text": (
        lambda d: (
            (d / "chat_template.jinja").unlink(),
            edit(d / "tokenizer_config.json", chat_template=7),
        ),
        "cannot be loaded|refuses a chat",
    ),
    "a template with a syntax error": (
        lambda d: (d / "chat_template.jinja").write_text("{% for m in messages %}"),
        "refuses a chat",
    ),
    "a template with a wrong type": (
        lambda d: (d / "chat_template.jinja").write_text("{{ tools | length }}"),
        "refuses a chat .*TypeError",
    ),
    "a template that is not UTF-8": (
        lambda d: (d / "chat_template.jinja").write_bytes(b"\xff\xfe{{ messages }}"),
        "tokenizer in '.*' cannot be loaded",
    ),
    "a template without words": (
        lambda d: (d / "chat_template.jinja").write_text("{# nothing #}"),
        "makes no tokens",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_directory_is_refused(damage: str, tiny_model_dir: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    do, message = DAMAGES[damage]
    do(directory)
    with pytest.raises(ModelError, match=message):
        TransformersModel(load_pretrained(str(directory), device="cpu")).prompt_ids([user("hi")])


@pytest.fixture(scope="module")
def adapter_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from peft import LoraConfig, get_peft_model

    from selfplay.core.models.library import quiet

    directory = tmp_path_factory.mktemp("adapters") / "adapter"
    pretrained = load_pretrained(str(tiny_model_dir), device="cpu")
    with quiet():
        lora = LoraConfig(task_type="CAUSAL_LM", r=2, init_lora_weights=False)
        get_peft_model(pretrained.module, lora).save_pretrained(directory)
    pretrained.tokenizer.save_pretrained(directory)
    return directory


CONFIG = "adapter_config.json"
BROKEN_ADAPTERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no base": (
        lambda d: edit(d / CONFIG, base_model_name_or_path=None),
        "adapter in '.*' to name its base",
    ),
    "a base that is not there": (
        lambda d: edit(d / CONFIG, base_model_name_or_path="/no/such/base"),
        "no directory at '/no/such/base'",
    ),
    "itself as the base": (
        lambda d: edit(d / CONFIG, base_model_name_or_path=str(d)),
        "names itself as its base",
    ),
    "no JSON": (lambda d: (d / CONFIG).write_text("{"), "adapter_config.json in '.*' cannot"),
    "an unknown kind": (lambda d: edit(d / CONFIG, peft_type="NONE"), "adapter in '.*' cannot be"),
    "another rank": (lambda d: edit(d / CONFIG, r=3), "adapter in '.*' cannot be loaded"),
    "no weights": (
        lambda d: (d / ADAPTER).rename(d / "other.safetensors"),
        "weights of an adapter",
    ),
    "foreign keys": (lambda d: reweigh(d / ADAPTER, prefixed), "beyond it _orig_mod"),
    "a key is missing": (
        lambda d: reweigh(d / ADAPTER, lambda t: t.pop(sorted(t)[0])),
        r"are without base_model.*lora_A",
    ),
    "NaN weights": (
        lambda d: reweigh(d / ADAPTER, lambda t: t[sorted(t)[0]].fill_(float("nan"))),
        "not finite",
    ),
}


@pytest.mark.parametrize("damage", BROKEN_ADAPTERS)
def test_a_broken_adapter_is_refused(damage: str, adapter_dir: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(adapter_dir, tmp_path / "adapter"))
    do, message = BROKEN_ADAPTERS[damage]
    do(directory)
    with pytest.raises(ModelError, match=message):
        load_pretrained(str(directory), device="cpu")


def test_foreign_adapter_weights_are_no_version_of_an_adapter(
    adapter_dir: Path, tmp_path: Path
) -> None:
    module = load_pretrained(str(adapter_dir), device="cpu").module
    before = {name: weight.clone() for name, weight in module.state_dict().items()}
    directory = Path(shutil.copytree(adapter_dir, tmp_path / "adapter"))
    reweigh(directory / ADAPTER, prefixed)
    with pytest.raises(ModelError, match="beyond it _orig_mod"):
        load_weights(module, directory)
    assert all(torch.equal(before[name], weight) for name, weight in module.state_dict().items())


def test_an_adapters_base_may_be_named_from_the_adapters_place(
    adapter_dir: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    directory = Path(shutil.copytree(adapter_dir, tmp_path / "adapter"))
    shutil.copytree(tiny_model_dir, directory / "base")
    edit(directory / CONFIG, base_model_name_or_path="base")
    assert hasattr(load_pretrained(str(directory), device="cpu").module, "peft_config")


def test_a_model_that_generates_from_another_distribution_is_refused() -> None:
    from transformers import Mamba2Config, Mamba2ForCausalLM

    config = Mamba2Config(
        vocab_size=98,
        hidden_size=32,
        num_hidden_layers=2,
        num_heads=4,
        head_dim=16,
        state_size=16,
        n_groups=1,
        expand=2,
        initializer_range=0.3,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Mamba2ForCausalLM(config).eval()
    with pytest.raises(ModelError, match=r"mamba .*generates from another distribution than"):
        check_generation(module, 0, "mamba", context=256)


def test_the_comparison_draws_nothing_and_passes_every_dtype(tiny_model_dir: Path) -> None:
    state = torch.get_rng_state()
    for dtype in ("float32", "bfloat16", "float16"):
        load_pretrained(str(tiny_model_dir), dtype, device="cpu")
    assert torch.equal(state, torch.get_rng_state())


def test_logits_that_become_no_numbers_are_refused(tiny_model_dir: Path) -> None:
    from selfplay.core.seeding import Seed
    from selfplay.core.types import Sampling

    loaded = load_pretrained(str(tiny_model_dir), device="cpu")
    model = TransformersModel(loaded)
    (responses,) = model.generate([user("hi")], Sampling(n=1, max_new_tokens=3), Seed(0))
    loaded.module.model.norm.weight.data.fill_(float("nan"))
    for asked in (
        lambda: model.generate([user("hi")], Sampling(n=1, max_new_tokens=3), Seed(0)),
        lambda: model.logprobs([user("hi")], responses),
    ):
        with pytest.raises(ModelError, match="logits of tiny are not numbers"):
            asked()
