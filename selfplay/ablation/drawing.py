"""Curves with bands as SVG: no library, no script, readable in the dark, equal for equal curves.

Arms are told apart by colour and by dashes; the colours are Okabe and Ito's (2008), which people
with the common kinds of colour blindness can tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from selfplay.ablation.curves import Band

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
DASHES = ("", "6 3", "2 3", "8 3 2 3")
WIDTH, HEIGHT, SPACE = 400, 240, 24
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 28, 34
LEGEND_LINE = 20
TICKS = 5
"""Steps of an axis, at most."""
STYLE = (
    "svg{color:#222;background:#fff;font:12px system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){svg{color:#ddd;background:#161616}}"
    "text{fill:currentColor}.axis{stroke:currentColor;stroke-opacity:.3}"
)


def arms_of(panels: Mapping[str, Sequence[Band]]) -> list[str]:
    """The arms, in the order that gives them their looks."""
    return list(dict.fromkeys(band.arm for found in panels.values() for band in found))


def draw(
    panels: Mapping[str, Sequence[Band]], title: str, arms: Sequence[str] | None = None
) -> str:
    """One panel for each metric, two beside each other, and a legend; an SVG document.

    Args:
        panels: bands of the arms by metric.
        title: for those who cannot see it; where the curves end is added.
        arms: those of the legend, which gives them their looks; None for those of the panels.
    """
    arms = arms_of(panels) if arms is None else arms
    columns = min(2, max(len(panels), 1))
    rows = math.ceil(len(panels) / columns)
    width = columns * WIDTH + (columns - 1) * SPACE
    top = rows * (HEIGHT + SPACE)
    height = top + LEGEND_LINE * math.ceil(len(arms) / 3)
    drawn = []
    for i, (metric, found) in enumerate(panels.items()):
        x, y = (i % columns) * (WIDTH + SPACE), i // columns * (HEIGHT + SPACE)
        drawn.append(f'<g transform="translate({x},{y})">{_panel(metric, found, arms)}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(f"{title}. {_spoken(panels)}")}"><style>{STYLE}</style>'
        + "".join(drawn)
        + f'<g transform="translate(0,{top})">{_legend(arms, width / 3)}</g></svg>\n'
    )


def _spoken(panels: Mapping[str, Sequence[Band]]) -> str:
    """Where the curves end, in words."""
    return " ".join(
        f"{metric}: "
        + "; ".join(
            f"{band.arm} {band.means[-1]:.3f} in round {band.rounds[-1]}"
            for band in found
            if band.rounds
        )
        + "."
        for metric, found in panels.items()
    )


@dataclass(frozen=True)
class _Axes:
    """From rounds and values to places in a panel."""

    last: int
    values: Sequence[float]
    """The ticks, ascending."""

    @property
    def low(self) -> float:
        return self.values[0]

    @property
    def high(self) -> float:
        return self.values[-1]

    def x(self, t: float) -> float:
        return LEFT + t / self.last * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)

    def at(self, t: float, value: float) -> str:
        return f"{self.x(t):.1f},{self.y(value):.1f}"


def _panel(metric: str, found: Sequence[Band], arms: Sequence[str]) -> str:
    last = max((t for band in found for t in band.rounds), default=1) or 1
    ends = [
        mean + sign * _half(half)
        for band in found
        for mean, half in zip(band.means, band.halves, strict=True)
        for sign in (-1, 1)
    ]
    axes = _Axes(last, _ticks(min(ends, default=0.0), max(ends, default=1.0)))
    curves = "".join(_curve(band, axes, arms.index(band.arm)) for band in found)
    return (
        f'<text x="{LEFT}" y="16" font-weight="600">{escape(metric)}</text>{_grid(axes)}'
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{HEIGHT - 2}" '
        f'text-anchor="middle">round</text>{curves}'
    )


def _grid(axes: _Axes) -> str:
    lines = [
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{axes.y(value):.1f}" '
        f'y2="{axes.y(value):.1f}"/><text x="{LEFT - 6}" y="{axes.y(value) + 4:.1f}" '
        f'text-anchor="end">{_tick(value)}</text>'
        for value in axes.values
    ]
    rounds = [
        f'<text x="{axes.x(t):.1f}" y="{HEIGHT - 16}" text-anchor="middle">{_tick(t)}</text>'
        for t in _ticks(0, axes.last, least=1.0)
        if t <= axes.last
    ]
    return "".join([*lines, *rounds])


def _tick(value: float) -> str:
    return f"{value:,.6g}".replace("-", "\u2212")


def _curve(band: Band, axes: _Axes, i: int) -> str:
    """The band, the line and, so that an arm of a single round is seen too, its last point."""
    points = list(zip(band.rounds, band.means, band.halves, strict=True))
    if not points:
        return ""
    over = [axes.at(t, mean + _half(half)) for t, mean, half in points]
    under = [axes.at(t, mean - _half(half)) for t, mean, half in reversed(points)]
    line = " ".join(axes.at(t, mean) for t, mean, _ in points)
    colour, dash = _look(i)
    end, value, half = points[-1]
    bar = f"M{axes.at(end, value - _half(half))}L{axes.at(end, value + _half(half))}"
    return (
        f'<polygon points="{" ".join([*over, *under])}" fill="{colour}" fill-opacity=".15"/>'
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"{dash}>'
        f'<title>{escape(band.arm)}</title></polyline><path d="{bar}" stroke="{colour}"/>'
        f'<circle cx="{axes.x(end):.1f}" cy="{axes.y(value):.1f}" r="3" fill="{colour}"/>'
    )


def _legend(arms: Sequence[str], width: float) -> str:
    shown = []
    for i, arm in enumerate(arms):
        colour, dash = _look(i)
        x, y = (i % 3) * width, (i // 3) * LEGEND_LINE + 10
        shown.append(
            f'<line x1="{x:.0f}" x2="{x + 26:.0f}" y1="{y}" y2="{y}" stroke="{colour}" '
            f'stroke-width="2"{dash}/><text x="{x + 32:.0f}" y="{y + 4}">{escape(arm)}</text>'
        )
    return "".join(shown)


def _look(i: int) -> tuple[str, str]:
    dash = DASHES[i // len(COLOURS) % len(DASHES)]
    return COLOURS[i % len(COLOURS)], f' stroke-dasharray="{dash}"' if dash else ""


def _half(half: float) -> float:
    return 0.0 if math.isnan(half) else half


def _ticks(low: float, high: float, least: float = 0.0) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, the outer ones not inside of `low` and `high`.

    Args:
        low: the least value.
        high: the greatest one.
        least: the smallest step that makes sense.
    """
    raw = max((high - low) / TICKS, least) or 0.2
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(k * size for k in (1, 2, 5, 10) if k * size >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, max(last, first + 1) + 1)]
