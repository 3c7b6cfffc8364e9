"""Recorded responses as comparisons with soft labels: the pairwise judge on a file.

A row is a comparison (`prompt`, `chosen`, `rejected`, `probability`), which `selfplay train
--objective rm` reads, with the principle that decided, the judge's lean to the first place, and its
fingerprint. Equal responses are not compared. Comparisons without a verdict are among the missing
ones. Left out: responses in a run's ledger, whose own judge `pairwise` keeps comparisons there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from meta.judges import judging_fingerprint
from meta.judges.pairwise import Outcome, Pairwise, pairs
from selfplay.config import Loaded, load_config
from selfplay.core.seeding import Seed
from selfplay.data.recorded import Recorded, read_recorded
from selfplay.offline.rlaif.config import LabelConfig
from selfplay.offline.rlaif.prompt_rows import prompt_columns
from selfplay.offline.rlaif.writing import Done, Made, Rows, file_hash, made, written

ROWS = "comparisons.jsonl"


def label(
    data: str | Path,
    directory: str | Path,
    overrides: Sequence[str] = (),
    source: str | Path | None = None,
    watch: Callable[[Done], None] = lambda _: None,
) -> Made:
    """Compares the recorded responses of each prompt; or goes on with that.

    Args:
        data: a file of recorded groups.
        directory: what is made goes there.
        overrides: `key=value` each, such as `judge.principles=plain`.
        source: a YAML file with a `LabelConfig`.
        watch: called after every chunk. It may raise to leave: the same call goes on from there.

    Returns:
        The file of rows, and how many there are and are missing.

    Raises:
        ConfigError, DataError, ModelError: something cannot be used.
        LedgerError: the directory holds another job, or another process is at work there.
    """
    loaded = load_config(source, [f"data={json.dumps(str(data))}", *overrides], LabelConfig)
    with closing(labelling(loaded, Path(directory))) as work:
        for done in work:
            watch(done)
    return made(Path(directory), ROWS, "--model DIR --objective rm heldout=0.1")


def labelling(loaded: Loaded[LabelConfig], directory: Path) -> Generator[Done, None, None]:
    """Yields after every chunk. Raises as `label`."""
    config = loaded.config
    records = read_recorded(Path(config.data), config.layout)
    judge = Pairwise(config.judge)
    fingerprint = judging_fingerprint(judge.name, config.judge, None, judge.content)
    job = {
        "config": loaded.as_dict(),
        "data_sha256": file_hash(Path(config.data)),
        "judge": fingerprint,
    }

    def work(some: Sequence[Recorded]) -> tuple[Rows, Rows]:
        met = [(record, i, j) for record in some for i, j in _met(record, config.judge.opponents)]
        outcomes = judge.outcomes(
            [(record.prompt, (record.responses[i], record.responses[j])) for record, i, j in met]
        )
        rows, missing = [], []
        for (record, i, j), outcome in zip(met, outcomes, strict=True):
            if isinstance(outcome, str):
                missing.append(
                    prompt_columns(record.prompt) | {"positions": [i, j], "reason": outcome}
                )
            else:
                rows.append(_row(record, i, j, outcome) | {"judge": fingerprint})
        return rows, missing

    yield from written(directory, ROWS, job, records, config.chunk, work)


def _met(record: Recorded, opponents: int) -> list[tuple[int, int]]:
    """Positions of the responses that are compared: different texts, each the first time."""
    first = {text: i for i, text in reversed([*enumerate(record.responses)])}
    places = sorted(first.values())
    drawn = pairs(len(places), opponents, Seed(0, ("label", record.prompt.id)))
    return [(places[i], places[j]) for i, j in drawn]


def _row(record: Recorded, i: int, j: int, outcome: Outcome) -> dict[str, Any]:
    """The comparison, the likelier winner as the chosen one."""
    if outcome.probability < 0.5:
        i, j, outcome = j, i, outcome.reversed
    row = {
        **prompt_columns(record.prompt),
        "chosen": record.responses[i],
        "rejected": record.responses[j],
        "probability": outcome.probability,
        "lean": outcome.lean,
        "positions": [i, j],
    }
    return row | ({"principle": outcome.principle} if outcome.principle else {})
