"""From which reward on a response succeeds, for commands that count over a whole run.

As the creator counts it (`creator.scales`): a share of the judge's scale, by kind of prompt; where
a judge has no bounds or gave rewards beyond them, of the spread of the task's rewards, here those
of the whole run.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable
from itertools import islice

import numpy as np

from creator.scales import Scale, Scales, bounds
from selfplay.config import load_values
from selfplay.config.settings import RunConfig
from selfplay.ledger import census, pool
from selfplay.ledger.database import Database
from selfplay.stages.scales import scales_by

SUCCESS = 0.5
"""Halfway up."""
_CHUNK = 1024


def scales_of(database: Database) -> Scales:
    """The scale of each prompt of the run, as it was kept."""
    kept = census.scales(database)
    if len(kept) <= 1:
        single = Scale("", *next(iter(kept.values()), (0.0, 1.0)))
        return lambda prompts: [single] * len(prompts)
    settings = json.loads(database.rows("SELECT value FROM run WHERE key = 'settings'")[0][0])
    return scales_by(load_values(settings, "the run", RunConfig).config, kept)


def least_rewards(database: Database, success: float) -> Callable[[str], float]:
    """From a prompt's id to the lowest reward of a success; NaN where no reward is known.

    Args:
        database: a run's.
        success: as a share of the judge's scale.
    """
    kept = list(census.scales(database).values())
    if not kept:
        return lambda id_: success
    single = Scale("", *kept[0])
    if len(kept) == 1 and single.holds(np.array(census.reward_range(database))):
        least = _at(success, single.lowest, single.highest)
        return lambda id_: least
    kinds, rewards = _kinds(database), defaultdict[tuple[Scale, str], list[float]](list)
    for id_, reward in census.rewards_by_prompt(database):
        rewards[kinds[id_]].append(reward)
    marks = {
        kind: _at(success, *bounds(np.array(known), kind[0])) for kind, known in rewards.items()
    }
    return lambda id_: marks[kinds[id_]] if id_ in kinds else math.nan


def _at(share: float, lowest: float, highest: float) -> float:
    return lowest + share * (highest - lowest)


def _kinds(database: Database) -> dict[str, tuple[Scale, str]]:
    """What the rewards of each prompt are compared with: the same scale and task."""
    scales, ids = scales_of(database), iter(census.scored_ids(database))
    found: dict[str, tuple[Scale, str]] = {}
    for prompts in iter(lambda: pool.prompts(database, list(islice(ids, _CHUNK))), []):
        for prompt, scale in zip(prompts, scales(prompts), strict=True):
            found[prompt.id] = scale, prompt.task
    return found
