"""A run's rounds, learned again from its initial policy, and its last evaluation, asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from creator.estimators.moments import means
from selfplay.core.errors import LedgerError
from selfplay.core.types import Group
from selfplay.game import Game, lesson
from selfplay.ledger import Ledger
from selfplay.stages.evaluation import SAMPLED, samplings
from solver.checkpoint import policy_digest
from solver.rewards import reward_table

FloatArray: TypeAlias = NDArray[np.float64]


def evaluated_rounds(ledger: Ledger) -> list[int]:
    """The rounds whose policy answered the held-out prompts with samples, ascending.

    Raises:
        LedgerError: there are not two of them, so nothing was gained that credit could be for.
    """
    rounds = sorted({entry.round for entry in ledger.metrics(SAMPLED)})
    if len(rounds) < 2:
        raise LedgerError(
            "expected a run with a sampled held-out evaluation of its first policy and of a later "
            f"one, found {len(rounds)} of them; go on with the run until it evaluates again"
        )
    return rounds


def rewind(game: Game) -> None:
    """Takes the policy back to the run's first version.

    Raises:
        ModelError: the run does not hold it any more.
    """
    game.solver.restore(game.policies.path(0))


def learn_again(
    game: Game, last: int, keep: Callable[[Group], bool] = lambda group: True
) -> Iterator[int]:
    """Learns the rounds up to `last` from the policy of now; yields each once it is learned.

    Args:
        game: its policy is at version 0.
        last: a round.
        keep: which groups are learned from.
    """
    for t in range(1, last + 1):
        groups = [group for group in lesson(game, t) if keep(group)]
        game.solver.learn(groups, game.seed.at(t, "learn"))
        yield t


def ask_again(game: Game, t: int) -> list[Group]:
    """The held-out prompts, sampled from the policy of now and judged as round `t` did."""
    train, config = game.config.solver.sampling, game.config
    sampling = samplings(config.evaluation, train, edge=False)[SAMPLED]
    verifier = game.meta.verifier
    found: list[Group] = []
    for start in range(0, len(game.heldout), config.chunk):
        chunk = game.heldout[start : start + config.chunk]
        answers = game.solver.respond(chunk, game.seed.at(t, SAMPLED, start), sampling)
        asked = [
            Group(prompt, responses, "evaluate", game.solver.version)
            for prompt, responses in zip(chunk, answers, strict=True)
        ]
        judged = zip(asked, verifier.judge(asked), strict=True)
        found += [group.judged(verdicts, verifier.fingerprint) for group, verdicts in judged]
    return found


def accuracies(groups: Sequence[Group]) -> FloatArray:
    """Mean reward of each held-out prompt, NaN without any. Shape (H,)."""
    return means(reward_table(groups))


def repeats(game: Game, t: int) -> bool | None:
    """Are the weights of now those that the run had after round `t`? None if it kept no hash."""
    recorded = {entry.version: entry.sha256 for entry in game.ledger.policies()}
    if t not in recorded:
        return None
    return policy_digest(game.solver.policy) == recorded[t]
