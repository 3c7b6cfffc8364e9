"""A hand-made run directory whose rubric went through everything that a rubric can."""

from __future__ import annotations

from pathlib import Path

from meta.rubrics.rubric import Criterion, Rubric
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER

SHORT = Criterion("short", "Stay short.", 2.0, check="length", params={"maximum": 5})
CALM = Criterion("calm", "Do not shout.", check="case", sign="deduction")
NUMBER = Criterion("number", "Have a number.", check="number")


def version(number: int, *criteria: Criterion) -> str:
    return Rubric(criteria, "style", number).to_yaml()


def write_run(directory: Path) -> Path:
    """Versions 1 to 4: the first, one adopted, one rejected, one adopted; 4 is in force."""
    directory.mkdir(parents=True)
    with Ledger.create(directory / LEDGER, {}, {}) as ledger:
        ledger.add_rubric(1, None, version(1, SHORT), "accepted", "the run starts with it", 0)
        two = version(2, SHORT, CALM)
        ledger.add_rubric(2, 1, two, "accepted", "better on the core", 3)
        ledger.add_rubric(3, 2, version(3, CALM), "rejected", "not shown to be better", 5)
        four = version(4, SHORT, CALM, NUMBER)
        ledger.add_rubric(4, 2, four, "accepted", "better on the suspects", 7)
        with ledger.commit(7, "record"):
            pass
    return directory
