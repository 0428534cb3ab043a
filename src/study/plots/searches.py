"""The picture of searches side by side: best so far and expected best, against trials and against seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from study.insight.searches import POINTS
from study.plots.figures import COLOURS, DPI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from study.insight.searches import Search
    from study.stats.expected import Curve


def budgets(searches: Sequence[Search], title: str) -> Figure:
    """Draw, for each search, a thin line for the best so far as it ran, a thick one for the expected best, and a band.

    The band holds the best of nine in ten searches of that size made of the same trials.

    Args:
        searches: with the same objective.
        title: above the picture.

    """
    figure = Figure(figsize=(10.4, 4.4), dpi=DPI, facecolor="white", layout="constrained")
    by_trials, by_seconds = figure.subplots(1, 2, sharey=True)
    for index, search in enumerate(searches):
        colour = COLOURS[index % len(COLOURS)]
        _line(by_trials, search.by_trials(), colour, search.name)
        done = np.arange(1, len(search.ended) + 1)
        by_trials.step(done, search.so_far(), where="post", color=to_rgba(colour, 0.8), linewidth=0.9)
        spent = search.seconds.cumsum()
        _line(by_seconds, search.by_seconds(np.linspace(0, spent[-1], POINTS)), colour, search.name)
        by_seconds.step(spent, search.so_far(), where="post", color=to_rgba(colour, 0.8), linewidth=0.9)
    for axes, budget in ((by_trials, "trials"), (by_seconds, "seconds of training")):
        axes.set_xlabel(budget)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e4e4e4", linewidth=0.6)
        axes.set_axisbelow(True)
    by_trials.xaxis.set_major_locator(MaxNLocator(integer=True))
    metric = searches[0].metric
    by_trials.yaxis.set_major_formatter(lambda value, _: f"{metric.factor * value:.6g}")
    by_trials.set_ylabel(f"best {metric.heading.replace('_', ' ')}")
    by_trials.set_title(title, loc="left", fontsize=11)
    by_seconds.legend(frameon=False, fontsize=9, loc="lower right" if searches[0].metric.sign > 0 else "upper right")
    _look_at_the_best(by_trials, searches)
    return figure


def _line(axes: Axes, curve: Curve, colour: str, name: str) -> None:
    axes.plot(curve.at, curve.mean, color=colour, linewidth=2, label=name)
    axes.fill_between(curve.at, curve.low, curve.high, color=to_rgba(colour, 0.16), linewidth=0)


def _look_at_the_best(axes: Axes, searches: Sequence[Search]) -> None:
    """Leave the worst of the first trials outside, so that what matters can be told apart."""
    best = [each.best.value for each in searches if each.best and each.best.value is not None]
    typical = [float(np.median(each.values)) for each in searches]
    if not best:
        return
    near, far = (max(best), min(typical)) if searches[0].metric.sign > 0 else (min(best), max(typical))
    if near != far:
        axes.set_ylim(*sorted((far - 0.1 * (near - far), near + 0.1 * (near - far))))
