"""Budgets: what a run may take before it ends. What was spent is read from the ledger.

So a run that goes on counts what it took before, and a fork what its rounds took in their run.
Hours are those of every process from the moment it opened the run (`selfplay.stopping.clock`).
Money that is not known is not 0: a model behind a server that names no price is refused beforehand,
and an answer whose tokens the server did not say ends the run.
"""

from __future__ import annotations

from typing import Protocol

from selfplay.core.types import GENERATED
from selfplay.ledger import Ledger
from selfplay.ledger.entries import EndingEntry
from selfplay.stopping.clock import WALL


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
