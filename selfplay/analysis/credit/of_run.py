"""The credit of a run in a directory: opens the run and attributes its gain.

What `selfplay credit` does; the libraries and the model are loaded when the first table is asked
for. Nothing is written to the run, and nobody else may write to it meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from selfplay.analysis.credit.asked import KINDS, Asked
from selfplay.analysis.credit.table import Attribution
from selfplay.config.sources import config_of_run
from selfplay.events import Progress, nobody


def credit_of_run(
    directory: Path,
    method: str = "influence",
    by: Sequence[str] = (),
    top: int = 10,
    preconditioner: str = "adamw",
    watch: Callable[[Progress], None] = nobody,
) -> Iterator[Attribution]:
    """Attributes a run's held-out gain, by learning the run again.

    Args:
        directory: of the run.
        method: `influence` (first-order, fast) or `leave_out` (replays).
        by: `operators`, `families` or both, a table each; both by `influence` and operators alone
            by `leave_out` where none is named.
        top: rows of a table; by `leave_out` also replays.
        preconditioner: of `influence`: `adamw`, the optimiser's own, or `none`.
        watch: is told of the rounds as they are learned again.

    Returns:
        The tables, each as soon as it is there; nothing is done before the first one is asked for.

    Raises:
        ConfigError: an unknown word, or an objective that `influence` cannot take apart.
        LedgerError: there is no readable ledger, it has no second evaluation, or the run is played.
        ModelError: the run does not keep its first policy.
    """
    kinds = tuple(by) if by else KINDS if method == "influence" else KINDS[:1]
    asked = Asked(method, kinds, top, preconditioner)
    asked.check()
    loaded = config_of_run(directory)
    from selfplay.analysis.credit.attribution import credit
    from selfplay.build import open_game

    with open_game(loaded, directory) as game:
        for found in credit(game, asked):
            if isinstance(found, Progress):
                watch(found)
            else:
                yield found
