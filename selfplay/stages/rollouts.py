"""Asking and judging in chunks: the part of the game that costs.

Chunks follow from the list of prompts, each is committed when it is done, and one that the ledger
holds is not repeated. So a crash loses at most the chunk in flight, and a stage that goes on after
one gives what an uninterrupted stage would have given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Protocol

from meta.judges.llm.wins import comparisons_in
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Probe, Prompt, Purpose, Response, Sampling, Verdict
from selfplay.events import Listener, Progress, nobody
from selfplay.ledger import Ledger
from selfplay.stages.costs import charged
from selfplay.stages.statistics import generated_tokens


class Respondent(Protocol):
    """Who answers: the solver."""

    @property
    def version(self) -> int:
        """Policy version."""

    def respond(
        self, prompts: Sequence[Prompt], seed: Seed, sampling: Sampling | None = None
    ) -> list[tuple[Response, ...]]:
        """The responses of each prompt."""

    def with_baseline(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Those of the prompts that get a baseline response."""

    def baselines(self, prompts: Sequence[Prompt], seed: Seed) -> list[tuple[Response, ...]]:
        """One baseline response for each prompt."""


class Judge(Protocol):
    """Who judges: the reward of the game, or the verifier of an evaluation."""

    @property
    def fingerprint(self) -> str:
        """Names everything that its verdicts depend on."""

    def judge(self, groups: Sequence[Group]) -> list[tuple[Verdict, ...]]:
        """One verdict for each response of each group."""


def fingerprints(judge: Judge, groups: Sequence[Group]) -> list[str]:
    """What names the judging of each group; a judge may have one for each of them."""
    if hasattr(judge, "fingerprints"):
        found: list[str] = judge.fingerprints(groups)
        return found
    return [judge.fingerprint] * len(groups)


class Rollouts:
    """Generates and judges groups into the ledger."""

    def __init__(
        self,
        ledger: Ledger,
        solver: Respondent,
        sampling: Sampling,
        seed: Seed,
        chunk: int,
        samples: Callable[[Prompt], int] | None = None,
    ) -> None:
        """Takes its collaborators.

        Args:
            ledger: where groups go.
            solver: who answers.
            sampling: how training responses are drawn.
            seed: of the run.
            chunk: prompts at once.
            samples: training responses of a prompt; `sampling.n` of each when None.
        """
        self._ledger = ledger
        self._solver = solver
        self._sampling = sampling
        self._seed = seed
        self._chunk = chunk
        self._samples = samples or (lambda prompt: sampling.n)

    def answer(
        self,
        t: int,
        label: str,
        purpose: Purpose,
        prompts: Sequence[Prompt],
        sampling: Sampling | None = None,
    ) -> Iterator[Progress]:
        """Answers the prompts that the ledger has no answers to yet under (t, label).

        Args:
            sampling: how, for all of them alike; as in training, task by task, when None.
        """

        def respond(chunk: Sequence[Prompt], start: int) -> list[tuple[Response, ...]]:
            seed = self._seed.at(t, label, start)
            if sampling is None:
                return self._train(chunk, seed)
            return self._solver.respond(chunk, seed, sampling)

        yield from self._record(t, label, purpose, prompts, respond, self._solver.version)

    def baselines(self, t: int, label: str, prompts: Sequence[Prompt]) -> Iterator[Progress]:
        """Groups with the baseline response of each prompt that gets one (CGPO)."""
        seed = self._seed.at("baseline")

        def respond(chunk: Sequence[Prompt], start: int) -> list[tuple[Response, ...]]:
            return self._solver.baselines(chunk, seed)

        asked = self._solver.with_baseline(prompts)
        yield from self._record(t, label, "baseline", asked, respond, version=0)

    def _train(self, prompts: Sequence[Prompt], seed: Seed) -> list[tuple[Response, ...]]:
        """Training responses; prompts of as many samples are answered together."""
        counts = [self._samples(prompt) for prompt in prompts]
        found: dict[int, tuple[Response, ...]] = {}
        for n in sorted(set(counts)):
            places = [i for i, other in enumerate(counts) if other == n]
            sampling = replace(self._sampling, n=n)
            answers = self._solver.respond([prompts[i] for i in places], seed, sampling)
            found |= dict(zip(places, answers, strict=True))
        return [found[i] for i in range(len(prompts))]

    def _record(
        self,
        t: int,
        label: str,
        purpose: Purpose,
        prompts: Sequence[Prompt],
        respond: Callable[[Sequence[Prompt], int], list[tuple[Response, ...]]],
        version: int,
    ) -> Iterator[Progress]:
        """Has the chunks answered that the ledger does not hold, and commits each."""
        for start in range(self._ledger.group_count(t, label), len(prompts), self._chunk):
            chunk = prompts[start : start + self._chunk]
            began = time.perf_counter()
            answers = respond(chunk, start)
            seconds = time.perf_counter() - began
            groups = [
                Group(prompt, responses, purpose, version)
                for prompt, responses in zip(chunk, answers, strict=True)
            ]
            tokens = generated_tokens(groups)
            with self._ledger.transaction():
                self._ledger.add_groups(t, label, start, groups)
                self._ledger.add_cost(t, label, "generate", seconds, tokens_out=tokens)
            yield Progress(t, label, start + len(chunk), len(prompts), tokens)

    def judge(self, t: int, label: str, judge: Judge, role: str = "judge") -> Iterator[Progress]:
        """Judges the groups under (t, label) that have no verdicts yet; `role`: for accounting."""
        start = self._ledger.judged_count(t, label)
        groups = self._ledger.groups(t, label)
        for first in range(start, len(groups), self._chunk):
            chunk = groups[first : first + self._chunk]
            began = time.perf_counter()
            with charged(self._ledger, t, label, role) as meter:
                verdicts = judge.judge(chunk)
            seconds = time.perf_counter() - began
            with self._ledger.transaction():
                names = fingerprints(judge, chunk)
                self._ledger.add_verdicts(t, label, first, verdicts, names)
                compared = [comparisons_in(*row) for row in zip(verdicts, names, strict=True)]
                self._ledger.add_comparisons(t, label, first, compared)
                self._ledger.add_cost(t, label, "judge", seconds)
                self._ledger.add_usages(t, label, role, meter.spent())
            yield Progress(t, label, first + len(chunk), len(groups))

    def probe(
        self, t: int, judge: Judge, name: str, kept: list[Group], listener: Listener = nobody
    ) -> Probe:
        """A probe for round t: its k-th call is recorded under the label `<name>:k`.

        `kept` gets every group that is answered or read back, `listener` the progress.
        """
        calls = count()

        def ask(prompts: Sequence[Prompt], n: int) -> list[Group]:
            label = f"{name}:{next(calls)}"
            sampling = replace(self._sampling, n=n)
            with self._ledger.transaction():
                self._ledger.add_prompts(prompts)
            for progress in self.answer(t, label, "estimate", prompts, sampling):
                listener(progress)
            for progress in self.judge(t, label, judge):
                listener(progress)
            found = self._ledger.groups(t, label)
            kept.extend(found)
            return found

        return ask
