"""What an objective is handed: a round's judged groups under a policy that is about to learn.

A response's tokens are scored at most once under each policy. Log-probabilities recorded at
generation are reused where they mean what a loss asks for: the policy that learns gave them, from
its whole distribution, at the temperature in question, and learning finds the same
(`solver.learning.generated`).

π_old is the policy as the stage begins, over its whole vocabulary, at the sampling temperature. It
is what responses were drawn from, unless `solver.sampling` cuts distributions by top-p or top-k.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from selfplay.core.errors import DataError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Response
from solver.config import SolverConfig
from solver.frozen import check_logits
from solver.learning.batches import Row, padded_labels, padded_rows
from solver.learning.errors import NotFiniteError
from solver.learning.generated import Generated
from solver.learning.scoring import token_logps
from solver.policy import Policy
from solver.rewards import reward_table, shaped

Place: TypeAlias = tuple[int, int]
"""(position of the group, position of the response in it); one past its last response is the
group's baseline response, where it has one."""

TokenLogps: TypeAlias = NDArray[np.float32]
"""Shape (T,), nats: one for each token of a response."""

ROUNDING = 1e-3
"""Nats per response below which two ways of scoring it do not differ: float32 and the order of sums
move a figure by less. AdamW would make whole steps of gradients that are rounding alone."""

SAME = (1e-5, 1e-6)
"""How near two figures of a token are that one policy gave: relative, and in nats (float32)."""

LARGEST = 50.0
"""Nats of one token's log-ratio beyond which a distance is no longer told apart."""

PROBED = 32
"""Most responses on which the distance to the stage's start is measured, each before and after; one
for every eight groups, so that this stays a small part of learning from one pair of each."""


class Stage:
    """One learning stage's data."""

    def __init__(
        self,
        policy: Policy,
        groups: Sequence[Group],
        seed: Seed,
        config: SolverConfig,
        anew: bool = False,
    ) -> None:
        """A stage on `groups`.

        Args:
            anew: score everything under the policy of now: it has learned since it answered.
        """
        self._anew = anew
        self._given = groups
        self.policy = policy
        self.config = config
        self.seed = seed
        judged = [g for g in groups if g.verdicts and g.purpose != "baseline"]
        self.groups = [shaped(group, config.length) for group in judged]
        self.baselines = {
            group.prompt.id: shaped(group, config.length)
            for group in groups
            if group.verdicts and group.purpose == "baseline"
        }
        """By the prompt's id: the judged response that its rewards are calibrated against."""
        self.outcomes_PG = reward_table(judged)
        """As `rewards_PG`, without what a response's length takes from its reward."""
        # A greedy response has no distribution of its own: it is scored at temperature 1.
        self.temperature = config.sampling.temperature or 1.0
        self._known: dict[tuple[str, Place], TokenLogps] = {}
        self._fresh: dict[tuple[float, Place], TokenLogps] = {}
        self._place = ""
        self._alike: dict[tuple[str, float], bool] = {}
        self._begun = _versions(policy)

    def part(self, belongs: Callable[[Prompt], bool], seed: Seed) -> Stage:
        """A stage on the groups and baselines of some prompts alone."""
        own = [group for group in self._given if belongs(group.prompt)]
        stage = Stage(self.policy, own, seed, self.config, self._anew)
        stage._place = self._place
        return stage

    @property
    def memory(self) -> dict[str, float]:
        """What the objective keeps over training; it belongs to the policy version.

        A loss that changes it has it as its pass's `memory`.
        """
        return self.policy.memory.setdefault(self._place, {})

    @contextmanager
    def within(self, part: str) -> Iterator[None]:
        """For the block, in which a part of the objective plans, the memory is the part's own."""
        whole = self._place
        self._place = f"{whole}.{part}" if whole else part
        try:
            yield
        finally:
            self._place = whole

    @property
    def begins(self) -> bool:
        """Is the policy as the stage found it: is this, in all its passes, the first step?

        What a pass then scores is log π_old itself, and log π_ref where `reference_is_start`: taken
        from there, equal policies have equal figures in any dtype, and no kink of a loss (a clip, a
        hinge, a penalty that begins at 0) is decided by how two kernels round.
        """
        return self._begun == _versions(self.policy)

    @cached_property
    def rewards_PG(self) -> NDArray[np.float64]:
        """Shape (P, G): NaN where missing, and where a group has fewer responses than another."""
        return reward_table(self.groups)

    @property
    def scored(self) -> list[Place]:
        """Every response that has a reward."""
        return [(p, g) for p, g in np.argwhere(np.isfinite(self.rewards_PG)).tolist()]

    def response(self, place: Place) -> Response:
        """The response at a place."""
        group = self.groups[place[0]]
        if place[1] == len(group.responses):
            # It is not the learning policy's own: its log-probabilities mean nothing here.
            return replace(self.baselines[group.prompt.id].responses[0], logprobs=None)
        return group.responses[place[1]]

    def row(self, place: Place) -> Row:
        """Its tokens, behind those of the prompt."""
        ids = self.response(place).token_ids.astype(np.int64)
        return Row(self._prompts[place[0]], ids)

    def rows(self, places: Sequence[Place]) -> list[Row]:
        """The tokens at each place."""
        return [self.row(place) for place in places]

    @cached_property
    def _prompts(self) -> list[NDArray[np.int64]]:
        chats = [group.prompt.messages for group in self.groups]
        return [np.array(ids, dtype=np.int64) for ids in self.policy.model.prompt_ids(chats)]

    def start_logps(self, places: Sequence[Place]) -> list[TokenLogps]:
        """log π as the stage begins, at temperature 1."""
        recorded = self.temperature == 1.0
        return self._logps("start", places, lambda rest: self.fresh(rest, 1.0), recorded)

    def sampling_logps(self, places: Sequence[Place]) -> list[TokenLogps]:
        """log π_old: under the policy as the stage begins, at the sampling temperature."""
        if self.temperature == 1.0:
            return self.start_logps(places)
        return self._logps(
            "sampling",
            places,
            lambda rest: self.fresh(rest, self.temperature),
            recorded=True,
        )

    def reference_logps(
        self, places: Sequence[Place], default: str, temperature: float = 1.0
    ) -> list[TokenLogps]:
        """log π_ref under `solver.reference`, or `default` where that is null.

        Args:
            temperature: 1, or the stage's. Recorded figures mean what they meant when recorded.

        Raises:
            DataError: the reference is `precomputed`, and a response has no log-probabilities.
        """
        kind = self.config.reference or default
        if kind == "round_start":
            return self.start_logps(places) if temperature == 1.0 else self.sampling_logps(places)
        if kind == "precomputed":
            return [self._precomputed(place) for place in places]

        def compute(rest: Sequence[Place]) -> list[TokenLogps]:
            return self._score(self.policy.reference(kind), rest, temperature)

        return self._logps(f"{kind} at {temperature}", places, compute, recorded=False)

    def reference_is_start(self, default: str, temperature: float = 1.0) -> bool:
        """Is the reference the policy as the stage begins, as far as scores of some tell?

        To be asked for before the stage's first step, in every process of a team. Figures that were
        recorded (`precomputed`) are no policy of which some tell all. Arguments as for
        `reference_logps`.
        """
        kind = self.config.reference or default
        if kind == "round_start" or not self.probed:
            return True
        if kind == "precomputed":
            return False
        if (kind, temperature) not in self._alike:
            theirs = self.reference_logps(self.probed, default, temperature)
            ours = self.probe_start
            if temperature != self.temperature:
                ours = self._now(self.probed, temperature)
            self._alike[kind, temperature] = all(
                np.allclose(a, b, rtol=SAME[0], atol=SAME[1])
                for a, b in zip(ours, theirs, strict=True)
            )
        return self._alike[kind, temperature]

    def unsampled_reference_logps(self, rows: Sequence[Row], default: str) -> list[TokenLogps]:
        """As `reference_logps`, of sequences that nobody sampled or recorded.

        To be asked for before the stage's first step.
        """
        kind = self.config.reference or default
        module = self.policy.module if kind == "round_start" else self.policy.reference(kind)
        return self.score(module, rows)

    def reference_module(self, default: str) -> Any:
        """The frozen module behind `reference_logps`, for its whole distributions.

        To be asked for before the stage's first step.

        Raises:
            ModelError: it has another number of logits than the policy.
        """
        kind = self.config.reference or default
        found = self._start if kind == "round_start" else self.policy.reference(kind)
        check_logits(found, self.policy.module)
        return found

    @cached_property
    def _start(self) -> Any:
        """The module as the stage begins; goes with the stage."""
        return self.policy.reference("round_start")

    def _precomputed(self, place: Place) -> TokenLogps:
        logps = self.response(place).logprobs
        if logps is None or not np.isfinite(logps).all():
            raise DataError(
                "solver.reference=precomputed needs a finite log-probability for each token of "
                f"every response; response {place[1]} to '{self.groups[place[0]].prompt.text[:60]}'"
                " has none, or others. Choose solver.reference=initial, or record them."
            )
        return logps

    @cached_property
    def probed(self) -> list[Place]:
        """The responses that the stage's own measurements are made on: at most `PROBED`."""
        scored = self.scored
        count = max(1, min(PROBED, len(self.groups) // 8, len(scored)))
        chosen = np.linspace(0, len(scored) - 1, count).round().astype(int)
        return [scored[i] for i in chosen] if scored else []

    @cached_property
    def probe_start(self) -> list[TokenLogps]:
        """Scored anew, at the sampling temperature, before anything is learned."""
        return self._now(self.probed, self.temperature)

    def fresh(self, places: Sequence[Place], temperature: float) -> list[TokenLogps]:
        """log π scored now, each response once: to be asked for before the stage's first step."""
        known = self._fresh
        rest = [place for place in dict.fromkeys(places) if (temperature, place) not in known]
        scored = self._now(rest, temperature)
        known |= {(temperature, place): logps for place, logps in zip(rest, scored, strict=True)}
        return [known[temperature, place] for place in places]

    @cached_property
    def generated(self) -> Generated:
        """What generation recorded, and whether it is believed."""
        sampling = self.config.sampling
        truncated = sampling.top_p < 1.0 or sampling.top_k > 0
        drawn = {
            (p, g): response.logprobs
            for p, group in enumerate(self.groups)
            for g, response in enumerate(group.responses)
            if self._draws(group) and response.finish_reason != "recorded"
            if response.logprobs is not None
        }
        return Generated(drawn, truncated, lambda places: self.fresh(places, self.temperature))

    def _draws(self, group: Group) -> bool:
        """Did the policy of now draw the group's responses? A greedy one draws nothing."""
        current = group.policy_version == self.policy.version
        return current and not self._anew and not self.config.sampling.greedy

    @property
    def mismatch(self) -> float:
        """See `Generated.mismatch`."""
        return self.generated.mismatch

    def corrections(self, places: Sequence[Place]) -> NDArray[np.float64]:
        """Shape (N,): what a policy gradient multiplies each response's advantage by.

        1 where what generation recorded is believed; else `Generated.corrections`.
        """
        if self.generated.believed:
            return np.ones(len(places))
        return self.generated.corrections(places, self.sampling_logps(places))

    def _logps(
        self,
        kind: str,
        places: Sequence[Place],
        compute: Callable[[Sequence[Place]], list[TokenLogps]],
        recorded: bool,
    ) -> list[TokenLogps]:
        known = self._known
        if recorded and self.generated.believed:
            for place in places:
                if place in self.generated.recorded:
                    known.setdefault((kind, place), self.generated.recorded[place])
        rest = [place for place in dict.fromkeys(places) if (kind, place) not in known]
        known |= {(kind, place): logps for place, logps in zip(rest, compute(rest), strict=True)}
        return [known[kind, place] for place in places]

    def _now(self, places: Sequence[Place], temperature: float) -> list[TokenLogps]:
        return self._score(self.policy.module, places, temperature)

    def _score(self, module: Any, places: Sequence[Place], temperature: float) -> list[TokenLogps]:
        return self.score(module, self.rows(places), temperature)

    def score(self, module: Any, rows: Sequence[Row], temperature: float = 1.0) -> list[TokenLogps]:
        """Log-probability under `module` of every response token of each row; no gradients.

        Each process of a team scores a portion of the rows, and gets the scores of all.

        Raises:
            NotFiniteError: a log-probability is not finite.
        """
        autocast = torch.bfloat16 if self.config.mixed_precision else None
        team, pad_id = self.policy.team, self.policy.pad_id
        own = team.portion([row.length for row in rows])
        scores = token_logps(module, [rows[i] for i in own], pad_id, temperature, autocast)
        parts = team.gathered(list(zip(own, scores, strict=True)))
        found = dict(scored for part in parts for scored in part)
        if bad := [i for i, logps_T in found.items() if not np.isfinite(logps_T).all()]:
            raise self._not_finite([rows[i] for i in bad])
        return [found[i] for i in range(len(rows))]

    def _not_finite(self, rows: Sequence[Row]) -> NotFiniteError:
        return NotFiniteError(
            f"Expected finite log-probabilities in the learning stage of policy version "
            f"{self.policy.version}, found {len(rows)} responses without. Weights of this version "
            "are not finite, or overflow in this dtype: go back to an earlier version.",
            {"ids": padded_rows(rows, self.policy.pad_id), "labels": padded_labels(rows)},
        )

    def moved(self) -> float:
        """KL(policy at the start ‖ policy now) over sampled responses, in nats per response.

        Estimated on `probed` as the sum over tokens of r - 1 - log r with r the ratio now / start
        (Schulman's k3), at the temperature that they were sampled at: unbiased where the responses
        are the starting policy's own samples, never negative.
        """
        if not self.probed:
            return 0.0
        now = self._now(self.probed, self.temperature)
        ratios = [
            np.clip(after.astype(np.float64) - before, -LARGEST, LARGEST)
            for after, before in zip(now, self.probe_start, strict=True)
        ]
        return float(np.mean([np.sum(np.expm1(ratio) - ratio) for ratio in ratios]))


def _versions(policy: Policy) -> list[int]:
    """How often each learned weight was written to: torch counts it."""
    return [p._version for p in policy.module.parameters() if p.requires_grad]


def differences(ours: Sequence[TokenLogps], theirs: Sequence[TokenLogps]) -> NDArray[np.float64]:
    """Shape (N,), nats: by how much responses are likelier; 0 where that is rounding alone."""
    pairs = zip(ours, theirs, strict=True)
    ratios_N = np.array([a.sum(dtype=float) - b.sum(dtype=float) for a, b in pairs])
    return np.where(np.abs(ratios_N) < ROUNDING, 0.0, ratios_N)
