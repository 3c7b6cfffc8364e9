"""Scalar heads on a policy's last hidden states: the value of PPO, the reward of a reward model.

A head is one linear layer without bias, as transformers' sequence classification has it, so that a
reward model can leave in that layout. It learns with the policy, in float32 whatever the body's
dtype. The value begins at 0, the reward with standard deviation 1/√(H + 1): "Learning to
summarize from human feedback", Stiennon et al., 2020, arXiv 2009.01325, and Huang et al., 2024,
"The N+ Implementation Details of RLHF with PPO", arXiv 2403.17031. Left out: a critic with a body
of its own.

Shapes: B sequences of L tokens, T = L - 1 predicted ones, H hidden units.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from selfplay.core.errors import ModelError
from solver.learning.batches import Row, micro_batches, padded_rows
from solver.objectives.row import Need

FILE = "heads.safetensors"
"""Where a policy directory holds its heads: NAME.weight, shape (1, H)."""

NAMES: dict[Need, str] = {"value head": "value", "reward head": "reward"}
"""Need of an objective → name of the head."""


def make_heads(needs: Set[Need], module: Any, source: Path) -> torch.nn.ModuleDict:
    """The heads that are needed: those saved in `source` where there are, else new ones.

    Raises:
        ModelError: the saved heads are damaged or belong to a body of another width.
    """
    width = module.get_output_embeddings().weight.size(1)
    heads = torch.nn.ModuleDict()
    for need, name in sorted(NAMES.items()):
        if need in needs:
            heads[name] = _new_head(name, width)
    if heads and (source / FILE).is_file():
        load_heads(heads, source, partly=True)
    return heads.to(module.device)


def _new_head(name: str, width: int) -> torch.nn.Linear:
    head = torch.nn.Linear(width, 1, bias=False, dtype=torch.float32)
    weight_1H = torch.zeros(1, width)
    if name == "reward":
        # The same model gets the same head; the global generator stays as it is.
        weight_1H.normal_(0, (width + 1) ** -0.5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        head.weight.copy_(weight_1H)
    return head


def load_heads(heads: torch.nn.ModuleDict, directory: Path, partly: bool = False) -> None:
    """Replaces the heads' weights by those saved in `directory`, in place.

    Args:
        heads: what is there already.
        directory: a policy directory.
        partly: heads that the directory lacks stay as they are, others are left there.

    Raises:
        ModelError: the directory has other heads, damaged ones, or ones of another width.
    """
    saved = {f"{name}.weight": weight for name, weight in saved_heads(directory).items()}
    expected = heads.state_dict()
    if partly:
        saved = {name: saved.get(name, weight) for name, weight in expected.items()}
    shapes = {name: tuple(weight.shape) for name, weight in expected.items()}
    found = {name: tuple(weight.shape) for name, weight in saved.items()}
    if shapes != found:
        raise ModelError(
            f"Expected the heads {shapes or 'none'} in '{directory}', found {found or 'none'}. "
            "Load a policy that was saved under the same objective and from the same model."
        )
    heads.load_state_dict(saved)


def saved_heads(directory: Path) -> dict[str, torch.Tensor]:
    """Name → weight of each head that a policy directory holds.

    Raises:
        ModelError: they are damaged.
    """
    try:
        saved = load_file(directory / FILE) if (directory / FILE).is_file() else {}
    except SafetensorError as error:
        raise ModelError(f"The heads saved in '{directory}' are damaged: {error}") from error
    return {name.removesuffix(".weight"): weight for name, weight in saved.items()}


def read(head: torch.nn.Module, hidden_H: torch.Tensor) -> torch.Tensor:
    """What the head says of hidden states (..., H): shape (...), in the head's own dtype."""
    weight: torch.Tensor = head.weight  # type: ignore[assignment]
    with torch.autocast(hidden_H.device.type, enabled=False):
        scalars: torch.Tensor = head(hidden_H.to(weight.dtype)).squeeze(-1)
    return scalars


def hidden_states(module: Any, ids_BL: torch.Tensor) -> torch.Tensor:
    """The body's last hidden states, shape (B, L, H); no logits are computed."""
    output = module.base_model(input_ids=ids_BL, use_cache=False)
    states_BLH: torch.Tensor = output.last_hidden_state
    return states_BLH


@contextmanager
def captured_states(module: Any) -> Iterator[list[torch.Tensor]]:
    """Within it, the last hidden states of every forward pass of `module` are put in the list.

    So one pass gives log-probabilities and values.
    """
    found: list[torch.Tensor] = []

    def keep(_body: Any, _inputs: Any, output: Any) -> None:
        found.append(output.last_hidden_state)

    handle = module.base_model.register_forward_hook(keep)
    try:
        yield found
    finally:
        handle.remove()


def closed_alike(rows: Sequence[Row], stops: Collection[int], end_of_turn: int) -> list[Row]:
    """The rows as a reward head reads them: a turn that ended, ended with the end of turn.

    A model may stop at several tokens, and of a text nobody knows at which: so that a response
    scores the same from its tokens and from its text, all of them are read alike.
    """
    return [
        replace(row, response_ids=np.append(row.response_ids[:-1], end_of_turn))
        if len(row.response_ids) and row.response_ids[-1] in stops
        else row
        for row in rows
    ]


def last_states(states_BLH: torch.Tensor, ids_BL: torch.Tensor, pad_id: int) -> torch.Tensor:
    """Each sequence's state at its last token that is not padding, shape (B, H).

    Where the end-of-sequence token is also the padding, that token is passed over, as
    transformers' sequence classification does.
    """
    positions_L = torch.arange(ids_BL.size(1), device=ids_BL.device)
    last_B = (positions_L * (ids_BL != pad_id)).argmax(dim=-1)
    return states_BLH[torch.arange(len(ids_BL), device=ids_BL.device), last_B]


def token_values(
    module: Any,
    head: torch.nn.Module,
    rows: Sequence[Row],
    pad_id: int,
    max_tokens: int,
    autocast: bool = False,
) -> list[NDArray[np.float32]]:
    """V(s_t) before each response token of `rows[i]`, shape (T_i,). No gradients."""

    def valued(chosen: Sequence[Row], ids_BL: torch.Tensor) -> list[NDArray[np.float32]]:
        values_BT = read(head, hidden_states(module, ids_BL[:, :-1])).cpu().numpy()
        return [
            values_T[len(row.prompt_ids) - 1 : row.length - 1].copy()
            for row, values_T in zip(chosen, values_BT, strict=True)
        ]

    return _in_batches(module, rows, pad_id, max_tokens, autocast, valued)


def response_rewards(
    module: Any,
    head: torch.nn.Module,
    rows: Sequence[Row],
    pad_id: int,
    max_tokens: int,
    autocast: bool = False,
) -> NDArray[np.float32]:
    """The reward head's score of each response, shape (R,). No gradients."""

    def scored(_chosen: Sequence[Row], ids_BL: torch.Tensor) -> list[NDArray[np.float32]]:
        states_BH = last_states(hidden_states(module, ids_BL), ids_BL, pad_id)
        return list(read(head, states_BH).cpu().numpy())

    return np.array(_in_batches(module, rows, pad_id, max_tokens, autocast, scored), np.float32)


def _in_batches(
    module: Any,
    rows: Sequence[Row],
    pad_id: int,
    max_tokens: int,
    autocast: bool,
    compute: Callable[[Sequence[Row], torch.Tensor], list[NDArray[np.float32]]],
) -> list[NDArray[np.float32]]:
    """Rows of like length together, in evaluation mode and without gradients; in their order."""
    found: dict[int, NDArray[np.float32]] = {}
    was_training = module.training
    module.eval()
    with (
        torch.no_grad(),
        torch.autocast(module.device.type, torch.bfloat16, enabled=autocast),
    ):
        for chunk in micro_batches(range(len(rows)), [row.length for row in rows], max_tokens):
            chosen = [rows[i] for i in chunk]
            ids_BL = padded_rows(chosen, pad_id).to(module.device)
            found |= dict(zip(chunk, compute(chosen, ids_BL), strict=True))
    module.train(was_training)
    return [found[i] for i in range(len(rows))]
