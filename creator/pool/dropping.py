"""Which prompts leave the pool at the end of a round, so that it keeps to its capacity.

A quota is kept by setting a task's best prompts, as the replacement sees them, aside before the
rest is looked at. So a task has at least its quota as long as it has so many prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from creator.pool.contents import Contents, Replacement, Rows, others
from creator.pool.table import PoolOptions

ROUNDING = 1e-9
"""What a share of the capacity may lack of a whole number and still be it."""


def dropped(
    contents: Contents, tasks: Sequence[str], options: PoolOptions, replacement: Replacement
) -> Rows:
    """The rows that go, ascending.

    Args:
        contents: the pool's prompts.
        tasks: the tasks' names, by code.
        options: the capacity, and quotas of it by a task's name.
        replacement: who goes first.
    """
    gone = replacement(contents, None)
    room = options.capacity
    if room is None or len(contents) - len(gone) <= room:
        return gone
    rows = others(len(contents), gone)
    left = contents.only(rows) if len(gone) else contents
    aside = set_aside(left, tasks, options.quotas, room, replacement)
    rest = others(len(left), aside)
    cut = replacement(left.only(rest) if len(aside) else left, room - len(aside))
    return np.sort(np.concatenate([gone, rows[rest[cut]]]))


def set_aside(
    contents: Contents,
    tasks: Sequence[str],
    quotas: Mapping[str, float],
    room: int,
    replacement: Replacement,
) -> Rows:
    """The best rows of the tasks that have a quota, as many as it says."""
    codes = {name: code for code, name in enumerate(tasks)}
    aside = [np.empty(0, np.intp)]
    for name in (task for task in quotas if task in codes):
        members = np.flatnonzero(contents.tasks_P == codes[name])
        quota = int(quotas[name] * room + ROUNDING)
        going = replacement(contents.only(members), quota)
        aside.append(members[others(len(members), going)])
    return np.concatenate(aside)
