"""What seeds explain of a gap between two learning curves, judged from a study's own curves alone.

The trials of a search share one seed, so how far a seed moves a result cannot be seen in them directly. What can be
seen is how a curve wobbles from epoch to epoch: the second difference of three neighbours takes out level and slope,
and of independent errors keeps sqrt(6) standard deviations (the difference-based estimator of Gasser, Sroka and
Jennen-Steinmetz 1986, "Residual variance and residual pattern in nonlinear regression", Biometrika 73). The mean over
the better half of the trials stands for all of them, so that trials that sit still at the level of guessing do not
decide (a median would be 0 where an accuracy moves in coarse steps). A seed also moves a whole curve: the standard
deviation between seeds, over six of them, was 1.5 times the wobble for the median of 18 MLPs on digits and 1.8 times
for that of 11 on MNIST (0.8 and 0.7 times at the tenth percentile, 2.8 and 2.6 times at the ninetieth); twice the
wobble is taken.

Limits: a bend of the curve, as in the first epochs, counts as wobble, so that the noise is overrated there, never
underrated; a recipe that scatters far more from seed to seed than the others is judged by theirs. Repeated trainings of
`compare` and `confirm`, which would tell the noise itself, are not read: they may be run while a search is stopped, and
the search would then no longer go on as if it had not been.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from study.metric import sign_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from study.metric import Direction

SEEDS_OVER_WOBBLE = 2.0  # standard deviation between seeds, in those of the wobble
NORMAL_MEAN = math.sqrt(2 / math.pi)  # mean of the absolute value of a standard normal


def wobble(curves: ArrayLike, direction: Direction = "maximize") -> NDArray[np.float64]:
    """Standard deviation from epoch to epoch, once level and slope are taken out.

    Args:
        curves: shape (trials, epochs), the objective after each epoch; NaN where a trial has none.
        direction: whether more or less is better.

    Returns:
        Shape (epochs,): for each epoch the mean over the better half of the trials. The first and the last epoch
        have no two neighbours and take those beside them. Infinite where no trial tells it.

    >>> wobble([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.5, 0.6]]).round(3)
    array([0.102, 0.102, 0.102, 0.102])

    """
    values = np.asarray(curves, dtype=np.float64)
    epochs = values.shape[1]
    if epochs < 3:
        return np.full(epochs, math.inf)
    values = sign_of(direction) * values
    bend = np.abs(values[:, :-2] - 2 * values[:, 1:-1] + values[:, 2:]) / math.sqrt(6)
    inner = [_of_better_half(bend[:, at], values[:, at + 1]) for at in range(epochs - 2)]
    return np.array([inner[0], *inner, inner[-1]]) / NORMAL_MEAN


def _of_better_half(bend: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    there = np.isfinite(bend)
    if not there.any():
        return math.inf
    bend, values = bend[there], values[there]
    return float(np.mean(bend[values >= np.median(values)]))


def is_hopeless(
    curve: ArrayLike,
    others: ArrayLike,
    complete: ArrayLike,
    *,
    direction: Direction = "maximize",
    errors: float = 3.0,
    startup: int = 5,
) -> bool:
    """Tell whether a trial lies behind the best at its epoch by more than seeds, and catching up, explain.

    What seeds explain is `errors` standard deviations of a difference of two trainings. What catching up explains is
    the largest gap to the best that a complete trial has made good from this epoch to its end: a slow start.

    Args:
        curve: shape (so far,), the trial's objective after each of its epochs, the last one finite.
        others: shape (trials, epochs), the finished trials', NaN after a trial's end.
        complete: shape (trials,), which of them ran to their end; a shorter one then stays at its last value.
        direction: whether more or less is better.
        errors: standard deviations of a difference that count as chance.
        startup: complete trials below which nothing is judged.

    >>> best = [0.5, 0.7, 0.80, 0.84, 0.86]
    >>> others = [best, *([0.45, 0.66, 0.78, 0.83, 0.85 - i / 100] for i in range(4))]
    >>> [is_hopeless(curve, others, [True] * 5) for curve in ([0.05, 0.1], [0.45, 0.64])]
    [True, False]

    """
    curve, others = np.asarray(curve, dtype=np.float64), np.asarray(others, dtype=np.float64)
    at, complete = curve.size - 1, np.asarray(complete, dtype=np.bool_)
    if complete.sum() < startup or not 0 <= at < others.shape[1]:
        return False
    sign = sign_of(direction)
    whole = sign * _held(others[complete])
    gaps = whole.max(0) - whole
    caught_up = max(0.0, float((gaps[:, at] - gaps[:, -1]).max()))
    chance = errors * math.sqrt(2) * SEEDS_OVER_WOBBLE * float(wobble(others, direction)[at])
    return bool(whole[:, at].max() - sign * curve[-1] - caught_up > chance)


def _held(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Let each curve stay at its last value."""
    last = np.maximum.accumulate(np.where(np.isfinite(curves), np.arange(curves.shape[1]), 0), axis=1)
    return np.take_along_axis(curves, last, axis=1)
