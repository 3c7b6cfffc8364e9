"""A mixture of experts' load-balancing loss: once in each optimiser step, under any objective.

The model works it out for a forward pass (Fedus et al., 2021, Switch Transformers, arXiv
2101.03961, equations 4 to 6). A step's is the mean over its passes, each weighing its tokens, so
that neither the number of passes nor what share of a loss they have changes how often it counts. It
is not linear in the tokens: cut otherwise, a step's is a little different. Left out: passes that
read hidden states alone (reward models, the warm-up of PPO's value).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from selfplay.core.errors import ConfigError
from solver.learning.batches import IGNORED


class Balance:
    """Collects the load-balancing losses of a module's forward passes that have gradients."""

    def __init__(self, weight: float) -> None:
        self.weight = weight
        self._found: list[torch.Tensor] = []

    def taken(self) -> torch.Tensor | None:
        """The mean since it was last asked for; None where the model has given none."""
        found, self._found = self._found, []
        return torch.stack(found).mean() if found else None

    def ask(self, _module: Any, args: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Before a forward pass: the loss is wanted."""
        wanted = {"output_router_logits": True} if torch.is_grad_enabled() else {}
        return args, options | wanted

    def keep(self, _module: Any, _args: Any, output: Any) -> None:
        """After a forward pass."""
        loss = getattr(output, "aux_loss", None)
        if torch.is_grad_enabled() and isinstance(loss, torch.Tensor):
            self._found.append(loss)


@contextmanager
def balanced(module: Any, weight: float | None) -> Iterator[Balance]:
    """For the block, what the module's forward passes give to balance.

    Args:
        weight: as `solver.router_loss`.
    """
    balance = Balance(router_weight(module, weight))
    if not balance.weight:
        yield balance
        return
    hooks = (
        module.register_forward_pre_hook(balance.ask, with_kwargs=True),
        module.register_forward_hook(balance.keep),
    )
    try:
        yield balance
    finally:
        for hook in hooks:
            hook.remove()


def has_router(module: Any) -> bool:
    """Is it a mixture of experts that gives its router's logits?"""
    return hasattr(module.config.get_text_config(), "output_router_logits")


def router_weight(module: Any, weight: float | None) -> float:
    """The weight of the loss: the model's own where `weight` is None, 0 without a router.

    Raises:
        ConfigError: a weight is asked for, and the model has no router.
    """
    if weight and not has_router(module):
        raise ConfigError(
            f"solver.router_loss: expected null or 0, since {type(module).__name__} is no mixture "
            f"of experts that gives its router's logits, found {weight}. Remove it."
        )
    if not has_router(module):
        return 0.0
    own = getattr(module.config.get_text_config(), "router_aux_loss_coef", 0.0) or 0.0
    return float(own if weight is None else weight)


def without_padding(module: Any, labels_BL: torch.Tensor) -> dict[str, torch.Tensor]:
    """The attention mask for a module with a router, which else would balance padding too.

    Without a router, nothing: causal attention does not see padding on the right.

    Args:
        labels_BL: `IGNORED` but on a row's response, which is its end.
    """
    if not has_router(module):
        return {}
    behind_BL = (labels_BL != IGNORED).flip(1).cumsum(dim=1).flip(1)
    return {"attention_mask": (behind_BL > 0).long()}
