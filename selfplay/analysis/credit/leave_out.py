"""Leaving out: the rounds learned again without a family's or an operator's groups.

The rest is as it was: the same other groups in the same order, the run's own solver and seeds, one
optimiser state carried through. Then the held-out prompts are asked as the run's last evaluation
asked them, with the same random numbers. What is lost is the credit. First nothing is left out,
which gives the run's own weights and answers, bit for bit where libraries and machine are the same.

It is exact for learning on the recorded responses. But these were sampled by policies that had
learned from the groups now left out, and the creator chose and made prompts by their answers: what
the run would have asked and answered without them, only another run would tell. Credits do not add
up to the whole gain either: what two operators teach alike is lost only when both are left out.

One replay for each label, each as long as all of the run's learning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from selfplay.analysis.credit.kin import SharesOf
from selfplay.analysis.credit.replay import (
    FloatArray,
    accuracies,
    ask_again,
    evaluated_rounds,
    learn_again,
    repeats,
    rewind,
)
from selfplay.core.types import Group
from selfplay.events import Progress
from selfplay.game import Game


@dataclass(frozen=True, eq=False)
class Replayed:
    """What the held-out prompts say of a policy that learned without one label's groups."""

    label: str | None
    """None: nothing was left out."""
    accuracies_H: FloatArray
    """Mean reward of each held-out prompt, sampled; NaN without any."""
    repeats: bool | None
    """Are the weights the run's own? None where the run kept no hash of that version."""


def replays(
    game: Game, labels: Sequence[str], shares_of: SharesOf
) -> Iterator[Progress | Replayed]:
    """A replay without anything left out, then one without each label.

    A prompt with any share in the label is left out. Afterwards the policy is that of the last
    replay.

    Raises:
        LedgerError, ModelError: the run has no second evaluation, or not its first policy.
    """
    last = evaluated_rounds(game.ledger)[-1]
    for label in (None, *labels):

        def keep(group: Group, label: str | None = label) -> bool:
            return label not in shares_of(group.prompt)

        rewind(game)
        for t in learn_again(game, last, keep):
            yield Progress(t, f"without {label}" if label else "nothing left out", t, last)
        answers = accuracies(ask_again(game, last))
        yield Replayed(label, answers, repeats(game, last))
