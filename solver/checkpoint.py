"""A policy version on disk: weights in Hugging Face layout, AdamW's moments, the version.

    config.json, *.safetensors, tokenizer*   what `from_pretrained` reads (an adapter under LoRA)
    optimizer.safetensors                    NAME.exp_avg, NAME.exp_avg_sq, NAME.step
    heads.safetensors                        value and reward heads, where the objective has them
    average.safetensors                      the weights' moving average, where it is the reference
    policy.json                              format, version, sha256

A directory is complete or absent: it is written beside its place, flushed to disk and renamed (one
that stood there before is removed first, so that a crash in between leaves it absent). The
hash covers the learned tensors and the moments themselves, not the bytes of files, so that it does
not depend on the versions of the libraries that wrote them.
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
    header = {"format": FORMAT, "version": policy.version, "sha256": digest}
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
        _load_moments(policy, load_file(directory / "optimizer.safetensors"))
        if policy.averaged:
            _load_average(policy, load_file(directory / "average.safetensors"))
    except (OSError, KeyError, SafetensorError) as error:
        raise ModelError(f"The policy saved in '{directory}' is damaged: {error}") from error
    policy.version = header["version"]
    found = policy_digest(policy)
    if found != header["sha256"]:
        raise ModelError(
            f"Expected the policy saved in '{directory}' to hash to {header['sha256'][:12]}, found "
            f"{found[:12]}. Its files were changed, or it is loaded with another dtype than it was "
            "saved with. Go back to an earlier version."
        )


def policy_digest(policy: Policy) -> str:
    """SHA-256 (hex) over name, dtype, shape and content of every weight, moment and average."""
    learned = {
        name: parameter.detach()
        for name, parameter in policy.named_parameters()
        if parameter.requires_grad
    }
    digest = hashlib.sha256()
    kinds = {
        "weights": learned,
        "optimizer": _optimizer_tensors(policy),
        "average": policy.averaged,
    }
    for kind, tensors in kinds.items():
        for name in sorted(tensors):
            tensor = tensors[name].cpu().contiguous()
            digest.update(f"{kind} {name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _optimizer_tensors(policy: Policy) -> dict[str, torch.Tensor]:
    """AdamW's state by parameter name; empty before the first step."""
    state = policy.optimizer.state
    return {
        f"{name}.{moment}": state[parameter][moment].detach().contiguous()
        for name, parameter in policy.named_parameters()
        if parameter in state
        for moment in MOMENTS
    }


def _load_moments(policy: Policy, tensors: Mapping[str, torch.Tensor]) -> None:
    policy.optimizer.state.clear()
    for name, parameter in policy.named_parameters():
        if f"{name}.step" in tensors:
            policy.optimizer.state[parameter] = {
                moment: tensors[f"{name}.{moment}"].to(parameter.device) for moment in MOMENTS
            }


def _load_average(policy: Policy, tensors: Mapping[str, torch.Tensor]) -> None:
    for name, average in policy.averaged.items():
        average.copy_(tensors[name])


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
