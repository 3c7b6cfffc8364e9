"""Data-parallel learning: processes with copies of one policy take each optimiser step together.

`torchrun` and `accelerate launch` start the processes. The first plays the game; the others follow
it: they hear what is learned next, make the same plan, and each makes its share of a step's passes.
Gradients are summed before they are clipped, so that all take the same step and the weights stay
equal. What a process cannot tell the others (it was killed, it ran out of memory) ends it; its
connections close, and that ends the others, each with a message.

Words (orders, log-probabilities, losses) travel over gloo, which notices at once when a process is
gone and may wait for days while the first one generates; tensors travel over the backend of their
device. Torch-free until a team is joined. Left out: sharded weights (FSDP), reduction during the
backward pass, and generation by the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from selfplay.core.errors import ResourceError
from solver.learning.errors import SharedError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

_SIZES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
_RANKS = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK")
"""Environment variables of torch's launcher and of MPI's, in accelerate's order of preference."""

PATIENCE = timedelta(days=30)
"""Longest that the others wait for an order: longer than any stage of a game."""

BUCKET = 2**24
"""Gradients that are summed at once: 64 MB of float32."""


class Team:
    """One process alone, which shares nothing."""

    size = 1
    """Processes."""
    rank = 0
    """Which of them this is; 0 plays the game."""

    def portion(self, sizes: Sequence[int]) -> list[int]:
        """Positions of the pieces of work that are this process's, ascending.

        Args:
            sizes: what each piece costs, in any unit; the same in every process.
        """
        return list(range(len(sizes)))

    def gathered(self, own: T) -> list[T]:
        """What each process hands in, by rank."""
        return [own]

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Sums each gradient over the processes; one that none of them has stays None."""

    def copy(self, tensor: torch.Tensor) -> None:
        """Fills `tensor` with the first process's, in place."""

    @contextmanager
    def order(self, what: Any) -> Iterator[None]:
        """The first process tells the others what to do; the block is its own part of that."""
        yield

    def hear(self) -> Any:
        """The next order; None when the first process is done."""
        return None

    def dismiss(self) -> None:
        """The first process has no further order. Does nothing where the team is broken."""

    def leave(self) -> None:
        """Ends the connections, in every process."""


class Processes(Team):
    """The processes of a launch. Its methods are called by all of them, in the same order.

    All raise ResourceError where another process is gone.
    """

    def __init__(self) -> None:
        """Waits until all processes are there."""
        import torch
        import torch.distributed as dist
        from accelerate import PartialState
        from accelerate.utils import parse_flag_from_env

        self._whole = True
        cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.cuda.is_available()
        with self._reached():
            state = PartialState(cpu=cpu)
            # Objects travel as bytes on the CPU, whatever the device of the weights.
            self._words = dist.new_group(backend="gloo", timeout=PATIENCE)
        self.size, self.rank = state.num_processes, state.process_index

    def portion(self, sizes: Sequence[int]) -> list[int]:
        """As `Team.portion`: the largest piece first, each to the process with the least so far."""
        loads = [0] * self.size
        own = []
        for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
            least = loads.index(min(loads))
            loads[least] += sizes[i]
            if least == self.rank:
                own.append(i)
        return sorted(own)

    def gathered(self, own: T) -> list[T]:
        """As `Team.gathered`."""
        import torch.distributed as dist

        found: list[Any] = [None] * self.size
        with self._reached():
            dist.all_gather_object(found, own, group=self._words)
        return found

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """As `Team.add_gradients`."""
        for bucket in _buckets(parameters):
            self._add_bucket(bucket)

    def _add_bucket(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        import torch
        import torch.distributed as dist

        first = parameters[0]
        # Behind the gradients: how many processes have each.
        known = first.new_tensor([p.grad is not None for p in parameters])
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), known])
        with self._reached():
            dist.all_reduce(flat, group=self._group(flat))
        *summed, known = flat.detach().split([*(p.numel() for p in parameters), len(parameters)])
        for parameter, gradient, total, holders in zip(
            parameters, gradients, summed, known.tolist(), strict=True
        ):
            parameter.grad = gradient.copy_(total.view_as(parameter)) if holders else None

    def copy(self, tensor: torch.Tensor) -> None:
        """As `Team.copy`."""
        import torch.distributed as dist

        with self._reached():
            dist.broadcast(tensor, src=0, group=self._group(tensor))

    @contextmanager
    def order(self, what: Any) -> Iterator[None]:
        """As `Team.order`. An error in the block breaks the team, unless all processes share it."""
        if self.rank == 0:
            self._broadcast(what)
        whole, self._whole = self._whole, False
        try:
            yield
        except SharedError:
            self._whole = whole
            raise
        self._whole = whole

    def hear(self) -> Any:
        """As `Team.hear`."""
        return self._broadcast(None)

    def dismiss(self) -> None:
        """As `Team.dismiss`."""
        if self._whole and self.rank == 0:
            self._broadcast(None)

    def leave(self) -> None:
        """As `Team.leave`. A broken team's connections end with the process."""
        import torch.distributed as dist

        if self._whole:
            dist.destroy_process_group()

    def _broadcast(self, what: Any) -> Any:
        """The first process's `what`, in all of them."""
        import torch.distributed as dist

        found = [what]
        with self._reached():
            dist.broadcast_object_list(found, src=0, group=self._words)
        return found[0]

    def _group(self, tensor: torch.Tensor) -> Any:
        """The default backend serves the accelerator, if there is one, and no other device."""
        return self._words if tensor.device.type == "cpu" else None

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            self._whole = False
            raise ResourceError(
                f"expected all {world_size()} processes of the launch to learn together, found "
                f"that one of them ended or does not answer ({str(error).splitlines()[0]}). Its "
                "own message says why. Nothing committed is lost: run the same command again"
            ) from error


def join() -> Team:
    """The team of this launch; a process that was started by itself is alone.

    Raises:
        ResourceError: a process of the launch is gone.
    """
    return Processes() if world_size() > 1 else Team()


def world_size() -> int:
    """Processes of this launch."""
    return _from_environment(_SIZES, 1)


def is_follower() -> bool:
    """Was this process started to follow another one?"""
    return world_size() > 1 and _from_environment(_RANKS, 0) > 0


def _from_environment(names: Iterable[str], default: int) -> int:
    found = (os.environ[name] for name in names if os.environ.get(name))
    return int(next(found, default))


def _buckets(parameters: Iterable[torch.nn.Parameter]) -> Iterator[list[torch.nn.Parameter]]:
    """Neighbours of one dtype, together at most `BUCKET` numbers (a larger one is by itself)."""
    bucket: list[torch.nn.Parameter] = []
    for parameter in parameters:
        full = sum(p.numel() for p in bucket) + parameter.numel() > BUCKET
        if bucket and (full or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(parameter)
    if bucket:
        yield bucket
