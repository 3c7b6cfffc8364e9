"""A pool as data: one record a prompt, and the names that its codes stand for.

`task`, `operator` and `judging` are codes, places in a list of names. A stored pool is read without
pickle.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creator.estimators.evidence import NEVER
from creator.estimators.moments import FloatArray
from creator.pool.retirement import UNRESTED

FIELDS: tuple[tuple[str, type[np.generic]], ...] = (
    ("id", np.uint64),
    ("value", np.float32),
    ("count", np.int16),
    ("seen", np.int32),
    ("visits", np.int32),
    ("policy", np.int32),
    ("judging", np.int16),
    ("task", np.int32),
    ("operator", np.int16),
    ("successes", np.float32),
    ("failures", np.float32),
    ("best", np.float32),
    ("rate", np.float32),
    ("streak", np.int16),
    ("rest", np.int32),
)
RECORD = np.dtype(list(FIELDS))
"""One prompt: its newest estimate with the scored responses, round, policy version and judging it
rests on, its `State`, and its `Standing`. Counts and streaks end at `MOST`."""

MOST = 2**15 - 1
"""The largest count that fits."""

UNJUDGED = -1
"""Code of no judging: the prompt was never scored."""

UNSEEN = np.array(
    (0, np.nan, 0, NEVER, 0, 0, UNJUDGED, 0, 0, 0.0, 0.0, np.nan, np.nan, 0, UNRESTED),
    dtype=RECORD,
)
"""A prompt that was never scored."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A pool as data, to be stored."""

    records_P: NDArray[np.void]
    """Of dtype `RECORD`, in the order of the rows."""
    tasks: tuple[str, ...]
    """Names by code."""
    operators: tuple[str, ...]
    """Names by code."""
    judgings: tuple[str, ...]
    """Judging fingerprints by code."""
    tasks_K: FloatArray
    """As in `State`."""

    def to_bytes(self) -> bytes:
        """For a file: a line of names, the tasks' values, the records."""
        names = [self.tasks, self.operators, self.judgings]
        packed = io.BytesIO()
        packed.write(json.dumps(names).encode() + b"\n")
        np.save(packed, self.tasks_K)
        np.save(packed, self.records_P)
        return packed.getvalue()

    @classmethod
    def from_bytes(cls, packed: bytes) -> Snapshot:
        """What `to_bytes` made.

        Raises:
            ValueError: the bytes are something else, or records of another kind.
        """
        head, _, body = packed.partition(b"\n")
        file = io.BytesIO(body)
        tasks_K, records_P = np.load(file), np.load(file)
        if records_P.dtype != RECORD:
            raise ValueError(f"expected records of {RECORD}, found {records_P.dtype}")
        tasks, operators, judgings = (tuple(names) for names in json.loads(head))
        return cls(records_P, tasks, operators, judgings, tasks_K)
