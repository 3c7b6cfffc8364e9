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
TICKS = 4
STYLE = (
    "svg{color:#222;background:#fff;font:12px system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){svg{color:#ddd;background:#161616}}"
    "text{fill:currentColor}.axis{stroke:currentColor;stroke-opacity:.3}"
)


def draw(panels: Mapping[str, Sequence[Band]], title: str) -> str:
    """One panel for each metric, two beside each other, and a legend; an SVG document.

    Args:
        panels: bands of the arms by metric.
        title: for those who cannot see it.
    """
    arms = list(dict.fromkeys(band.arm for found in panels.values() for band in found))
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
        f'aria-label="{escape(title)}"><style>{STYLE}</style>'
        + "".join(drawn)
        + f'<g transform="translate(0,{top})">{_legend(arms, width / 3)}</g></svg>\n'
    )


@dataclass(frozen=True)
class _Axes:
    """From rounds and values to places in a panel."""

    last: int
    low: float
    high: float

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
    axes = _Axes(last, *_limits(min(ends, default=0.0), max(ends, default=1.0)))
    curves = "".join(_curve(band, axes, arms.index(band.arm)) for band in found)
    return (
        f'<text x="{LEFT}" y="16" font-weight="600">{escape(metric)}</text>{_grid(axes)}'
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 2}" text-anchor="middle">round</text>{curves}'
    )


def _grid(axes: _Axes) -> str:
    shown = []
    for k in range(TICKS + 1):
        value, t = axes.low + k * (axes.high - axes.low) / TICKS, k * axes.last / TICKS
        shown.append(
            f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{axes.y(value):.1f}" '
            f'y2="{axes.y(value):.1f}"/><text x="{LEFT - 6}" y="{axes.y(value) + 4:.1f}" '
            f'text-anchor="end">{value:.3g}</text>'
            f'<text x="{axes.x(t):.1f}" y="{HEIGHT - 16}" text-anchor="middle">{t:.3g}</text>'
        )
    return "".join(shown)


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


def _limits(low: float, high: float) -> tuple[float, float]:
    """Round ends a little outside both."""
    span = high - low or 1.0
    step = 10.0 ** math.floor(math.log10(span))
    return math.floor(low / step) * step, math.ceil(high / step) * step
