"""Pictures of a trial as PNG: its confusion matrix and its learning curves; light, and plain to the colour-blind.

They are drawn while a search goes on, beside the training: words are set by hand, because matplotlib's ticks, titles
and layouts cost twice as much.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

DPI = 100
BLUE, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#6f6f6f", "#222222"  # of Okabe and Ito's palette
SMALL = 9  # points
MOST_COUNTS = 20  # classes up to which every cell shows its count
MOST_NAMES = 40  # classes up to which every row has its name
LONGEST_NAME = 16  # characters
MOST_PANELS = 4
PANEL = 3.7  # inches
STYLES: dict[str, tuple[str, str, Literal["-", "--"]]] = {
    "train_": ("training", BLUE, "--"),
    "val_": ("validation", ORANGE, "-"),
}


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str] | None, title: str) -> bytes:
    """Draw a confusion matrix: a row a true class, coloured by its share of the row, so that the diagonal is recall.

    Args:
        counts: [true class][predicted class], examples.
        classes: names in the same order; None numbers them from 0.
        title: above the picture.

    Returns:
        A PNG.

    """
    matrix = np.asarray(counts, dtype=float)
    size = len(matrix)
    names = [str(name) for name in (classes if classes is not None else range(size))]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    inches = min(max(3.2, 0.42 * size), 7.5)
    margin = 0.5 + 0.075 * min(max(map(len, names)), LONGEST_NAME)
    below = margin if size <= MOST_COUNTS or size > MOST_NAMES else 0.4
    width, height = inches + margin + 0.25, inches + below + 0.6
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    axes = figure.add_axes((margin / width, below / height, inches / width, inches / height))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    if size <= MOST_COUNTS:
        _write_counts(axes, matrix, shares)
    _name_classes(axes, names)
    figure.text(0.12 / width, (below + inches / 2) / height, "true", rotation=90, va="center", fontsize=SMALL)
    figure.text((margin + inches / 2) / width, 0.1 / height, "predicted", ha="center", fontsize=SMALL)
    right = np.trace(matrix) / max(matrix.sum(), 1)
    _head(figure, title, f"validation, {int(matrix.sum())} examples, accuracy {100 * right:.2f}%")
    return _png(figure)


def curves(epochs: Sequence[Mapping[str, float]], title: str, pruned: str | None) -> bytes:
    """Draw every metric over the epochs; `train_x` and `val_x` share a panel.

    Args:
        epochs: metrics by epoch, the first one first; what is not finite is left out.
        title: above the picture.
        pruned: why the trial was pruned, which is marked; None when it was not.

    Returns:
        A PNG.

    """
    panels = _panels(epochs)
    width, height = PANEL * len(panels), 3.3
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    for index, (name, metrics) in enumerate(panels.items()):
        place = (index * PANEL + 0.65) / width, 0.5 / height, (PANEL - 0.85) / width, (height - 1.3) / height
        axes = figure.add_axes(place)
        for metric in metrics:
            _draw_line(axes, [epoch.get(metric, math.nan) for epoch in epochs], metric)
        _dress(axes, name.replace("_", " "), len(epochs), pruned=pruned is not None)
    number = "1 epoch" if len(epochs) == 1 else f"{len(epochs)} epochs"
    _head(figure, title, f"{number}, pruned: {pruned}" if pruned is not None else number)
    if any(len(metrics) > 1 for metrics in panels.values()):
        lines = [Line2D([], [], color=colour, linestyle=style) for _, colour, style in STYLES.values()]
        labels = [label for label, _, _ in STYLES.values()]
        figure.legend(lines, labels, loc="upper right", ncols=2, frameon=False, fontsize=SMALL, handlelength=2.6)
    return _png(figure)


def _panels(epochs: Sequence[Mapping[str, float]]) -> dict[str, list[str]]:
    """Group the metrics by what they measure, in the order in which they come."""
    panels: dict[str, list[str]] = {}
    for metric in dict.fromkeys(name for epoch in epochs for name in epoch):
        panels.setdefault(metric.removeprefix("train_").removeprefix("val_"), []).append(metric)
    return dict(list(panels.items())[:MOST_PANELS])


def _draw_line(axes: Axes, values: Sequence[float], metric: str) -> None:
    finite = [value if math.isfinite(value) else math.nan for value in values]
    _, colour, style = next((found for prefix, found in STYLES.items() if metric.startswith(prefix)), ("", INK, "-"))
    dots = "o" if len(values) <= 30 else ""
    axes.plot(range(1, len(values) + 1), finite, style, color=colour, linewidth=1.8, marker=dots, markersize=3.5)


def _dress(axes: Axes, name: str, epochs: int, *, pruned: bool) -> None:
    """Set the scales and their few words."""
    axes.set_xlim(0.5, epochs + max(0.5, 0.12 * epochs) if pruned else epochs + 0.5)
    axes.set_xticks(sorted({1, (1 + epochs) // 2, epochs}))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelsize=SMALL, colors=INK, length=3)
    axes.grid(axis="y", color="#e3e3e3", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    words: dict[str, Any] = {"transform": axes.transAxes, "fontsize": SMALL, "color": INK}
    axes.text(0, 1.05, name, weight="bold", **words)
    axes.text(1, -0.14, "epoch", ha="right", va="top", **words)
    if pruned:
        axes.axvline(epochs, color=GREY, linestyle=":", linewidth=1.5)
        axes.text(0.99, 0.02, "pruned", ha="right", va="bottom", rotation=90, **words)


def _write_counts(axes: Axes, matrix: NDArray[np.float64], shares: NDArray[np.float64]) -> None:
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            colour = "white" if shares[row, column] > 0.55 else INK
            axes.text(column, row, f"{int(count)}", ha="center", va="center", fontsize=SMALL - 1, color=colour)


def _name_classes(axes: Axes, names: Sequence[str]) -> None:
    """Name every row and column; many classes their rows alone, very many only each tenth."""
    many = len(names) > MOST_COUNTS
    step = 10 if len(names) > MOST_NAMES else 1
    turn = 0 if max(map(len, names)) <= 3 else 90
    words: dict[str, Any] = {"fontsize": SMALL - 2 if many else SMALL, "color": INK}
    for index in range(0, len(names), step):
        name = names[index]
        short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        axes.text(-0.5 - 0.008 * len(names), index, f"{short} ", ha="right", va="center", **words)
        if not many or step > 1:
            axes.text(
                index, len(names) - 0.48 + 0.012 * len(names), short, ha="center", va="top", rotation=turn, **words
            )


def _head(figure: Figure, title: str, below: str) -> None:
    """Write two lines into the upper left corner."""
    width, height = figure.get_size_inches()
    figure.text(0.12 / width, 1 - 0.1 / height, title, fontsize=SMALL + 1, color=INK, weight="bold", va="top")
    figure.text(0.12 / width, 1 - 0.32 / height, below, fontsize=SMALL, color=INK, va="top")


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()
