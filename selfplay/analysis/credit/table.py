"""Credit as a table: one row for each family or operator, the largest gain first."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selfplay.core.csv_text import inert_row
from selfplay.core.json_text import without_nan
from selfplay.core.places import writing


@dataclass(frozen=True)
class Credit:
    """What one family or operator is owed."""

    label: str
    """The operator's name, or the id of the family's first prompt."""
    groups: float
    """Groups that were learned from, shared ones in part."""
    gain: float
    """In held-out accuracy, sampled: a share from -1 to 1."""
    low: float
    """Ends of the 95 % interval over held-out prompts; NaN without one."""
    high: float
    text: str = ""
    """How the family's first prompt begins."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON and CSV: ends that are not known are null."""
        found: dict[str, Any] = without_nan(asdict(self))
        return found


@dataclass(frozen=True)
class Attribution:
    """A run's credits by one method."""

    method: str
    kind: str
    """`operators` or `families`."""
    rounds: int
    """The last round that counts: that of the newest evaluation."""
    measured: Credit
    """The gain of sampled held-out accuracy between the first evaluation and that one."""
    total: float
    """Sum of all gains, those without a row included."""
    labels: int
    """How many there are, with a row or without."""
    rows: Sequence[Credit]
    note: str
    """What the figures are and are not."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        rows = [row.as_dict() for row in self.rows]
        return {**asdict(self), "measured": self.measured.as_dict(), "rows": rows}


def write_csv(path: Path, tables: Sequence[Attribution]) -> None:
    """One line for each row of each table.

    Raises:
        ResourceError: the file cannot be written.
    """
    columns = ["method", "kind", *Credit.__dataclass_fields__]
    with writing(path), path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for table in tables:
            for row in table.rows:
                cells = {"method": table.method, "kind": table.kind, **row.as_dict()}
                writer.writerow(inert_row(cells))
