"""Low-rank adapters on a policy's weights, and the whole modules that learn beside them.

What learns is float32, whatever the base: adapters (PEFT makes them so) and `modules_to_save`,
which PEFT would leave in the base's dtype. Such a module computes in float32 and hands on what the
base computes in.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from selfplay.core.errors import ConfigError
from selfplay.core.models.pretrained import Pretrained, load_weights
from solver.config import LoraConfig


def adapt(pretrained: Pretrained, lora: LoraConfig, source: str) -> None:
    """Puts a new adapter on the model where one is asked for; makes what learns of it float32.

    Args:
        pretrained: its module is replaced; it may be a saved adapter already, with none asked for.
        lora: the new adapter.
        source: the directory, or the name, that the model was loaded from.

    Raises:
        ConfigError: the options do not fit the model.
    """
    if lora.enabled:
        pretrained.module = with_adapter(pretrained.module, lora)
    if _in_float32(pretrained.module) and (Path(source) / "adapter_config.json").is_file():
        # What was saved in float32 was rounded when it was loaded over the base.
        load_weights(pretrained.module, Path(source))


def with_adapter(module: Any, lora: LoraConfig) -> Any:
    """The module with a fresh adapter, which changes nothing yet.

    Raises:
        ConfigError: it is an adapter already, or its output head would get one.
    """
    from peft import LoraConfig as PeftLoraConfig
    from peft import get_peft_model

    if hasattr(module, "peft_config"):
        raise ConfigError(
            "model.lora: expected a whole model under a new adapter, found a directory "
            "that is an adapter already. Set lora.enabled to false to go on training that one."
        )
    for name in ("target_modules", "modules_to_save"):
        if "lm_head" in getattr(lora, name):
            raise ConfigError(
                f"model.lora.{name}: the output head cannot carry an adapter, since TRL multiplies "
                "by its plain weights. Remove 'lm_head'."
            )
    options = PeftLoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules
        if isinstance(lora.target_modules, str)
        else list(lora.target_modules),
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        modules_to_save=list(lora.modules_to_save) or None,
        init_lora_weights="gaussian" if lora.init == "gaussian" else True,
        task_type="CAUSAL_LM",
    )
    # Adapter weights are drawn from the global generator; the same model gets the same adapter.
    with torch.random.fork_rng(), warnings.catch_warnings():
        torch.manual_seed(0)
        # PEFT 0.21 reads an attribute that transformers 5.23 has renamed.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")
        adapted = get_peft_model(module, options)
    # By this mark a trainer that is handed the base knows that quantised weights are not to learn.
    module._hf_peft_config_loaded = True
    return adapted


def _in_float32(module: Any) -> bool:
    """Makes the whole modules that learn beside adapters float32; were there any of less?"""
    from peft.utils import ModulesToSaveWrapper

    found = [
        saved
        for wrapper in module.modules()
        if isinstance(wrapper, ModulesToSaveWrapper)
        for saved in wrapper.modules_to_save.values()
        if any(p.requires_grad and p.dtype != torch.float32 for p in saved.parameters())
    ]
    for saved in found:
        usual = next(p.dtype for p in saved.parameters() if p.is_floating_point())
        saved.float()
        saved.register_forward_pre_hook(_Casting(torch.float32).inputs, with_kwargs=True)
        saved.register_forward_hook(_Casting(usual).output)
    return bool(found)


class _Casting:
    """Hooks that cast what a module is given, or gives."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype

    def inputs(self, _module: Any, args: Any, kwargs: Any) -> Any:
        return self._cast(args), self._cast(kwargs)

    def output(self, _module: Any, _args: Any, found: Any) -> Any:
        return self._cast(found)

    def _cast(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.to(self._dtype) if value.is_floating_point() else value
        if type(value) in (tuple, list):
            return type(value)(self._cast(item) for item in value)
        if type(value) is dict:
            return {name: self._cast(item) for name, item in value.items()}
        return value
