"""How much of the gap between two learning curves seeds can explain, estimated from a search's own curves.

The trials of a search share one seed, so they do not show directly how much a seed changes a result. They do show how
much a curve wobbles from epoch to epoch. The second difference of three neighbouring values removes level and slope;
for independent errors its standard deviation is sqrt(6) times theirs (the difference-based estimator of Gasser, Sroka
and Jennen-Steinmetz 1986, "Residual variance and residual pattern in nonlinear regression", Biometrika 73). The mean
over the better half of the trials is used for all of them, so that trials which stay at the level of guessing do not
lower it (a median would be 0 where an accuracy moves in coarse steps). A seed also shifts a whole curve: the standard
deviation between seeds, over six of them, was 1.5 times the wobble for the median of 18 MLPs on digits and 1.8 times
for that of 11 on MNIST (0.8 and 0.7 times at the tenth percentile, 2.8 and 2.6 times at the ninetieth). This module
uses twice the wobble.

Limits: curvature, as in the first epochs, counts as wobble, so the noise is overestimated there and never
underestimated; a recipe that varies far more between seeds than the others is judged by their noise. The repeated
trainings of `compare` and `confirm` measure the noise directly but are not read: they may run while a search is
stopped, and the resumed search would then differ from one that was never stopped.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from study.metric import sign_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from study.metric import Direction

SEEDS_OVER_WOBBLE = 2.0  # standard deviation between seeds, divided by that of the wobble
NORMAL_MEAN = math.sqrt(2 / math.pi)  # mean of the absolute value of a standard normal


def wobble(curves: ArrayLike, direction: Direction = "maximize") -> NDArray[np.float64]:
    """Estimate the standard deviation from epoch to epoch, with level and slope removed.

    Args:
        curves: shape (trials, epochs), the objective after each epoch; NaN where a trial has none.
        direction: whether more or less is better.

    Returns:
        Shape (epochs,): for each epoch the mean over the better half of the trials. The first and the last epoch
        have only one neighbour and take its value. Infinite where no trial has three neighbouring values.

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
    finite = np.isfinite(bend)
    if not finite.any():
        return math.inf
    bend, values = bend[finite], values[finite]
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
    """Tell whether a trial is too far behind the best at its epoch for seeds and a slow start to explain it.

    Seeds explain a gap of `errors` standard deviations of a difference between two trainings. A slow start explains
    the largest gap to the best that any complete trial has closed between this epoch and its end.

    Args:
        curve: shape (epochs so far,), the trial's objective after each of its epochs, the last one finite.
        others: shape (trials, epochs), the objective of the finished trials, NaN after a trial's end.
        complete: shape (trials,), whether each is complete; a shorter one counts with its last value from then on.
        direction: whether more or less is better.
        errors: number of standard deviations of a difference that count as chance.
        startup: number of complete trials below which no trial is hopeless.

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
    whole = sign * _carry_forward(others[complete])
    gaps = whole.max(0) - whole
    caught_up = max(0.0, float((gaps[:, at] - gaps[:, -1]).max()))
    chance = errors * math.sqrt(2) * SEEDS_OVER_WOBBLE * float(wobble(others, direction)[at])
    return bool(whole[:, at].max() - sign * curve[-1] - caught_up > chance)


def _carry_forward(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Extend each curve by its last value."""
    last = np.maximum.accumulate(np.where(np.isfinite(curves), np.arange(curves.shape[1]), 0), axis=1)
    return np.take_along_axis(curves, last, axis=1)
