"""Whether a round is the run's last, decided once in it and written down with the reason.

The decision falls when the round is judged and before it is learned from, so that the last policy
is saved and evaluated as such; from then on it is read from the ledger, and a crash does not change
it. What it rests on is the same in every process: wall time alone is not, and is written down.
A run that goes on under another configuration is free of an ending that no longer holds.

A budget is what a run may take before it ends. What was spent is read from the ledger: a run that
goes on counts what it took before, and a fork what its rounds took in their run. Hours are those of
every process from the moment it opened the run (`selfplay.stopping.clock`). Money that is not known
is not 0: a model behind a server that names no price is refused beforehand, and an answer whose
tokens the server did not say ends the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from selfplay.core.components import Choice
from selfplay.core.types import GENERATED
from selfplay.ledger import EndingEntry, Ledger
from selfplay.stopping.clock import WALL, Clock
from selfplay.stopping.conditions import Condition, Embed

STAGE = "conclude"


class Budgets(Protocol):
    """The limits of a configuration; None: none."""

    @property
    def token_budget(self) -> int | None:
        """Tokens generated, evaluation aside."""

    @property
    def hour_budget(self) -> float | None:
        """Hours of all processes."""

    @property
    def money_budget(self) -> float | None:
        """In the currency of the prices."""


def spent_tokens(ledger: Ledger, t: int) -> int:
    """Generated for training, estimates and evolving up to round `t`."""
    return int(ledger.total(GENERATED, t))


def spent_hours(ledger: Ledger) -> float:
    """Of all processes so far; for rounds of releases that kept no clock, those of their stages."""
    return (ledger.seconds(WALL) + ledger.seconds_before("stage", WALL)) / 3600


def spent_money(ledger: Ledger) -> float | None:
    """What models behind servers took so far; None where some of it is not known."""
    paid = [usage.money for usage in ledger.usages()]
    known = [money for money in paid if money is not None]
    return sum(known) if len(known) == len(paid) else None


def overspent(budgets: Budgets, ledger: Ledger, t: int) -> EndingEntry | None:
    """The first budget that round `t` has used up; None while there is something of each."""
    if budgets.token_budget is not None:
        tokens = spent_tokens(ledger, t)
        if tokens >= budgets.token_budget:
            text = f"{tokens:,} tokens of token_budget={budgets.token_budget:,} are generated"
            return EndingEntry(t, "tokens", text)
    if budgets.hour_budget is not None:
        hours = spent_hours(ledger)
        if hours >= budgets.hour_budget:
            text = f"{hours:.2f} hours of hour_budget={budgets.hour_budget:g} are over"
            return EndingEntry(t, "hours", text)
    return _money(budgets.money_budget, ledger, t)


def _money(budget: float | None, ledger: Ledger, t: int) -> EndingEntry | None:
    if budget is None:
        return None
    money = spent_money(ledger)
    if money is None:
        text = (
            f"how much of money_budget={budget:g} is spent is not known, since a server did not "
            "say what an answer took (`selfplay costs`); money_budget=null goes on without a budget"
        )
        return EndingEntry(t, "money", text)
    text = f"{money:,.2f} of money_budget={budget:,.2f} is spent"
    return EndingEntry(t, "money", text) if money >= budget else None


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
