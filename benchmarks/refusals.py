"""Which texts are taken for refusals, of many styles and languages, and of harmless look-alikes?

The texts are in four sets, each written before the forms were mended for it.
"""

from __future__ import annotations

import json

from benchmarks.runner import HERE, Cell, Measurement
from selfplay.core.refusals import refuses

CASES = HERE / "cases" / "refusals.jsonl"


def measure() -> Measurement:
    """A row for each set."""
    texts = [json.loads(row) for row in CASES.read_text(encoding="utf-8").splitlines()]
    sets = list(dict.fromkeys(row["set"] for row in texts))
    rows = [row_of(name, [row for row in texts if row["set"] == name]) for name in sets]
    return Measurement(
        title="Refusals, and what looks like one",
        question="How many refusals are found, and how many harmless texts are taken for one?",
        rows=[*rows, row_of("all", texts)],
        notes=(
            "Whole and partial refusals in some twenty languages, behind a thought or not, beside "
            "apologies, quotations, letters, idioms and steps of proofs. The figures are those of "
            "the forms as they are now, which have been mended for every set but the one called "
            "'blind': that one was written last and is left as it was found. When first looked "
            "at, before they were mended for it, 49 of 70 refusals and 4 of 63 look-alikes of the "
            "set 'first' were found, 49 of 55 and 0 of 55 of 'second', 35 of 40 and 4 of 30 of "
            "'third'."
        ),
    )


def row_of(name: str, texts: list[dict[str, str]]) -> dict[str, Cell]:
    """How many are found."""
    refusing = [row["text"] for row in texts if row["refuses"]]
    harmless = [row["text"] for row in texts if not row["refuses"]]
    found, taken = sum(map(refuses, refusing)), sum(map(refuses, harmless))
    return {
        "texts": name,
        "refusals": len(refusing),
        "found": found,
        "found, share": round(found / len(refusing), 3),
        "look-alikes": len(harmless),
        "taken for one": taken,
        "taken, share": round(taken / len(harmless), 3),
    }
