"""Float32 masters: what the optimiser moves where a policy's weights have fewer bits.

At the usual rates an optimiser's step is a small part of the distance between two neighbouring
bfloat16 numbers: added to the weight itself it would be rounded away, and nothing would be learned.
So each learned weight of fewer bits has a master in float32. The gradient of every pass is added up
on the master, in float32; the optimiser moves the master; the weight, which answers and scores, is
its master rounded. A weight in float32 is its own master.

Source: Micikevicius et al., 2018, "Mixed Precision Training", arXiv 1710.03740, section 3.1.
bfloat16 has float32's range and needs no scaling of the loss. Left out: that scaling, without which
float16 loses gradients below 6e-8 (`solver.config.check_together` refuses it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch.nn import Parameter


class Masters:
    """The masters of some weights."""

    def __init__(self, weights: Iterable[Parameter]) -> None:
        """Masters that equal their weights."""
        self._of = {
            weight: Parameter(weight.detach().float())
            for weight in weights
            if weight.dtype != torch.float32
        }

    def of(self, weight: Parameter) -> Parameter:
        """The weight's master: itself where it is float32."""
        return self._of.get(weight, weight)

    def collect_gradients(self) -> None:
        """From now on, what a backward pass gives a weight is added to its master's gradient."""
        for weight, master in self._of.items():
            weight.register_post_accumulate_grad_hook(_collecting(master))

    def round(self) -> None:
        """Makes every weight its master, rounded to the weight's dtype."""
        with torch.no_grad():
            for weight, master in self._of.items():
                weight.copy_(master)

    def add(self, weight: Parameter, change: torch.Tensor) -> None:
        """Adds a change to a weight, by way of its master."""
        master = self.of(weight)
        with torch.no_grad():
            master.add_(change.to(master.dtype))
            if master is not weight:
                weight.copy_(master)


def _collecting(master: Parameter) -> Callable[[torch.Tensor], None]:
    """What adds a weight's gradient to its master's as soon as a backward pass has given it."""

    def collect(weight: torch.Tensor) -> None:
        assert weight.grad is not None
        gradient = weight.grad.float()
        weight.grad = None
        master.grad = gradient if master.grad is None else master.grad.add_(gradient)

    return collect
