"""Paired differences with their intervals, and curves with their bands, as SVG and PNG."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from study.stats.expected import mean_curve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from study.metric import Metric
    from study.stats.expected import Curve
    from study.stats.intervals import Mean
    from study.stats.verdicts import Contrast

# Okabe and Ito's palette, which the colour-blind can tell apart
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6f6f6f", "#000000")
VERDICTS = {"helps": "#009E73", "hurts": "#D55E00", "no difference": "#0072B2", "not enough seeds": "#8a8a8a"}
INK = "#222222"
DPI = 120
UNEVEN = 10  # if a training takes longer than another by this factor, the axis of seconds is logarithmic


def forest(
    compared: Mapping[str, Contrast], title: str, axis: str, metric: Metric, says: Mapping[str, str] | None = None
) -> Figure:
    """Draw paired differences with their intervals, from top to bottom, coloured by the verdict.

    Args:
        compared: contrasts by the name to show.
        title: above the picture.
        axis: label of the axis, without its unit.
        metric: of the differences; those of an accuracy are drawn in points.
        says: what to write beside a contrast, by its name; its verdict if unset.

    """
    scale = metric.factor
    others = [(name, each) for name, each in compared.items() if not math.isnan(each.difference)]
    figure = Figure(figsize=(8.2, 1.35 + 0.42 * max(1, len(others))), dpi=DPI, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(0, color=INK, linewidth=1)
    for row, (name, comparison) in enumerate(reversed(others)):
        colour = VERDICTS[comparison.verdict]
        bounds = scale * comparison.interval.low, scale * comparison.interval.high
        if all(map(math.isfinite, bounds)):
            axes.plot(bounds, (row, row), color=colour, linewidth=2.4, solid_capstyle="butt")
        axes.plot(scale * comparison.difference, row, "o", color=colour, markersize=6)
        label = f"{(says or {}).get(name, comparison.verdict)}, n={comparison.n}"
        beside = axes.get_yaxis_transform()
        axes.text(1.01, row, label, transform=beside, va="center", fontsize=9, color=colour)
    smallest = scale * (others[0][1].smallest if others else 0)
    axes.axvspan(-smallest, smallest, color=to_rgba("#0072B2", 0.08), linewidth=0)
    axes.set_yticks(range(len(others)), [name for name, _ in reversed(others)])
    axes.set_ylim(-0.7, len(others) - 0.3)
    axes.set_xlabel(f"{axis} ({metric.axis}), 95 % over the family")
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure


def curves(by_variant: Mapping[str, Sequence[Sequence[float]]], metric: Metric, title: str) -> Figure:
    """Draw each variant's mean curve over the epochs, with the 95 % interval of the mean as a band.

    Args:
        by_variant: for each variant and seed, the metric after every epoch; the lengths may differ.
        metric: of the curves.
        title: above the picture.

    """
    figure = Figure(figsize=(8.2, 4.6), dpi=DPI, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    for index, (name, runs) in enumerate(by_variant.items()):
        length = max((len(run) for run in runs), default=0)
        if not length:
            continue
        matrix = np.array([[*run, *[math.nan] * (length - len(run))] for run in runs], float) * metric.factor
        colour, style = COLOURS[index % len(COLOURS)], "-" if index < len(COLOURS) else "--"
        at = np.arange(1, length + 1)
        known = np.isfinite(matrix).sum(0)  # a training that diverged has no value at this epoch
        mean = np.where(known, np.nansum(matrix, 0) / np.maximum(known, 1), math.nan)
        axes.plot(at, mean, style, color=colour, linewidth=1.8, label=name)
        whole = matrix[~np.isnan(matrix).any(1)]
        if len(whole) > 1:
            band = mean_curve(at, whole)
            axes.fill_between(at, band.low, band.high, color=to_rgba(colour, 0.18), linewidth=0)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(metric.heading.replace("_", " "))
    _dress(axes, title)
    return figure


def profiles(lines: Mapping[str, Curve], title: str, axis: str) -> Figure:
    """Draw performance profiles: the share of pairs that are better by at least so much, with their bands.

    Args:
        lines: profiles by variant.
        title: above the picture.
        axis: label of the horizontal axis.

    """
    figure = Figure(figsize=(8.2, 4.6), dpi=DPI, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    for index, (name, line) in enumerate(lines.items()):
        colour, style = COLOURS[index % len(COLOURS)], "-" if index < len(COLOURS) else "--"
        axes.plot(line.at, line.mean, style, color=colour, linewidth=1.8, label=name)
        axes.fill_between(line.at, line.low, line.high, color=to_rgba(colour, 0.18), linewidth=0)
    axes.axvline(0, color="#888888", linewidth=0.8)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(axis)
    axes.set_ylabel("share of pairs, each data set counting once")
    _dress(axes, title)
    return figure


def cost(points: Mapping[str, tuple[float, Mean]], metric: Metric, title: str) -> Figure:
    """Draw each variant's mean value against its training time.

    Args:
        points: for each variant its mean training time in seconds, and its mean value with its interval.
        metric: of the values.
        title: above the picture.

    """
    figure = Figure(figsize=(8.2, 4.6), dpi=DPI, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    for index, (name, (seconds, mean)) in enumerate(points.items()):
        colour, marker = COLOURS[index % len(COLOURS)], "os^D"[index // len(COLOURS) % 4]
        bounds = metric.factor * mean.interval.low, metric.factor * mean.interval.high
        if all(map(math.isfinite, bounds)):
            axes.plot((seconds, seconds), bounds, color=colour, linewidth=1.8)
        axes.plot(seconds, metric.factor * mean.value, marker, color=colour, markersize=6, label=name)
    times = [seconds for seconds, _ in points.values() if seconds > 0]
    if times and max(times) > UNEVEN * min(times):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    else:
        axes.set_xlim(left=0)
    axes.set_xlabel("seconds of a training, mean over seeds")
    axes.set_ylabel(f"{metric.heading.replace('_', ' ')}, mean with its 95 % interval")
    _dress(axes, title)
    return figure


def _dress(axes: Axes, title: str) -> None:
    """Set the title, the grid and, beside the plot, the legend of its lines."""
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))


def write(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as `NAME.svg` and `NAME.png`."""
    FigureCanvasAgg(figure)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.svg", folder / f"{name}.png"]
    for path in paths:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    return paths


def png(figure: Figure) -> bytes:
    """Render a figure as the content of a PNG file."""
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()
