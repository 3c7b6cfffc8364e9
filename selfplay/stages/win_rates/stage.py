"""Judged win rates as part of a run's evaluation: recorded, and gone on with after a crash."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from selfplay.config.settings import RunConfig
from selfplay.config.win_rates import FIRST
from selfplay.core.types import Group, Prompt
from selfplay.events import Progress
from selfplay.ledger import Ledger
from selfplay.stages.pauses import refuse_silence
from selfplay.stages.rollouts import Rollouts
from selfplay.stages.win_rates.contests import (
    LABEL,
    METRIC,
    WinJudge,
    answers_label,
    contests,
    differing,
    ended,
    recorded_answers,
)
from selfplay.stages.win_rates.win_rates import rates


class NoWinRates:
    """Where none are configured."""

    def evaluate(self, t: int) -> Generator[Progress, None, dict[str, float]]:
        """No metrics."""
        yield from ()
        return {}


class WinRates:
    """Judges the answers of evaluated rounds against the reference's."""

    def __init__(
        self, config: RunConfig, heldout: Sequence[Prompt], ledger: Ledger, rollouts: Rollouts
    ) -> None:
        """Builds the judge, and reads the reference's file where there is one.

        Raises:
            ConfigError, ModelError: the judge cannot be had.
            DataError: the file cannot be read, or answers none of the prompts.
        """
        self._config, self._max_missing = config.evaluation.judged, config.max_missing
        self._judge, self._ledger, self._rollouts = WinJudge(config), ledger, rollouts
        first = self._config.reference == FIRST
        self._recorded = None if first else recorded_answers(self._config, heldout)

    def evaluate(self, t: int) -> Generator[Progress, None, dict[str, float]]:
        """Judges round t's answers; the metrics.

        Raises:
            PausedError: the judge's server leaves too much unanswered.
        """
        label = answers_label(self._config)
        groups, references = self._ledger.groups(t, label), self._references(label)
        pairs = contests(groups, references, self._config.prompts)
        asked = differing(pairs)
        if asked and not self._ledger.group_count(t, LABEL):
            self._ledger.add_groups(t, LABEL, 0, asked)
        yield from self._rollouts.judge(t, LABEL, self._judge)
        refuse_silence(self._ledger, t, LABEL, self._max_missing)
        verdicts = [group.verdicts for group in self._ledger.groups(t, LABEL)]
        return rates(ended(pairs, verdicts, self._config.weighted), METRIC)

    def _references(self, label: str) -> Mapping[str, Group]:
        if self._recorded is not None:
            return self._recorded
        return {group.prompt.id: group for group in self._ledger.groups(0, label)}


def win_rates(
    config: RunConfig, heldout: Sequence[Prompt], ledger: Ledger, rollouts: Rollouts
) -> WinRates | NoWinRates:
    """What a run's evaluation asks for win rates.

    Raises:
        ConfigError, ModelError, DataError: as `WinRates`.
    """
    if config.evaluation.judged.enabled and heldout:
        return WinRates(config, heldout, ledger, rollouts)
    return NoWinRates()
