"""Who spent what: the usage of model servers while a piece of work is done.

    with metered() as meter:
        verdicts = judge.judge(groups)
    meter.spent()  # one entry for each server and model that the judge asked, however deep inside

Models behind servers sit inside judges inside panels, and several roles may share one; what knows
the role and the stage is the place that gives the work out. So a model tells the innermost open
block what a call took, and the block's owner writes that down under the role it knows. Outside of
any block nothing is kept but the model's own `usage`. Blocks of other threads see nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from selfplay.core.models.usage import Usage


@dataclass(frozen=True)
class Spent:
    """What one model of one server took; a row of a table of costs."""

    model: str
    server: str
    """The base URL."""
    requests: int
    """Attempts, those included that failed."""
    retries: int
    cached: int
    """Requests that the cache of replies answered."""
    tokens_in: int
    tokens_out: int
    unmetered: int
    """Answers whose tokens the server did not say; the counts of tokens leave them out."""
    unanswered: int
    """Chats without a usable answer."""
    money: float | None
    """None where it is not known."""


class Meter:
    """Collects what models tell while its block is open."""

    def __init__(self) -> None:
        self._spent: list[Spent] = []

    def note(self, model: str, server: str, used: Usage) -> None:
        """One call's usage."""
        self._spent.append(
            Spent(
                model=model,
                server=server,
                requests=used.requests,
                retries=used.retries,
                cached=used.cached,
                tokens_in=used.prompt_tokens,
                tokens_out=used.completion_tokens,
                unmetered=used.unmetered,
                unanswered=used.failures.total(),
                money=used.money,
            )
        )

    def spent(self) -> list[Spent]:
        """One entry for each (server, model), in the order in which they were first asked."""
        found: dict[tuple[str, str], Spent] = {}
        for entry in self._spent:
            key = (entry.server, entry.model)
            found[key] = _sum(found[key], entry) if key in found else entry
        return list(found.values())


_METER: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metered() -> Iterator[Meter]:
    """A meter that is told what models behind servers take inside of the block."""
    meter = Meter()
    token = _METER.set(meter)
    try:
        yield meter
    finally:
        _METER.reset(token)


def tell(model: str, server: str, used: Usage) -> None:
    """Tells the innermost open block; none: nobody."""
    meter = _METER.get()
    if meter is not None:
        meter.note(model, server, used)


def _sum(a: Spent, b: Spent) -> Spent:
    return Spent(
        model=a.model,
        server=a.server,
        requests=a.requests + b.requests,
        retries=a.retries + b.retries,
        cached=a.cached + b.cached,
        tokens_in=a.tokens_in + b.tokens_in,
        tokens_out=a.tokens_out + b.tokens_out,
        unmetered=a.unmetered + b.unmetered,
        unanswered=a.unanswered + b.unanswered,
        money=None if a.money is None or b.money is None else a.money + b.money,
    )
