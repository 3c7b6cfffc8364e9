"""The replies of the creator's rewriter, kept in the ledger before they are used.

A reply costs, and a server may not give it twice: a round that was interrupted while it was being
composed reads its replies back and goes on to the same children.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from creator.rewriting.rewriter import replies_of
from selfplay.core.seeding import Seed
from selfplay.core.text import TextModel
from selfplay.core.types import Chat, Group, Lineage, Now, Prompt, Response, Sampling
from selfplay.events import Listener, Progress, nobody
from selfplay.ledger import Ledger
from selfplay.stages.costs import charged
from selfplay.stages.statistics import generated_tokens

REWRITING = "rewriting"
"""Task and operator of the prompts that ask a rewriter; they are in no archive."""


class RecordedRewriter:
    """`TextModel` whose k-th call is recorded under the label `<prefix>rewrite:k`."""

    def __init__(
        self,
        model: TextModel,
        ledger: Ledger,
        now: Now,
        prefix: str,
        chunk: int,
        kept: list[Group],
        listener: Listener = nobody,
    ) -> None:
        """Takes its collaborators.

        Args:
            model: who writes.
            ledger: where replies go.
            now: the round.
            prefix: of the labels.
            chunk: requests at once.
            kept: gets every group that is answered or read back.
            listener: is told of the progress.
        """
        self._model, self._ledger, self._now = model, ledger, now
        self._prefix, self._chunk, self._kept = prefix, chunk, kept
        self._listener = listener
        self._calls = count()

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    def generate(
        self, chats: Sequence[Chat], sampling: Sampling, seed: Seed
    ) -> list[tuple[Response, ...]]:
        """As `TextModel.generate`; what the ledger holds is not asked again.

        A chat that the model cannot be asked, such as one too long, has no reply.
        """
        t, label = self._now.round, f"{self._prefix}rewrite:{next(self._calls)}"
        born = Lineage(operator=REWRITING, round=t, policy_version=self._now.policy_version)
        asked = [Prompt(chat, task=REWRITING, lineage=born) for chat in chats]
        for start in range(self._ledger.group_count(t, label), len(asked), self._chunk):
            chunk = slice(start, start + self._chunk)
            began = time.perf_counter()
            with charged(self._ledger, t, label, "rewriter") as meter:
                replies = replies_of(self._model, chats[chunk], sampling, seed.at(start))
            seconds = time.perf_counter() - began
            groups = [
                Group(prompt, responses, "rewrite", self._now.policy_version)
                for prompt, responses in zip(asked[chunk], replies, strict=True)
            ]
            tokens = generated_tokens(groups)
            with self._ledger.transaction():
                self._ledger.add_groups(t, label, start, groups)
                self._ledger.add_cost(t, label, "rewrite", seconds, tokens_out=tokens)
                self._ledger.add_usages(t, label, "rewriter", meter.spent())
            self._listener(Progress(t, label, start + len(groups), len(asked), tokens))
        found = self._ledger.groups(t, label)
        self._kept += found
        return [group.responses for group in found]

    def logprobs(
        self, chats: Sequence[Chat], responses: Sequence[Response]
    ) -> list[NDArray[np.float32]]:
        """The model's own."""
        return self._model.logprobs(chats, responses)

    def load(self, weights: Path) -> None:
        """The model's own."""
        self._model.load(weights)
