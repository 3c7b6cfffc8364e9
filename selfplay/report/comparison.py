"""Runs side by side: figures, curves over rounds, and what their configurations differ in.

Held-out accuracies compare only where the same held-out prompts were asked, so the page says when
they were not, and a difference is taken prompt by prompt over those that both runs answered. Its
interval says nothing about other seeds; for that there is `selfplay ablate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.analysis.status import Standing, standing
from selfplay.core.errors import ConfigError
from selfplay.ledger import Ledger, journal
from selfplay.ledger.reading import reading
from selfplay.paths import LEDGER
from selfplay.report.curves import Chart, Series, points_by_metric
from selfplay.report.heldout import MINUS, Difference, against, gain, signed
from selfplay.report.narrative import duration
from selfplay.report.sections import Payload
from selfplay.report.writing import write_page
from selfplay.stages.evaluation import GREEDY, SAMPLED

MOST = 6
"""Runs: as many lines as a chart can tell apart."""
MISSING = "–"
CHARTS = (
    (f"evaluate/{GREEDY}", "Held-out accuracy, greedy", "On tasks that are never trained on."),
    (f"evaluate/{SAMPLED}", "Held-out accuracy, sampled", "At temperature 1."),
    (
        "judge/reward",
        "Reward in training",
        "Mean over a round's training groups. Under another judge or rubric it does not compare.",
    ),
    ("judge/mixed", "Groups that teach", "Share of a round's groups whose rewards differ."),
    ("compose/difficulty", "Difficulty of what is asked", "0: the easiest levels, 1: the hardest."),
    ("attempt/length", "Length of responses", "Tokens, mean of a round."),
)


@dataclass(frozen=True)
class Compared:
    """One of the runs."""

    name: str
    """Short, and no other run's."""
    standing: Standing
    gain: Difference | None
    """Its last evaluation against its first one."""
    ahead: Difference | None
    """Its last evaluation against the first run's; None for that itself."""


@dataclass(frozen=True)
class Comparison:
    """Some runs, the first of which the others are compared with."""

    runs: tuple[Compared, ...]
    same_heldout: bool
    """All asked the same held-out prompts."""
    charts: tuple[Chart, ...]
    settings: Mapping[str, tuple[str, ...]]
    """By key, the values that are not the same in all runs, as text."""

    @property
    def names(self) -> tuple[str, ...]:
        """The runs, in order."""
        return tuple(run.name for run in self.runs)

    def rows(self) -> list[tuple[str, ...]]:
        """The figures as text: what it is, then a column for each run."""
        columns = [_figures(run) for run in self.runs]
        return [(what, *(column[what] for column in columns)) for what in columns[0]]

    def as_dict(self) -> dict[str, Any]:
        """For the page and `--json`."""
        return {
            "names": list(self.names),
            "directories": [run.standing.directory for run in self.runs],
            "same_heldout": self.same_heldout,
            "rows": [list(row) for row in self.rows()],
            "charts": [chart.as_dict() for chart in self.charts],
            "settings": [[key, *values] for key, values in self.settings.items()],
        }


def compare(directories: Sequence[Path]) -> Comparison:
    """Reads the runs; live and crashed ones too.

    Raises:
        ConfigError: fewer than two runs, or more than a chart can show.
        LedgerError: one of the directories has no readable ledger.
    """
    if not 2 <= len(directories) <= MOST:
        raise ConfigError(f"expected 2 to {MOST} runs to compare, found {len(directories)}")
    names = short_names(directories)
    standings = [standing(directory) for directory in directories]
    runs = tuple(
        Compared(
            name,
            found,
            gain(directory, found),
            against(directories[0], standings[0], directory, found) if i else None,
        )
        for i, (name, directory, found) in enumerate(
            zip(names, directories, standings, strict=True)
        )
    )
    heldout, settings = [], []
    for directory in directories:
        with Ledger.open(directory / LEDGER, read_only=True) as ledger:
            heldout.append(set(ledger.ids_made_by("heldout")))
            settings.append(flat(ledger.settings))
    return Comparison(
        runs, all(ids == heldout[0] for ids in heldout), _charts(names, directories), _own(settings)
    )


def write_comparison(found: Comparison, out: Path) -> Path:
    """Writes a comparison as one self-contained HTML file.

    Raises:
        ResourceError: the file cannot be written.
    """
    title = f"Comparison: {', '.join(found.names)}"
    return write_page(Payload("comparison", title, {"comparison": found.as_dict()}), out)


def short_names(directories: Sequence[Path]) -> list[str]:
    """As many last parts of the paths as tell them apart."""
    parts = [directory.resolve().parts for directory in directories]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-length:]) for own in parts]
        if len(set(names)) == len(names):
            return names
    raise ConfigError("expected different runs to compare, found one of them twice")


def flat(settings: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Nested settings by dotted key, their values as text."""
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = str(value)
    return found


def _own(settings: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    keys = dict.fromkeys(key for own in settings for key in own)
    rows = {key: tuple(own.get(key, MISSING) for own in settings) for key in keys}
    return {key: values for key, values in rows.items() if len(set(values)) > 1}


def _charts(names: Sequence[str], directories: Sequence[Path]) -> tuple[Chart, ...]:
    points = []
    for directory in directories:
        with reading(directory) as database:
            points.append(points_by_metric(journal.metrics(database, None)))
    charts = []
    for metric, title, note in CHARTS:
        series = tuple(
            Series.of(name, own[metric])
            for name, own in zip(names, points, strict=True)
            if metric in own
        )
        if series:
            charts.append(Chart(title, note, series))
    return tuple(charts)


def _figures(run: Compared) -> dict[str, str]:
    found = run.standing
    evaluated = found.evaluations[max(found.evaluations)] if found.evaluations else {}
    return {
        "state": found.state,
        "round": f"{found.round:,} of {found.rounds:,}",
        "held-out, greedy": _number(evaluated.get(GREEDY)),
        "held-out, sampled": _number(evaluated.get(SAMPLED)),
        "gain since its start": _difference(run.gain),
        "against the first run": _difference(run.ahead),
        "reward in training": _number(found.metrics.get("reward")),
        "groups that teach": _number(found.metrics.get("mixed")),
        "difficulty asked": _number(found.metrics.get("difficulty")),
        "prompts": f"{found.prompts:,}",
        "tokens generated": f"{found.tokens:,}",
        "time": duration(sum(found.seconds.values())),
        "alarms": f"{found.alarms:,}",
        "rubric changes": f"{found.reviews.get('accepted', 0):,}",
        "rubric version": MISSING if found.rubric is None else str(found.rubric),
    }


def _number(value: float | None) -> str:
    return MISSING if value is None or value != value else f"{value:.3f}".replace("-", MINUS)


def _difference(found: Difference | None) -> str:
    if found is None:
        return MISSING
    interval = f"{signed(found.low)} to {signed(found.high)}"
    return f"{signed(found.change)} ({interval}), {found.asked}"
