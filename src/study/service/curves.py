"""Draws learning curves as SVG from plain values, without script and style, which the pages' policy forbids."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from study.formatting import number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH, HEIGHT = 720, 260  # units of the picture
LEFT, RIGHT, TOP, BOTTOM = 112, 8, 12, 28
MOST = 200  # curves


def draw(
    curves: Sequence[tuple[str, Sequence[float]]],
    label: str,
    best: str = "",
    *,
    tell_apart: bool = False,
    written: Callable[[float], str] = number,
) -> Markup:
    """Draw a line for each curve over its epochs, from 1.

    Args:
        curves: name and value of each epoch; the last ones are drawn if there are many.
        label: of the values.
        best: name of the curve that stands out.
        tell_apart: each of at most eight curves looks otherwise.
        written: writes a value, with its unit.

    """
    kinds = [f"curve apart c{place}" if tell_apart else "curve" for place in range(len(curves))]
    lines = [
        (name, [value for value in values if math.isfinite(value)], "curve best" if best and name == best else kind)
        for (name, values), kind in zip(curves[-MOST:], kinds[-MOST:], strict=True)
    ]
    lines = [line for line in lines if line[1]]
    if not lines:
        return Markup("")
    low, high = min(min(values) for _, values, _ in lines), max(max(values) for _, values, _ in lines)
    if low == high:
        margin = 0.05 * (abs(high) or 1.0)
        low, high = low - margin, high + margin
    length = max(2, *(len(values) for _, values, _ in lines), 2)
    drawn = "".join(
        _line(name, values, low, high, length, kind=kind)
        for name, values, kind in sorted(lines, key=lambda each: each[0] == best)
    )
    rows = "".join(_row(_place(value, low, high), written(value)) for value in (low, (low + high) / 2, high))
    said = f"{len(lines)} curves of {label}, from {written(low)} to {written(high)} over {length} epochs"
    return Markup(  # noqa: S704 - escaped, or numbers
        f'<svg class="curves" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said)}">'
        f'{rows}<text x="{LEFT}" y="{HEIGHT - 6}">epoch 1</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{length}</text>{drawn}</svg>'
    )


def _place(value: float, low: float, high: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)


def _row(y: float, text: str) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 6}" y="{y:.1f}" dominant-baseline="central" text-anchor="end">{escape(text)}</text>'
    )


def _line(name: str, values: Sequence[float], low: float, high: float, length: int, *, kind: str) -> str:
    step = (WIDTH - LEFT - RIGHT) / (length - 1)
    points = [f"{LEFT + step * place:.1f},{_place(value, low, high):.1f}" for place, value in enumerate(values)]
    if len(points) == 1:
        x, y = points[0].split(",")
        return f'<circle class="{kind}" cx="{x}" cy="{y}" r="2.5"><title>{escape(name)}</title></circle>'
    return f'<polyline class="{kind}" points="{" ".join(points)}"><title>{escape(name)}</title></polyline>'
