"""Whether a round is the run's last, decided once in it and written down with the reason.

The decision falls when the round is judged and before it is learned from, so that the last policy
is saved and evaluated as such; from then on it is read from the ledger, and a crash does not change
it. What it rests on is the same in every process: wall time alone is not, and is written down.
A run that goes on under another configuration is free of an ending that no longer holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from selfplay.core.components import Choice
from selfplay.ledger import EndingEntry, Ledger
from selfplay.stopping.budgets import Budgets, overspent
from selfplay.stopping.clock import Clock
from selfplay.stopping.conditions import Condition, Embed

STAGE = "conclude"


class Stops(Budgets, Protocol):
    """When a run ends, of its configuration."""

    @property
    def rounds(self) -> int:
        """At the latest after so many."""

    @property
    def stop(self) -> Sequence[Choice]:
        """Stop conditions."""


class Concluding:
    """Decides for one run."""

    def __init__(self, config: Stops, ledger: Ledger, clock: Clock, embed: Embed) -> None:
        """Takes its collaborators.

        Args:
            config: budgets and stop conditions.
            ledger: of the run.
            clock: of the process, read before hours are counted.
            embed: for conditions that compare the prompts' meanings.

        Raises:
            ConfigError: a condition cannot be built.
        """
        self._config, self._ledger, self._clock = config, ledger, clock
        self._conditions: dict[str, Condition] = {
            choice.name: choice.build(embed) for choice in config.stop
        }

    @property
    def enabled(self) -> bool:
        """Is there anything that could end the run before its last round?"""
        config = self._config
        budgets = (config.token_budget, config.hour_budget, config.money_budget)
        return bool(self._conditions) or any(budget is not None for budget in budgets)

    def conclude(self, t: int) -> None:
        """The stage: measures the round's prompts, decides, and writes both down."""
        prompts = self._ledger.composition(t)
        measured = [condition.measure(prompts) for condition in self._conditions.values()]
        with self._ledger.transaction():
            with self._ledger.commit(t, STAGE) as stage:
                stage.metrics = {name: x for found in measured for name, x in found.items()}
            self._clock.note(t, STAGE)
            # A budget that a run is given in the middle of a round counts from the next one on:
            # this one's policy was learned, and perhaps not saved, as one of many.
            late = self._ledger.stage_done(t, "learn") or t >= self._config.rounds
            ending = None if late else self._why(t)
            if ending is not None:
                self._ledger.add_ending(ending)

    def lift(self) -> None:
        """Frees the run of an ending that does not hold under the configuration of now."""
        for entry in self._ledger.endings():
            found = None if entry.lifted else self._why(entry.round)
            if not entry.lifted and found is None:
                self._ledger.lift_ending(entry.round)

    def _why(self, t: int) -> EndingEntry | None:
        found = overspent(self._config, self._ledger, t)
        if found is not None:
            return found
        for name, condition in self._conditions.items():
            reason = condition.reason(self._ledger, t)
            if reason:
                return EndingEntry(t, name, reason)
        return None
