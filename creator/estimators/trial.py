"""Whether an estimator gets what it reads, found out by asking it for an estimate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from creator.estimators.evidence import Estimator, Evidence, State
from selfplay.core.components import Choice
from selfplay.core.errors import ConfigError

REWARDS = Evidence(np.array([[0.0, 1.0]]))
"""One prompt of which only the rewards are known."""

JUDGED = Evidence(
    rewards_PG=np.array([[0.0, 1.0]]),
    tokens_PG=np.array([[1.0, 2.0]]),
    logps_PG=np.array([[-1.0, -2.0]]),
    tasks_P=np.zeros(1, np.int64),
    state=State.new(1),
)
"""One prompt with the columns that a judged group of a run has."""

REPEATED = replace(JUDGED, judgements_PGJ=np.array([[[0.0, 0.0], [1.0, 1.0]]]))
"""The same where each response was judged twice."""


def lacking(estimator: Estimator, evidence: Evidence) -> str:
    """Why no estimate can be made of such evidence; empty if one can."""
    try:
        estimator(evidence, np.random.default_rng(0))
    except ValueError as error:
        return str(error)
    return ""


def check_usable(choice: Choice, repeats: int) -> None:
    """Refuses an estimator that a run whose responses are judged `repeats` times cannot use.

    Raises:
        ConfigError: it reads what the run's groups will not hold.
    """
    estimator: Estimator = choice.build()
    reason = lacking(estimator, JUDGED if repeats == 1 else REPEATED)
    if reason:
        repeated = not lacking(estimator, REPEATED)
        cure = "set meta.repeats=2 or more, or choose" if repeated else "choose"
        raise ConfigError(
            "creator.estimator: expected one that reads rewards, tokens, log-probabilities and "
            f"tasks, which are what a run records; found '{choice.name}': {reason}; {cure} another"
        )
