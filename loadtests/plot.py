"""A line plot as SVG, both axes logarithmic: no library, readable on light and on dark pages."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 80, 170, 40, 55
COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#9467bd")
_STYLE = """
  text { font: 13px sans-serif; fill: #444 } line.grid { stroke: #8888; stroke-width: .5 }
  @media (prefers-color-scheme: dark) { text { fill: #ccc } }
"""


class Series(NamedTuple):
    name: str
    points: Sequence[tuple[float, float]]


def plot(series: Sequence[Series], *, title: str, x: str, y: str) -> str:
    """Every value must be above 0."""
    xs = [point[0] for one in series for point in one.points]
    ys = [point[1] for one in series for point in one.points]
    across, up = _Scale(xs, LEFT, WIDTH - RIGHT), _Scale(ys, HEIGHT - BOTTOM, TOP)
    parts = [f'<text x="{LEFT}" y="22" font-weight="bold">{html.escape(title)}</text>']
    for value in across.decades():
        parts.append(_grid(across.at(value), TOP, across.at(value), HEIGHT - BOTTOM))
        parts.append(
            f'<text x="{across.at(value):.0f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{value:,.0f}</text>'
        )
    for value in up.decades():
        parts.append(_grid(LEFT, up.at(value), WIDTH - RIGHT, up.at(value)))
        parts.append(f'<text x="{LEFT - 8}" y="{up.at(value) + 4:.0f}" text-anchor="end">{value:,.0f}</text>')
    for number, one in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        places = [(across.at(px), up.at(py)) for px, py in one.points]
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in places]
        label_y = TOP + 16 + 20 * number
        parts.append(f'<rect x="{WIDTH - RIGHT + 14}" y="{label_y - 9}" width="12" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 32}" y="{label_y}">{html.escape(one.name)}</text>')
    middle = (LEFT + WIDTH - RIGHT) // 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{html.escape(x)}</text>')
    parts.append(
        f'<text transform="translate(18 {HEIGHT // 2}) rotate(-90)" text-anchor="middle">{html.escape(y)}</text>'
    )
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}">'
        f"<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


def _grid(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


class _Scale:
    """From a value's logarithm to a place, with whole decades at both ends."""

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        self._low, self._high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        self._high = max(self._high, self._low + 1)
        self._first, self._last = first, last

    def decades(self) -> list[float]:
        return [10.0**power for power in range(self._low, self._high + 1)]

    def at(self, value: float) -> float:
        part = (math.log10(value) - self._low) / (self._high - self._low)
        return self._first + part * (self._last - self._first)
