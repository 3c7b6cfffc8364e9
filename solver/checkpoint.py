"""A policy version on disk: weights in Hugging Face layout, AdamW's state, the version.

    config.json, *.safetensors, tokenizer*   what `from_pretrained` reads (an adapter under LoRA)
    optimizer.safetensors                    NAME.exp_avg, NAME.exp_avg_sq, NAME.step, and
                                             NAME.master of a weight of less than float32
    heads.safetensors                        value and reward heads, where the objective has them
    average.safetensors                      the weights' moving average, where it is the reference
    policy.json                              format, version, sha256, and what methods keep over
                                             training (`memory`), where they keep anything

A directory is complete or absent: it is written beside its place, flushed to disk and renamed (one
that stood there before is removed first, so that a crash in between leaves it absent). The
hash covers the learned tensors and the moments themselves, not the bytes of files, so that it does
not depend on the versions of the libraries that wrote them. A directory without masters (of an
earlier release) is read as well: its weights become masters, its moments float32.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from selfplay.core.errors import ModelError
from selfplay.core.models.pretrained import load_weights, save_pretrained
from solver.heads import FILE as HEADS
from solver.heads import load_heads
from solver.policy import Policy

FORMAT = 1
MOMENTS = ("exp_avg", "exp_avg_sq", "step")
MASTER = "master"


def save_policy(policy: Policy, directory: Path) -> str:
    """Writes the policy's state to `directory`, replacing what is there.

    Returns:
        SHA-256 (hex) over the learned weights and the optimiser state.

    Raises:
        OSError: the file system is full, failing or read-only.
    """
    digest = policy_digest(policy)
    partial = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        save_pretrained(policy.pretrained, partial)
        save_file(_optimizer_tensors(policy), partial / "optimizer.safetensors")
        if policy.heads:
            save_file(_contiguous(policy.heads.state_dict()), partial / HEADS)
        if policy.averaged:
            save_file(_contiguous(policy.averaged), partial / "average.safetensors")
    except SafetensorError as error:  # how safetensors tells of a full disk
        raise OSError(str(error)) from error
    header: dict[str, Any] = {"format": FORMAT, "version": policy.version, "sha256": digest}
    if memory := _memory(policy):
        header["memory"] = memory
    (partial / "policy.json").write_text(json.dumps(header, indent=1) + "\n")
    _flush(partial)
    shutil.rmtree(directory, ignore_errors=True)
    partial.rename(directory)
    _sync(directory.parent)
    return digest


def restore_policy(policy: Policy, directory: Path) -> None:
    """Puts the state saved in `directory` into `policy`, in place.

    Raises:
        ModelError: no saved policy, another format or model, or contents that were altered.
    """
    header = _header(directory)
    try:
        load_weights(policy.pretrained.module, directory)
        load_heads(policy.heads, directory)
        optimizer = load_file(directory / "optimizer.safetensors")
        averages = load_file(directory / "average.safetensors") if policy.averaged else {}
        _load_optimizer(policy, optimizer)
        for name, average in policy.averaged.items():
            average.copy_(averages[name])
    except (OSError, KeyError, SafetensorError) as error:
        raise ModelError(f"The policy saved in '{directory}' is damaged: {error}") from error
    policy.round()
    policy.version = header["version"]
    policy.memory = header.get("memory", {})
    learned = _learned(policy)
    expected, memory = header["sha256"], _memory(policy)
    found = _digest(learned, optimizer, averages, memory)
    # Hashing takes long where a model is large: the second way is for those of an earlier release.
    if expected != found and expected != _digest(
        _as_earlier(policy, learned), optimizer, averages, memory
    ):
        raise ModelError(
            f"Expected the policy saved in '{directory}' to hash to {expected[:12]}, found "
            f"{found[:12]}. Its files were changed, or it is loaded with another dtype than it was "
            "saved with. Go back to an earlier version."
        )


def policy_digest(policy: Policy) -> str:
    """SHA-256 (hex) over name, dtype, shape and content of every weight, moment and average.

    What methods keep over training is in it too, where they keep anything.
    """
    tensors = _learned(policy), _optimizer_tensors(policy), policy.averaged
    return _digest(*tensors, _memory(policy))


def _digest(
    weights: Mapping[str, torch.Tensor],
    optimizer: Mapping[str, torch.Tensor],
    averages: Mapping[str, torch.Tensor],
    memory: Mapping[str, Mapping[str, float]],
) -> str:
    digest = hashlib.sha256()
    kinds = {"weights": weights, "optimizer": optimizer, "average": averages}
    for kind, tensors in kinds.items():
        for name in sorted(tensors):
            tensor = tensors[name].cpu().contiguous()
            digest.update(f"{kind} {name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    if memory:
        digest.update(f"memory {json.dumps(memory, sort_keys=True)}\n".encode())
    return digest.hexdigest()


def _memory(policy: Policy) -> dict[str, dict[str, float]]:
    return {place: kept for place, kept in sorted(policy.memory.items()) if kept}


def _as_earlier(policy: Policy, learned: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What learns, with whole modules beside adapters in the base's dtype, as they once were."""
    dtype = policy.module.dtype
    return {n: p.to(dtype) if ".modules_to_save." in n else p for n, p in learned.items()}


def _learned(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in policy.named_parameters() if p.requires_grad}


def _optimizer_tensors(policy: Policy) -> dict[str, torch.Tensor]:
    """Masters, and AdamW's state (nothing before the first step), by parameter name."""
    state, found = policy.optimizer.state, {}
    for name, parameter in policy.named_parameters():
        master = policy.masters.of(parameter)
        if master is not parameter:
            found[f"{name}.{MASTER}"] = master.detach().contiguous()
        if master in state:
            found |= {f"{name}.{m}": state[master][m].detach().contiguous() for m in MOMENTS}
    return found


def _load_optimizer(policy: Policy, tensors: Mapping[str, torch.Tensor]) -> None:
    policy.optimizer.state.clear()
    for name, parameter in policy.named_parameters():
        master = policy.masters.of(parameter)
        if master is not parameter:
            with torch.no_grad():
                master.copy_(tensors.get(f"{name}.{MASTER}", parameter))
        if f"{name}.step" in tensors:
            policy.optimizer.state[master] = {
                moment: tensors[f"{name}.{moment}"].to(master.device, torch.float32)
                for moment in MOMENTS
            }


def _contiguous(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _header(directory: Path) -> dict[str, Any]:
    file = directory / "policy.json"
    if not file.exists():
        raise ModelError(
            f"Expected a saved policy in '{directory}', found no policy.json. Give a directory "
            "policy/<version> of a run."
        )
    try:
        header: dict[str, Any] = json.loads(file.read_text())
    except ValueError as error:
        raise ModelError(f"'{file}' is damaged: {error}. Go back to an earlier version.") from error
    if header.get("format") != FORMAT:
        raise ModelError(
            f"Expected policy format {FORMAT} in '{directory}', found {header.get('format')}. "
            "Read it with the release that wrote it."
        )
    return header


def _flush(directory: Path) -> None:
    for file in directory.rglob("*"):
        _sync(file)
    _sync(directory)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
