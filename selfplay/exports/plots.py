"""Small charts as SVG text: bars and lines, readable in light and dark, with no library.

Left out: logarithmic axes, more series than `COLOURS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, MARGIN = 640, 240, 44
COLOURS = ("#3b7dd8", "#d9822b", "#2a9d68", "#b5489a")


def bars(title: str, labels: Sequence[str], values: Sequence[float]) -> str:
    """One bar for each label, from 0 up."""
    top = max([*values, 1e-9])
    step = (WIDTH - 2 * MARGIN) / max(1, len(values))
    parts = []
    for i, (label, value) in enumerate(zip(labels, values, strict=True)):
        x, height = MARGIN + i * step, (HEIGHT - 2 * MARGIN) * value / top
        y = HEIGHT - MARGIN - height
        parts.append(
            f'<rect x="{x + 2:.1f}" y="{y:.1f}" width="{max(1.0, step - 4):.1f}" '
            f'height="{height:.1f}" fill="{COLOURS[0]}"><title>{escape(label)}: {value:,.10g}'
            "</title></rect>"
        )
        parts.append(_text(x + step / 2, HEIGHT - MARGIN + 16, label))
        parts.append(_text(x + step / 2, y - 4, f"{value:,.10g}"))
    return _chart(title, parts)


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """One line for each series of points (x, y)."""
    points = [point for found in series.values() for point in found]
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    low_y, high_y = min(0.0, *(y for _, y in points)), max(1e-9, *(y for _, y in points))
    wide, tall = (WIDTH - 2 * MARGIN) / max(high_x - low_x, 1e-9), HEIGHT - 2 * MARGIN

    def place(x: float, y: float) -> str:
        up = tall * (y - low_y) / (high_y - low_y)
        return f"{MARGIN + (x - low_x) * wide:.1f},{HEIGHT - MARGIN - up:.1f}"

    parts = [
        _text(MARGIN, HEIGHT - MARGIN + 16, f"{low_x:g}"),
        _text(WIDTH - MARGIN, HEIGHT - MARGIN + 16, f"{high_x:g}"),
        _text(MARGIN / 2, MARGIN, f"{high_y:.2g}"),
        _text(MARGIN / 2, HEIGHT - MARGIN, f"{low_y:.2g}"),
    ]
    for i, (name, found) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(place(x, y) for x, y in found)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(WIDTH - MARGIN - 60, MARGIN + 14 * i, name, colour))
    return _chart(title, parts)


def _text(x: float, y: float, text: str, colour: str = "#808890") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="11" '
        f'font-family="sans-serif" text-anchor="middle">{escape(text)}</text>'
    )


def _chart(title: str, parts: Sequence[str]) -> str:
    axis = (
        f'<line x1="{MARGIN}" y1="{HEIGHT - MARGIN}" x2="{WIDTH - MARGIN}" '
        f'y2="{HEIGHT - MARGIN}" stroke="#808890"/>'
    )
    heading = _text(WIDTH / 2, 18, title)
    body = "\n".join([axis, heading, *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">\n{body}\n</svg>\n'
    )
