"""What an objective is handed: a round's judged groups under a policy that is about to learn.

A response's tokens are scored at most once under each policy. Log-probabilities recorded at
generation are reused where they mean what a loss asks for: the policy that learns gave them, from
its untruncated distribution, at the temperature in question. Generation and learning may round
differently, so a sample is scored anew; where the two differ by more than `TOLERANCE`, nothing that
was recorded is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from selfplay.core.errors import DataError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Response
from solver.config import SolverConfig
from solver.learning.batches import Row
from solver.learning.scoring import token_logps
from solver.policy import Policy

Place: TypeAlias = tuple[int, int]
"""(position of the group, position of the response in it)."""

TokenLogps: TypeAlias = NDArray[np.float32]
"""Shape (T,), nats: one for each token of a response."""

TOLERANCE = 0.02
"""Mean difference, in nats per response, up to which recorded log-probabilities are believed: it
moves a probability ratio by 2 %, a tenth of the usual clip."""

PROBED = 32
"""Most responses on which the distance to the stage's start is measured."""


class Stage:
    """One learning stage's data."""

    def __init__(
        self, policy: Policy, groups: Sequence[Group], seed: Seed, config: SolverConfig
    ) -> None:
        self.policy = policy
        self.config = config
        self.seed = seed
        self.groups = [group for group in groups if group.verdicts]
        # A greedy response has no distribution of its own: it is scored at temperature 1.
        self.temperature = config.sampling.temperature or 1.0
        self._known: dict[tuple[str, Place], TokenLogps] = {}

    @cached_property
    def rewards_PG(self) -> NDArray[np.float64]:
        """Shape (P, G): NaN where missing, and where a group has fewer responses than another."""
        width = max((len(group.responses) for group in self.groups), default=1)
        rewards_PG = np.full((len(self.groups), width), np.nan)
        for p, group in enumerate(self.groups):
            rewards_PG[p, : len(group.responses)] = group.rewards
        return rewards_PG

    @property
    def scored(self) -> list[Place]:
        """Every response that has a reward."""
        return [(p, g) for p, g in np.argwhere(np.isfinite(self.rewards_PG)).tolist()]

    def response(self, place: Place) -> Response:
        """The response at a place."""
        return self.groups[place[0]].responses[place[1]]

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
        recorded = self.temperature == 1.0 and self.recorded_are_valid
        return self._logps("start", places, lambda rest: self._now(rest, 1.0), recorded)

    def sampling_logps(self, places: Sequence[Place]) -> list[TokenLogps]:
        """log π_old: under the policy as the stage begins, at the sampling temperature."""
        if self.temperature == 1.0:
            return self.start_logps(places)
        return self._logps(
            "sampling",
            places,
            lambda rest: self._now(rest, self.temperature),
            self.recorded_are_valid,
        )

    def reference_logps(self, places: Sequence[Place], default: str) -> list[TokenLogps]:
        """log π_ref at temperature 1, under `solver.reference`, or `default` where that is null.

        Raises:
            DataError: the reference is `precomputed`, and a response has no log-probabilities.
        """
        kind = self.config.reference or default
        if kind == "round_start":
            return self.start_logps(places)
        if kind == "precomputed":
            return [self._precomputed(place) for place in places]

        def compute(rest: Sequence[Place]) -> list[TokenLogps]:
            with self.policy.reference(kind) as module:
                return self._score(module, rest, 1.0)

        return self._logps(kind, places, compute, recorded=False)

    def _precomputed(self, place: Place) -> TokenLogps:
        logps = self.response(place).logprobs
        if logps is None:
            raise DataError(
                "solver.reference=precomputed needs a log-probability for each token of every "
                f"response, and response {place[1]} to '{self.groups[place[0]].prompt.text[:60]}' "
                "has none. Choose solver.reference=initial, or record them."
            )
        return logps

    @cached_property
    def probed(self) -> list[Place]:
        """The responses that the stage's own measurements are made on: at most `PROBED`."""
        scored = self.scored
        count = max(1, min(PROBED, len(scored) // 8))
        chosen = np.linspace(0, len(scored) - 1, count).round().astype(int)
        return [scored[i] for i in chosen] if scored else []

    @cached_property
    def probe_start(self) -> list[TokenLogps]:
        """Scored anew, at temperature 1, before anything is learned."""
        return self._now(self.probed, 1.0)

    @cached_property
    def mismatch(self) -> float:
        """Mean |log π recorded at generation - log π scored now| of a response, nats.

        NaN where nothing that was recorded could be used.
        """
        recorded = {p: logps for p in self.probed if (logps := self._recorded(p)) is not None}
        if not recorded:
            return float("nan")
        if self.temperature == 1.0:
            anew = dict(zip(self.probed, self.probe_start, strict=True))
        else:
            anew = dict(zip(recorded, self._now(list(recorded), self.temperature), strict=True))
        gaps = [
            abs(logps_T.sum(dtype=np.float64) - anew[place].sum(dtype=np.float64))
            for place, logps_T in recorded.items()
        ]
        return float(np.mean(gaps))

    @cached_property
    def recorded_are_valid(self) -> bool:
        """May log-probabilities that were recorded at generation stand for this policy's?"""
        return self.mismatch <= TOLERANCE

    def _recorded(self, place: Place) -> TokenLogps | None:
        """Generation's own figures, if the current policy's untruncated distribution gave them."""
        response, sampling = self.response(place), self.config.sampling
        untruncated = sampling.top_p == 1.0 and sampling.top_k == 0 and not sampling.greedy
        current = self.groups[place[0]].policy_version == self.policy.version
        if untruncated and current and response.finish_reason != "recorded":
            return response.logprobs
        return None

    def _logps(
        self,
        kind: str,
        places: Sequence[Place],
        compute: Callable[[Sequence[Place]], list[TokenLogps]],
        recorded: bool,
    ) -> list[TokenLogps]:
        known = self._known
        if recorded:
            for place in places:
                found = self._recorded(place)
                if found is not None:
                    known.setdefault((kind, place), found)
        rest = [place for place in dict.fromkeys(places) if (kind, place) not in known]
        known |= {(kind, place): logps for place, logps in zip(rest, compute(rest), strict=True)}
        return [known[kind, place] for place in places]

    def _now(self, places: Sequence[Place], temperature: float) -> list[TokenLogps]:
        return self._score(self.policy.module, places, temperature)

    def _score(self, module: Any, places: Sequence[Place], temperature: float) -> list[TokenLogps]:
        autocast = torch.bfloat16 if self.config.mixed_precision else None
        return token_logps(module, self.rows(places), self.policy.pad_id, temperature, autocast)

    def moved(self) -> float:
        """KL(policy at the start ‖ policy now) over sampled responses, in nats per response.

        Estimated on `probed` as the sum over tokens of r - 1 - log r with r the ratio now / start
        (Schulman's k3): unbiased where the responses are the starting policy's own samples, never
        negative.
        """
        if not self.probed:
            return 0.0
        now = self._now(self.probed, 1.0)
        ratios = [after - before for after, before in zip(now, self.probe_start, strict=True)]
        return float(np.mean([np.sum(np.expm1(ratio) - ratio) for ratio in ratios]))
