"""The picture of several searches: best so far and expected best, against trials and against seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from study.plots.figures import COLOURS, DPI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from study.metric import Metric
    from study.stats.expected import Curve


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """The curves of one search.

    Args:
        name: of the study.
        by_trials: the expected best by number of trials.
        by_seconds: the expected best by seconds of training.
        so_far: shape (ended trials,), the best value after each ended trial, in the metric's unit.
        spent: shape (ended trials,), seconds of training until then.

    """

    name: str
    by_trials: Curve
    by_seconds: Curve
    so_far: NDArray[np.float64]
    spent: NDArray[np.float64]


def budgets(courses: Sequence[Course], metric: Metric, title: str, window: tuple[float, float] | None = None) -> Figure:
    """Draw, for each search, a thin line for the best so far, a thick line for the expected best, and a band.

    The band contains the best value of nine in ten searches of that size, drawn from the same trials.

    Args:
        courses: of searches with the same objective.
        metric: the objective.
        title: above the picture.
        window: lowest and highest value shown, in the metric's unit; all values if unset.

    """
    figure = Figure(figsize=(10.4, 4.4), dpi=DPI, facecolor="white", layout="constrained")
    by_trials, by_seconds = figure.subplots(1, 2, sharey=True)
    for index, course in enumerate(courses):
        colour = COLOURS[index % len(COLOURS)]
        _line(by_trials, course.by_trials, colour, course.name)
        done = np.arange(1, len(course.so_far) + 1)
        by_trials.step(done, course.so_far, where="post", color=to_rgba(colour, 0.8), linewidth=0.9)
        _line(by_seconds, course.by_seconds, colour, course.name)
        by_seconds.step(course.spent, course.so_far, where="post", color=to_rgba(colour, 0.8), linewidth=0.9)
    for axes, budget in ((by_trials, "trials"), (by_seconds, "seconds of training")):
        axes.set_xlabel(budget)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e4e4e4", linewidth=0.6)
        axes.set_axisbelow(True)
    by_trials.xaxis.set_major_locator(MaxNLocator(integer=True))
    by_trials.yaxis.set_major_formatter(lambda value, _: f"{metric.factor * value:.6g}")
    by_trials.set_ylabel(f"best {metric.heading.replace('_', ' ')}")
    by_trials.set_title(title, loc="left", fontsize=11)
    by_seconds.legend(frameon=False, fontsize=9, loc="lower right" if metric.sign > 0 else "upper right")
    if window is not None:
        by_trials.set_ylim(*window)
    return figure


def _line(axes: Axes, curve: Curve, colour: str, name: str) -> None:
    axes.plot(curve.at, curve.mean, color=colour, linewidth=2, label=name)
    axes.fill_between(curve.at, curve.low, curve.high, color=to_rgba(colour, 0.16), linewidth=0)
