"""The rewriter is coached: its replies get their rewards, and a network of its own learns.

What a reply is worth is said in `creator.coaching`; here it is read from the ledger and kept there.
A rewriter that shares the solver's network learns in the solver's own stage (`game.lesson`). One
with a network of its own has versions beside the solver's, `creator/policy/<version>`: one for each
`coach` stage, written before the stage is committed when they are due. A version that was not
written, or was damaged, is learned again from the ledger's replies. Its hash is one of the stage's
metrics, so that the run's digest speaks of it.

A reply costs, and a server may not give it twice, so replies are kept in the ledger before they
are used: a round that was interrupted while it was being composed reads them back and goes on to
the same children.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from creator.coaching import (
    ADMITTED,
    READABLE,
    children_of,
    informativeness,
    lesson_of,
    rewarded,
)
from creator.operators.rewriter import replies_of
from selfplay.config.settings import RunConfig, SaveConfig
from selfplay.core.components import Choice
from selfplay.core.errors import LedgerError
from selfplay.core.seeding import Seed
from selfplay.core.text import TextModel
from selfplay.core.types import Chat, Group, Lineage, Now, Prompt, Response, Sampling, Verdict
from selfplay.events import Listener, Progress, nobody
from selfplay.ledger import Ledger
from selfplay.ledger.entries import PolicyEntry
from selfplay.paths import CREATOR, POLICY
from selfplay.stages.checkpoints import Policies
from selfplay.stages.costs import charged
from selfplay.stages.statistics import generated_tokens
from solver.checkpoint import policy_digest
from solver.learning.errors import NotFiniteError
from solver.policy import Policy
from solver.solver import Solver

STAGE = "coach"
"""The stage in which replies get their rewards."""
WEIGHTS = "rewriter/weights"
"""The metric that stands for a version's hash: its first 52 bits, which a float holds exactly."""


class Network(Protocol):
    """A rewriter's network, as far as it learns apart from the solver's."""

    @property
    def model(self) -> TextModel | None:
        """What writes with its weights of now; None where they are another model's."""

    def learn(self, t: int, lesson: Sequence[Group], last: bool) -> dict[str, float]:
        """Round t's learning, and metrics of it; `last`: the run ends with the round."""

    def catch_up(self, ledger: Ledger) -> Iterator[Progress]:
        """Brings it to the version that the ledger has reached."""


class NoNetwork:
    """`Network` of a rewriter without weights of its own to learn."""

    model = None

    def learn(self, t: int, lesson: Sequence[Group], last: bool) -> dict[str, float]:
        """Nothing."""
        return {}

    def catch_up(self, ledger: Ledger) -> Iterator[Progress]:
        """Nothing."""
        yield from ()


class OwnNetwork:
    """`Network` of a rewriter's own. Its version is the number of `coach` stages."""

    def __init__(self, learner: Solver, policies: Policies, seed: Seed) -> None:
        self._learner, self._policies, self._seed = learner, policies, seed

    @property
    def model(self) -> TextModel:
        """The live model."""
        return self._learner.policy.model

    def learn(self, t: int, lesson: Sequence[Group], last: bool) -> dict[str, float]:
        """Optimises on the round's replies; saves the version when it is due.

        Raises:
            NotFiniteError: the loss or the gradient is not finite.
            ResourceError: the version cannot be written.
        """
        metrics = self._optimise(t, lesson)
        if last or self._policies.due(self._learner.version):
            self._policies.save(self._learner)
            self._policies.prune()
        return {f"rewriter/{name}": value for name, value in metrics.items()} | {
            WEIGHTS: self._hash()
        }

    def catch_up(self, ledger: Ledger) -> Iterator[Progress]:
        """Restores the newest version that is whole, and learns the later ones again.

        Where none has been saved yet, that is the model as the run began.

        Raises:
            LedgerError: no saved version is whole, or learning again gave another result.
        """
        if self._policies.kept():
            self._policies.restore(self._learner)
        rounds = [t for t, stage in ledger.stages() if stage == STAGE]
        behind = rounds[self._learner.version :]
        for done, t in enumerate(behind, start=1):
            self._optimise(t, writing_lesson(ledger, t))
            yield Progress(t, "coach again", done, len(behind))
        if rounds and self._hash() != ledger.stage_metrics(rounds[-1], STAGE)[WEIGHTS]:
            raise LedgerError(
                f"expected the rewriter's weights after round {rounds[-1]} to be those that the "
                "ledger tells of, found others; compare the library versions and the thread count "
                "with those in the run's environment, or put creator/policy back from a copy"
            )

    def _optimise(self, t: int, lesson: Sequence[Group]) -> dict[str, float]:
        try:
            return self._learner.learn(lesson, self._seed.at(t, STAGE))
        except NotFiniteError as error:
            raise NotFiniteError(f"The rewriter's network: {error}", error.batch) from error

    def _hash(self) -> float:
        return float(int(policy_digest(self._learner.policy)[:13], 16))


class Coached:
    """What `Policies` asks of a ledger, about the rewriter's versions."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def policies(self) -> list[PolicyEntry]:
        """The versions that the committed stages made; the hashes are with their files."""
        rounds = [t for t, stage in self._ledger.stages() if stage == STAGE]
        return [PolicyEntry(version, t, "", True) for version, t in enumerate(rounds, start=1)]

    def mark_saved(self, version: int, saved: bool) -> None:
        """That is seen from the directories."""


def network_of(config: RunConfig, directory: Path, ledger: Ledger) -> Network:
    """The rewriter's network, ready to learn at version 0, where it has one that is to.

    Args:
        config: of the run.
        directory: of the run.
        ledger: of the run.

    Raises:
        ModelError: the model cannot be used.
        ConfigError: the adapter options do not fit the model.
    """
    if not config.creator.trains_own:
        return NoNetwork()
    learner = Solver(config.coaching, Policy.load(config.rewriter_policy, config.coaching))
    # The version that a stage is writing is kept besides: it is none of the ledger's yet.
    kept = SaveConfig(every=config.save.every, keep_last=1)
    policies = Policies(directory / CREATOR / POLICY, kept, Coached(ledger))
    return OwnNetwork(learner, policies, Seed(config.seed))


def rewarded_requests(
    ledger: Ledger, t: int, metric: Choice, writer: str, judging: str, judged: Sequence[Group]
) -> dict[str, list[Group]]:
    """Round t's requests to the rewriter with their replies' rewards, by label, in order.

    Args:
        ledger: of the run.
        t: the round.
        metric: what a child is worth.
        writer: the rewriter's name.
        judging: the fingerprint under which the children were judged.
        judged: the round's training groups, with rewards on the creator's scale.
    """
    composed = ledger.composition(t)
    written = [prompt for prompt in composed if prompt.lineage.model == writer]
    ids = sorted({id_ for prompt in written for id_ in prompt.lineage.parents})
    parents = dict(zip(ids, ledger.prompts(ids), strict=True))
    children = children_of(composed, parents, writer, t)
    values = informativeness(metric, judged, t)
    labels = request_labels(ledger, t)
    requests = {label: ledger.groups(t, label) for label in labels}
    verdicts = iter(rewarded([g for label in labels for g in requests[label]], children, values))
    fingerprint = f"informativeness:{metric.name}:{judging}"
    return {
        label: [group.judged(next(verdicts), fingerprint) for group in requests[label]]
        for label in labels
    }


def writing_lesson(ledger: Ledger, t: int) -> list[Group]:
    """What a rewriter learns from in round t, whose `coach` stage is done."""
    labels = request_labels(ledger, t)
    return lesson_of([group for label in labels for group in ledger.groups(t, label)])


def request_labels(ledger: Ledger, t: int) -> list[str]:
    """The labels of round t's requests to the rewriter, in the order in which they were asked."""
    labels = [label for label in ledger.labels(t) if "rewrite" in label.split(":")]
    return sorted(labels, key=_place)


def _place(label: str) -> tuple[int, list[int]]:
    """Those of the composition come first, then those of each further draw; each by its number."""
    numbers = [int(part) for part in label.split(":") if part.isdigit()]
    return len(numbers), numbers


def coaching_metrics(requests: Sequence[Group], taught: Sequence[Group]) -> dict[str, float]:
    """How the round's replies fared: shares of them, their mean reward, and who teaches.

    Args:
        requests: the rewarded ones.
        taught: those that are learned from, equal requests being one of them.
    """
    verdicts = [verdict for request in requests for verdict in request.verdicts]
    distinct = len({request.prompt.id for request in requests})
    metrics = {
        "rewriter/replies": float(len(verdicts)),
        "rewriter/requests_taught": float(len(taught)),
        "rewriter/requests_too_few": float(distinct - len(taught)),
    }
    rewards = [verdict.reward for verdict in verdicts if verdict.reward is not None]
    if rewards:
        metrics |= {
            "rewriter/reward": float(np.mean(rewards)),
            "rewriter/readable": _share(verdicts, READABLE),
            "rewriter/admitted": _share(verdicts, ADMITTED),
            "rewriter/unrewarded": 1.0 - len(rewards) / len(verdicts),
        }
    return metrics


def _share(verdicts: Sequence[Verdict], score: str) -> float:
    """Among the replies that have a reward."""
    return float(np.mean([v.scores[score] for v in verdicts if v.reward is not None]))


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
