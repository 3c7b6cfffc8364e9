"""The judge that runs code, and its options. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meta.sandbox.limits import Limits
from selfplay.core.components import Row
from selfplay.core.errors import nearest, require

WITHOUT: Mapping[str, str] = {
    "refuse": "an error before anything is judged",
    "missing": "every verdict is missing, with the reason",
}
"""What happens where unknown code cannot be kept in bounds; it is never run unprotected."""


@dataclass(frozen=True)
class CodeOptions:
    """Which tests a response's code is run against, and within which limits."""

    tests: str = "tests"
    """Column of the prompt file with the tests: Python source, a list of it, or pairs of input and
    output; see `meta.judges.code`."""
    entry_point: str = "entry_point"
    """Column with what is tested, and `check(candidate)` is given: a name, several with commas
    between them, or an expression such as `Solution().solve`. The tests have no other name from the
    code; without it, those that nobody defines."""
    setup: str = "setup"
    """Column with source to execute before the tests."""
    prefix: str = ""
    """Column with source to put before the response's code, such as a signature to complete; empty
    for none. What it defines in full, tests have from here."""
    binary: bool = True
    """Only code that passes all tests counts, as 1; else the share passed is the reward."""
    workers: int = 0
    """Responses that are run at once; 0 for one on each processor."""
    without: str = "refuse"
    """Where no sandbox can be had, one of `WITHOUT`."""
    limits: Limits = field(default_factory=Limits)
    """What each process may use."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no column, or a value outside its range.
        """
        require(bool(self.tests), f"{where}.tests", "the name of a column", "none")
        require(self.workers >= 0, f"{where}.workers", "0 (one a processor) or more", self.workers)
        hint = f"'{self.without}'; {nearest(self.without, WITHOUT)}"
        require(self.without in WITHOUT, f"{where}.without", " or ".join(WITHOUT), hint)
        self.limits.check(f"{where}.limits")


ROWS: Mapping[str, Row] = {
    "code": Row(
        "meta.judges.code:CodeJudge",
        CodeOptions,
        "1 for code that passes the prompt's unit tests, run in a sandbox",
    ),
}
