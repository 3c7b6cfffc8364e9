"""What a run takes of model servers, by role: requests, tokens, money. Kept in its ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selfplay.core.models.metering import Meter, metered
from selfplay.ledger import Ledger, UsageEntry
from selfplay.paths import LEDGER


@dataclass(frozen=True)
class Cost:
    """Sums over some of a run's work."""

    role: str
    """`judge`, `trusted`, `rewriter`, `reviewer`; `all` for the whole run."""
    model: str
    server: str
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
    money: float | None
    """In the prices' currency; None where some of it is not known."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@contextmanager
def charged(ledger: Ledger, t: int, label: str, role: str) -> Iterator[Meter]:
    """A meter of what models behind servers take in the block.

    Where the block ends well, its caller writes that down with what came of it. Where it ends in an
    error, a pause or an interruption nothing comes of it, and what it took is written down here.

    Raises:
        LedgerError, ResourceError: the ledger cannot be written.
    """
    ended_well = False
    with metered() as meter:
        try:
            yield meter
            ended_well = True
        finally:
            if not ended_well:
                ledger.add_usages(t, label, role, meter.spent())


def costs(directory: Path) -> list[Cost]:
    """What a run took of model servers.

    Args:
        directory: the run's; it may be live.

    Returns:
        Sums by role, model and server, in the order in which they were first asked; the total last.
        Empty for a run that asked no server.

    Raises:
        LedgerError: there is no readable ledger.
    """
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        entries = ledger.usages()
    parts: dict[tuple[str, str, str], list[UsageEntry]] = {}
    for entry in entries:
        parts.setdefault((entry.role, entry.model, entry.server), []).append(entry)
    found = [_sum(*key, own) for key, own in parts.items()]
    return [*found, _sum("all", "", "", entries)] if entries else []


def _sum(role: str, model: str, server: str, entries: Sequence[UsageEntry]) -> Cost:
    paid = [entry.money for entry in entries if entry.money is not None]
    return Cost(
        role=role,
        model=model,
        server=server,
        requests=sum(entry.requests for entry in entries),
        retries=sum(entry.retries for entry in entries),
        cached=sum(entry.cached for entry in entries),
        tokens_in=sum(entry.tokens_in for entry in entries),
        tokens_out=sum(entry.tokens_out for entry in entries),
        unmetered=sum(entry.unmetered for entry in entries),
        unanswered=sum(entry.unanswered for entry in entries),
        money=sum(paid) if len(paid) == len(entries) else None,
    )
