"""What a finished grid says, as files: for people (Markdown, HTML, SVG) and for programs (CSV).

    report.md, report.html   the table of paired intervals, the curves, what it took
    table.csv                arm, outcome, mean and interval; the reference less the arm
    values.csv               arm, seed, outcome, value: what the table is computed from
    curves.csv, curves.svg   metrics by round
    costs.csv                arm, seed, seconds, tokens

The first four depend on the runs' ledgers alone, so a second grid of the same configuration, on the
same libraries and threads, gives the same bytes. `report.html` needs nothing else and no network.
"""

from __future__ import annotations

import csv
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TypeAlias

from selfplay.ablation.comparing import ArmResult, finished
from selfplay.ablation.curves import Band, bands, curves
from selfplay.ablation.drawing import arms_of, draw
from selfplay.ablation.grid import AblationConfig, Cell
from selfplay.ablation.playing import seconds_of
from selfplay.core.csv_text import inert
from selfplay.core.places import writing
from selfplay.report.heldout import MINUS
from selfplay.report.narrative import duration

Value: TypeAlias = str | int | float
INTERVALS = (
    "Mean ± half the 95 % interval (Student's t) over {seeds}, the same in every arm; a "
    "difference is taken seed by seed. An interval of a difference that holds 0 does not show that "
    "there is none."
)
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}.wide{overflow-x:auto}table{border-collapse:collapse}"
    "th,td{padding:.25rem .75rem;text-align:left;border-bottom:1px solid #8884;white-space:nowrap}"
    "th[scope=row]{position:sticky;left:0;background:inherit}tr{background:inherit}"
    "table,thead,tbody,.wide{background:inherit}"
    ".grid{display:grid;gap:1.5rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr))}"
    ".grid svg{width:100%;height:auto;align-self:start}"
    "ul{padding-left:1.2rem}code{overflow-wrap:anywhere}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}}"
)


def write_report(
    config: AblationConfig, grid: Sequence[Cell], found: Sequence[ArmResult], directory: Path
) -> list[Path]:
    """Writes the files listed above; their paths.

    Args:
        config: the grid.
        grid: its cells, all finished.
        found: what `results` says of them.
        directory: where the files go.

    Raises:
        ResourceError: they cannot be written.
    """
    by_metric = curves(config, grid)
    panels = {name: bands(arms) for name, arms in by_metric.items()}
    svg = draw(panels, config.title)
    costs = [_cost(cell) for cell in grid]
    shown = _Shown(config, grid, *_table(config, found), _took(costs))
    points = [
        (arm, seed, name, t, value)
        for name, arms in by_metric.items()
        for arm, runs in arms.items()
        for seed, curve in runs.items()
        for t, value in curve.items()
    ]
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        _csv(directory / "table.csv", TABLE, _machine_rows(found))
        _csv(directory / "values.csv", ("arm", "seed", "outcome", "value"), _values(found))
        _csv(directory / "curves.csv", ("arm", "seed", "metric", "round", "value"), points)
        _csv(directory / "costs.csv", ("arm", "seed", "seconds", "tokens"), costs)
        (directory / "curves.svg").write_text(svg, encoding="utf-8")
        (directory / "report.md").write_text(_markdown(shown), encoding="utf-8")
        (directory / "report.html").write_text(_page(shown, panels), encoding="utf-8")
    return sorted(directory / name for name in FILES)


@dataclass(frozen=True)
class _Shown:
    """What both reports for people say."""

    config: AblationConfig
    grid: Sequence[Cell]
    head: Sequence[str]
    table: Sequence[Sequence[str]]
    took: str

    @property
    def intervals(self) -> str:
        return INTERVALS.format(seeds=f"{self.config.seeds} seed" + "s" * (self.config.seeds > 1))

    @property
    def again(self) -> str:
        return f"selfplay {shlex.join(self.grid[0].command[3:])}"


FILES = (
    *("report.md", "report.html", "table.csv", "values.csv"),
    *("curves.csv", "curves.svg", "costs.csv"),
)
TABLE = ("arm", "outcome", "seeds", "mean", "low", "high", "ahead", "ahead_low", "ahead_high")
"""Columns of table.csv; `ahead` is the reference less the arm."""


def _machine_rows(found: Sequence[ArmResult]) -> Iterable[tuple[Value, ...]]:
    for arm in found:
        for name, mean in arm.means.items():
            ahead = arm.ahead.get(name)
            apart = (ahead.mean, ahead.low, ahead.high) if ahead else ("", "", "")
            count = len(arm.values[name])
            yield (arm.arm, name, count, mean.mean, mean.low, mean.high, *apart)


def _values(found: Sequence[ArmResult]) -> Iterable[tuple[Value, ...]]:
    for arm in found:
        for name, values in arm.values.items():
            yield from ((arm.arm, seed, name, value) for seed, value in enumerate(values))


def _cost(cell: Cell) -> tuple[Value, ...]:
    """Seconds of the cell's process, or of its stages where only those are known; all tokens."""
    found, process = finished(cell.directory), seconds_of(cell)
    seconds = sum(found.seconds.values()) if process is None else process
    return cell.arm, cell.seed, round(seconds, 1), found.tokens


def _took(costs: Sequence[tuple[Value, ...]]) -> str:
    seconds = math.fsum(float(row[2]) for row in costs)
    tokens = sum(int(row[3]) for row in costs)
    return (
        f"{len(costs)} runs took {duration(seconds)} of processes in all and generated "
        f"{tokens:,} tokens, evaluation included."
    )


def _table(config: AblationConfig, found: Sequence[ArmResult]) -> tuple[list[str], list[list[str]]]:
    """The table for people: an arm a row, for each outcome its mean and how far it is apart."""
    head = ["arm"]
    for name in config.outcomes:
        head += [name, f"{config.against} − arm"]
    rows = []
    for arm in found:
        row = [arm.arm]
        for name in config.outcomes:
            ahead = arm.ahead.get(name)
            row += [str(arm.means[name]), "" if ahead is None else str(ahead)]
        rows.append(row)
    return head, rows


def _markdown(shown: _Shown) -> str:
    lines = [f"# {shown.config.title}", "", shown.config.question, ""]
    lines += [f"| {' | '.join(shown.head)} |", "|" + "---|" * len(shown.head)]
    lines += [f"| {' | '.join(row)} |" for row in shown.table]
    lines += ["", shown.intervals, "", "![Curves by round](curves.svg)", ""]
    lines += [f"- {text}" for text in _arms(shown.config)]
    lines += ["", shown.took, "", f"The first run again: `{shown.again}`", ""]
    return "\n".join(lines)


def _page(shown: _Shown, panels: Mapping[str, Sequence[Band]]) -> str:
    """Every metric is a drawing of its own, so that a phone can stack them."""
    title, arms = escape(shown.config.title), arms_of(panels)
    drawn = "".join(draw({name: found}, name, arms) for name, found in panels.items())
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in shown.head)
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell).replace('-', MINUS)}</td>" for cell in row[1:])
        + "</tr>"
        for row in shown.table
    )
    changes = "".join(f"<li><code>{escape(text)}</code></li>" for text in _arms(shown.config))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>{escape(shown.config.question)}</p>"
        '<div class="wide" tabindex="0" role="region" aria-label="Results"><table><thead><tr>'
        f"{columns}</tr></thead><tbody>{rows}</tbody></table></div>"
        f"<p>{escape(shown.intervals)}</p><h2>By round</h2>"
        f'<div class="grid">{drawn}</div>'
        f"<h2>Arms</h2><ul>{changes}</ul><p>{escape(shown.took)}</p>"
        f"<p>The first run again: <code>{escape(shown.again)}</code></p></body></html>\n"
    )


def _arms(config: AblationConfig) -> list[str]:
    """What each arm changes, and what all have in common."""
    common = [f"all: {config.game} {' '.join(config.common)}".rstrip()]
    own = [f"{arm}: {' '.join(changes) or 'nothing'}" for arm, changes in config.arms.items()]
    return [*common, *own]


def _csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Value]]) -> None:
    """Numbers in full: what is read back is what was written."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([inert(name) for name in head])
        writer.writerows([inert(value) for value in row] for row in rows)
