"""How likely a model is to answer with each of a few texts: exact, without sampling.

A candidate of several tokens (a "10" that is "1", "0") is scored whole, as a given response. Where
one candidate's tokens begin another's, as "1" begins that "10", the longer one's probability is
taken from the shorter one's: what is left is that of answering with the shorter and not the longer.
What follows a candidate (a full stop, the end of the turn) does not matter. Candidates that are
tokens of their own need no correction, and get none.

The probabilities are normalised over the candidates; `mass` says how much of all that the model
might answer they are. A model that would rather say something else has no verdict.

Left out: other spellings of a candidate (a space before it, words for numbers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meta.judges.llm.halving import one_by_one
from selfplay.core.errors import ConfigError
from selfplay.core.models.live import ScoringModel
from selfplay.core.types import Chat, Response


@dataclass(frozen=True, eq=False)
class Masses:
    """What a model answers to one chat, among the candidates."""

    shares: NDArray[np.float64]
    """Shape (K,): probabilities that sum to 1."""
    mass: float
    """Probability of all candidates together."""
    thoughts: str = ""
    """What the model wrote before, where it was let think."""


def masses(
    model: ScoringModel, chats: Sequence[Chat], candidates: Sequence[str], least: float
) -> list[Masses | str]:
    """What the model answers to each chat, or why that cannot be said.

    Args:
        model: in process.
        chats: equal ones are asked once.
        candidates: texts, K of them, different from one another.
        least: a mass below it is no answer.

    Raises:
        ConfigError: the model's tokenizer cannot tell the candidates apart.
    """
    ids = _token_ids(model, candidates)
    given = [
        Response(text, np.array(tokens, np.int32), None, "recorded")
        for text, tokens in zip(candidates, ids, strict=True)
    ]

    def ask(some: Sequence[Chat]) -> list[Masses | str]:
        repeated = [chat for chat in some for _ in given]
        found = model.logprobs(repeated, [*given] * len(some))
        totals_BK = np.array([logps.sum(dtype=np.float64) for logps in found])
        return [read_masses(row, ids, least) for row in totals_BK.reshape(len(some), len(given))]

    different = list(dict.fromkeys(chats))
    known = dict(zip(different, one_by_one(different, ask), strict=True))
    return [known[chat] for chat in chats]


def read_masses(
    logps_K: NDArray[np.float64], ids: Sequence[Sequence[int]], least: float
) -> Masses | str:
    """The shares of the candidates, or why there are none.

    Args:
        logps_K: log-probability (nats) of each candidate's tokens after the chat.
        ids: each candidate's tokens.
        least: a mass below it is no answer.
    """
    if np.isnan(logps_K).any():
        return "the model's log-probabilities are not numbers"
    alone_K = exclusive(logps_K, ids)
    highest = alone_K.max()
    mass = float(np.exp(alone_K).sum())
    if np.isneginf(highest) or mass < least:
        return f"the model answers with none of the expected texts (their mass is below {least:g})"
    weights_K = np.exp(alone_K - highest)
    return Masses(weights_K / weights_K.sum(), mass)


def exclusive(logps_K: NDArray[np.float64], ids: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Shape (K,), nats: of answering with a candidate and with none that it begins."""
    alone_K = np.array(logps_K, dtype=np.float64)
    for c in sorted(range(len(ids)), key=lambda c: -len(ids[c])):
        longer = [k for k in range(len(ids)) if k != c and [*ids[k][: len(ids[c])]] == [*ids[c]]]
        if longer and np.isfinite(logps_K[c]):
            # Rounding may leave less than nothing.
            taken = min(float(np.exp(alone_K[longer] - logps_K[c]).sum()), 1.0)
            alone_K[c] = logps_K[c] + np.log1p(-taken) if taken < 1.0 else -np.inf
    return alone_K


def _token_ids(model: ScoringModel, candidates: Sequence[str]) -> list[list[int]]:
    ids = model.encode(candidates)
    if not all(ids) or len({tuple(one) for one in ids}) < len(ids):
        raise ConfigError(
            f"expected a judging model whose tokenizer tells {', '.join(map(repr, candidates))} "
            f"apart, found '{model.name}', which writes them as {ids}. Choose another model."
        )
    return ids
