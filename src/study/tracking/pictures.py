"""Pictures of a trial as PNG: its confusion matrix and its learning curves, in colours that the colour-blind can tell.

They are drawn during a search, beside the trainings, so they must be cheap: matplotlib draws the curves, and Pillow
the rest, because matplotlib's axes and text take many times longer. A palette makes a PNG small, and fast to compress.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import IdentityTransform
from PIL import Image, ImageChops, ImageDraw, ImageFont

from study.metric import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

DPI = 100
COLOURS = 128  # of a picture
BLUE, ORANGE, GREY, INK, PALE = "#0072B2", "#D55E00", "#6f6f6f", "#222222", "#e3e3e3"  # two of Okabe and Ito's palette
SMALL = 9  # points
MOST_COUNTS = 20  # largest number of classes with a count in every cell
MOST_NAMES = 40  # largest number of classes with a name at every row
LONGEST_NAME = 16  # characters
TOP = 60  # pixels above a confusion matrix
MOST_PANELS = 4
PANEL, HEIGHT = 370, 330  # pixels of a panel of curves
LEFT, RIGHT, ABOVE, BELOW = 65, 20, 80, 50  # pixels around its lines
STYLES: dict[str, tuple[str, str, Literal["-", "--"]]] = {
    "train_": ("training", BLUE, "--"),
    "val_": ("validation", ORANGE, "-"),
}


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str] | None, title: str) -> bytes:
    """Draw a confusion matrix with a row for each true class; colours are shares of a row, so the diagonal is recall.

    Args:
        counts: number of examples by [true class][predicted class].
        classes: names in the same order; None numbers them from 0.
        title: above the picture.

    Returns:
        A PNG.

    """
    matrix = np.asarray(counts, dtype=float)
    size = len(matrix)
    names = [str(name) for name in (classes if classes is not None else range(size))]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = min(max(320, 42 * size), 750)
    margin = 50 + round(7.5 * min(max(map(len, names)), LONGEST_NAME))
    below = margin if size <= MOST_COUNTS or size > MOST_NAMES else 40
    image = Image.new("RGB", (margin + side + 25, TOP + side + below), "white")
    cells = Image.fromarray(mpl.colormaps["Blues"](shares, bytes=True)[..., :3])
    image.paste(cells.resize((side, side), Image.Resampling.NEAREST), (margin, TOP))
    ImageDraw.Draw(image).rectangle((margin, TOP, margin + side, TOP + side), outline="black")
    if size <= MOST_COUNTS:
        _write_counts(image, matrix, shares, margin, side / size)
    _name_classes(image, names, margin, side / size)
    _write(image, (18, TOP + side / 2), "true", "mm", turned=True)
    _write(image, (margin + side / 2, image.height - 10), "predicted", "md")
    right = np.trace(matrix) / max(matrix.sum(), 1)
    _head(image, title, f"validation, {int(matrix.sum())} examples, accuracy {100 * right:.2f}%")
    return _png(image)


def curves(epochs: Sequence[Mapping[str, float]], title: str, pruned: str | None) -> bytes:
    """Draw every metric over the epochs; `train_x` and `val_x` share a panel.

    Args:
        epochs: metrics of each epoch, in order; NaN and infinite values are left out.
        title: above the picture.
        pruned: why the trial was pruned, which the picture marks; None if it was not.

    Returns:
        A PNG.

    """
    groups = _groups(epochs)
    panels = [_panel(epochs, name, metrics, index, pruned) for index, (name, metrics) in enumerate(groups.items())]
    figure = Figure(figsize=(PANEL * len(panels) / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
    for panel, metrics in zip(panels, groups.values(), strict=True):
        for metric in metrics:
            _draw_metric(figure, panel, [epoch.get(metric, math.nan) for epoch in epochs], metric)
    keys = list(STYLES.values()) if any(len(metrics) > 1 for metrics in groups.values()) else []
    positions = [(PANEL * len(panels) - 127 - 118 * number, key) for number, key in enumerate(reversed(keys))]
    for left, (_, colour, style) in positions:
        _draw(figure, [left, left + 34], [HEIGHT - 18] * 2, color=colour, linestyle=style, linewidth=1.8)
    image = _drawn(figure)
    for left, (label, _, _) in positions:
        _write(image, (left + 42, 18), label, "lm")
    for panel in panels:
        _draw_scales(image, panel, pruned=pruned is not None)
        _write_scales(image, panel, pruned=pruned is not None)
    number = "1 epoch" if len(epochs) == 1 else f"{len(epochs)} epochs"
    _head(image, title, f"{number}, pruned: {pruned}" if pruned is not None else number)
    return _png(image)


@dataclass(frozen=True, slots=True)
class _Panel:
    """One panel: epochs from 0.5 to `last`, a metric's values from `low` to `high`."""

    name: str
    left: int
    epochs: int
    last: float
    low: float
    high: float

    def x(self, epoch: float) -> float:
        """Pixels from the left."""
        return self.left + LEFT + (PANEL - LEFT - RIGHT) * (epoch - 0.5) / (self.last - 0.5)

    def y(self, value: float) -> float:
        """Pixels from below."""
        return BELOW + (HEIGHT - ABOVE - BELOW) * (value - self.low) / (self.high - self.low)

    def epoch_ticks(self) -> list[int]:
        """Choose the first epoch, one in the middle, and the last."""
        return sorted({1, (1 + self.epochs) // 2, self.epochs})

    def value_ticks(self) -> list[float]:
        """Choose round values."""
        return [
            float(each) for each in MaxNLocator(4).tick_values(self.low, self.high) if self.low <= each <= self.high
        ]


def _groups(epochs: Sequence[Mapping[str, float]]) -> dict[str, list[str]]:
    """Group the metrics by their name without `train_` or `val_`, in the order of the epochs; one alone keeps it."""
    groups: dict[str, list[str]] = {}
    for metric in dict.fromkeys(name for epoch in epochs for name in epoch):
        groups.setdefault(Metric(metric).measure, []).append(metric)
    named = {metrics[0] if len(metrics) == 1 else name: metrics for name, metrics in groups.items()}
    return dict(list(named.items())[:MOST_PANELS])


def _panel(
    epochs: Sequence[Mapping[str, float]], name: str, metrics: Sequence[str], index: int, pruned: str | None
) -> _Panel:
    values = [epoch.get(metric, math.nan) for epoch in epochs for metric in metrics]
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    margin = 0.05 * ((high - low) or abs(high) or 1.0)
    after = 0.5 if pruned is None else max(0.5, 0.12 * len(epochs))
    return _Panel(name.replace("_", " "), index * PANEL, len(epochs), len(epochs) + after, low - margin, high + margin)


def _draw_scales(image: Image.Image, panel: _Panel, *, pruned: bool) -> None:
    """Draw the axes, their ticks and a line at each value's tick, beneath the curves."""
    draw = ImageDraw.Draw(image)
    left, right, lower, upper = panel.x(0.5), panel.x(panel.last), HEIGHT - panel.y(panel.low), ABOVE
    heights = [round(HEIGHT - panel.y(value)) for value in panel.value_ticks()]
    beneath = Image.new("RGB", (round(right) - round(left), 1), PALE)
    for height in heights:
        image.paste(ImageChops.darker(beneath, image.crop(box := (round(left), height, round(right), height + 1))), box)
        draw.line((left - 4, height, left, height), INK)
    for epoch in panel.epoch_ticks():
        draw.line((panel.x(epoch), lower, panel.x(epoch), lower + 4), INK)
    draw.line((left, upper, left, lower, right, lower), "black")
    if pruned:
        for height in range(ABOVE, round(lower), 4):
            draw.line((panel.x(panel.epochs), height, panel.x(panel.epochs), height + 1), GREY, width=2)


def _draw_metric(figure: Figure, panel: _Panel, values: Sequence[float], metric: str) -> None:
    heights = [panel.y(value) if math.isfinite(value) else math.nan for value in values]
    _, colour, style = next((found for prefix, found in STYLES.items() if metric.startswith(prefix)), ("", INK, "-"))
    dots = "o" if len(values) <= 30 else ""
    positions = [panel.x(epoch) for epoch in range(1, len(values) + 1)]
    _draw(figure, positions, heights, color=colour, linestyle=style, linewidth=1.8, marker=dots, markersize=3.5)


def _draw(figure: Figure, x: Sequence[float], y: Sequence[float], **style: Any) -> None:
    """Draw a line through points, in pixels from the lower left."""
    figure.add_artist(Line2D(x, y, transform=IdentityTransform(), **style))


def _drawn(figure: Figure) -> Image.Image:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.frombuffer("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba())).convert("RGB")


def _write_scales(image: Image.Image, panel: _Panel, *, pruned: bool) -> None:
    """Write the panel's title, its ticks and the name of its axis."""
    ticks = panel.value_ticks()
    digits = next(
        (n for n in range(6) if all(math.isclose(round(each, n), each, abs_tol=1e-9) for each in ticks)), None
    )
    for value in ticks:
        text = f"{value:.{digits}f}" if digits is not None and abs(value) < 1e6 else f"{value:.3g}"
        _write(image, (panel.x(0.5) - 7, HEIGHT - panel.y(value)), text, "rm")
    lower = HEIGHT - BELOW
    for epoch in panel.epoch_ticks():
        _write(image, (panel.x(epoch), lower + 7), str(epoch), "mt")
    _write(image, (panel.x(0.5), ABOVE - 10), panel.name, "ls", bold=True)
    _write(image, (panel.x(panel.last), lower + 28), "epoch", "rt")
    if pruned:
        _write(image, (panel.x(panel.last) - 8, lower - 30), "pruned", "mm", turned=True)


def _write_counts(
    image: Image.Image, matrix: NDArray[np.float64], shares: NDArray[np.float64], margin: int, cell: float
) -> None:
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            position = margin + (column + 0.5) * cell, TOP + (row + 0.5) * cell
            colour = "white" if shares[row, column] > 0.55 else INK
            _write(image, position, f"{int(count)}", "mm", points=SMALL - 1, colour=colour)


def _name_classes(image: Image.Image, names: Sequence[str], margin: int, cell: float) -> None:
    """Name every row and column; with many classes only the rows, with very many only each tenth."""
    many = len(names) > MOST_COUNTS
    step = 10 if len(names) > MOST_NAMES else 1
    points = SMALL - 2 if many else SMALL
    turned = max(map(len, names)) > 3
    lower = TOP + cell * len(names) + 6
    for index in range(0, len(names), step):
        name = names[index]
        short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        middle = (index + 0.5) * cell
        _write(image, (margin - 8, TOP + middle), short, "rm", points=points)
        if not many or step > 1:
            _write(image, (margin + middle, lower), short, "mt", points=points, turned=turned)


def _head(image: Image.Image, title: str, below: str) -> None:
    """Write two lines into the upper left corner."""
    _write(image, (12, 10), title, "la", points=SMALL + 1, bold=True)
    _write(image, (12, 32), below, "la")


def _write(
    image: Image.Image,
    position: tuple[float, float],
    text: str,
    anchor: str,
    *,
    points: int = SMALL,
    colour: str = INK,
    bold: bool = False,
    turned: bool = False,
) -> None:
    """Write text, horizontally or turned left, at a position in pixels from the upper left, with Pillow's anchors."""
    if not (text := " ".join(text.split())):
        return
    if turned:
        ink, _, _ = _ink(text, "ls", points, bold=bold)
        ink = ink.transpose(Image.Transpose.ROTATE_90)
        left, top = -ink.width / 2, -ink.height / 2 if anchor == "mm" else 0
    else:
        ink, left, top = _ink(text, anchor, points, bold=bold)
    image.paste(colour, (round(position[0] + left), round(position[1] + top)), ink)


@lru_cache(4096)
def _ink(text: str, anchor: str, points: int, *, bold: bool) -> tuple[Image.Image, float, float]:
    """Draw text in grey, and give where its left and its top lie, seen from the anchor; counts come again and again."""
    font = _font(points, bold=bold)
    left, top, right, bottom = font.getbbox(text, anchor=anchor)
    ink = Image.new("L", (math.ceil(right - left), math.ceil(bottom - top)))
    ImageDraw.Draw(ink).text((-left, -top), text, fill=255, font=font, anchor=anchor)
    return ink, left, top


@lru_cache
def _font(points: int, *, bold: bool) -> ImageFont.FreeTypeFont:
    """Load matplotlib's own font, so that none needs to be installed."""
    file = Path(mpl.get_data_path()) / "fonts" / "ttf" / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    return ImageFont.truetype(file, points * DPI / 72, layout_engine=ImageFont.Layout.BASIC)


def _png(image: Image.Image) -> bytes:
    few = image.quantize(COLOURS, Image.Quantize.FASTOCTREE)
    palette, corner = few.getpalette() or [], 3 * few.tobytes()[0]
    few.putpalette([*palette[:corner], 255, 255, 255, *palette[corner + 3 :]])  # it was mixed with pale colours
    file = io.BytesIO()
    few.save(file, "PNG", compress_level=1)
    return file.getvalue()
