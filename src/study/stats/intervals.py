"""Intervals for means, paired differences, shares and single runs, valid for a handful of seeds.

They use Student's t and no bootstrap: a 95% bootstrap interval of five values covers 83%. NaN and infinite values count
as missing. With fewer than two values the spread is unknown, and the interval is the whole real line.

Equal values prove nothing: an accuracy over 100 examples moves in steps of one point, and two seeds may well hit the
same step. So a standard deviation is never taken below the metric's resolution, `step`; where that is not known and all
values are equal, the spread is unknown too.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from study.metric import sign_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from study.metric import Direction


@dataclass(frozen=True, slots=True)
class Interval:
    """The values from `low` to `high`, both included."""

    low: float
    high: float

    def contains(self, value: float, rounding: float = 0.0) -> bool:
        """Tell whether the value is inside the interval.

        Args:
            value: in the interval's unit.
            rounding: largest possible rounding error of the value: 0.00005 for a published 0.9778.

        >>> Interval(0.9702, 0.9777).contains(0.9778), Interval(0.9702, 0.9777).contains(0.9778, rounding=0.00005)
        (False, False)
        >>> Interval(0.9702, 0.97776).contains(0.9778, rounding=0.00005)
        True

        """
        return self.low - rounding <= value <= self.high + rounding


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over seeds.

    Args:
        value: the mean; NaN if there are no values.
        interval: of the mean, Student's t.
        sd: standard deviation between seeds, n - 1 in the denominator, not below the resolution; NaN if unknown.
        n: number of finite values.

    """

    value: float
    interval: Interval
    sd: float
    n: int


@dataclass(frozen=True, slots=True)
class Paired:
    """The mean of the paired differences a - b.

    Args:
        difference: mean over the seeds for which both have a value; NaN if there are none.
        interval: of that mean, Student's t on the differences.
        p: two-sided p value of the paired t test; 1 below two pairs.
        sd: standard deviation of the differences, not below the resolution; NaN if unknown.
        n: number of pairs.

    """

    difference: float
    interval: Interval
    p: float
    sd: float
    n: int


@dataclass(frozen=True, slots=True)
class Share:
    """A share of n, in [0, 1], with Wilson's interval; NaN when n is 0."""

    value: float
    interval: Interval
    n: int


def mean(values: ArrayLike, level: float = 0.95, step: float = 0.0) -> Mean:
    """Compute the mean over seeds with Student's t interval.

    Args:
        values: shape (seeds,); NaN and infinite values are left out.
        level: confidence level of the interval, in (0, 1).
        step: resolution of the metric, 1 / examples for an accuracy; 0 if it is not known.

    >>> accuracy = mean([0.91, 0.93, 0.92])
    >>> accuracy.value, round(accuracy.interval.low, 4), round(accuracy.interval.high, 4), accuracy.n
    (0.92, 0.8952, 0.9448, 3)
    >>> mean([0.75, 0.75]).interval, mean([0.75, 0.75, 0.75], step=0.01).interval.high.__round__(4)
    (Interval(low=-inf, high=inf), 0.7748)

    """
    n, center, sd = moments(values)
    sd = spread(sd, step)
    return Mean(float(center), _around(center, sd / np.sqrt(n), n, level), float(sd), int(n))


def paired(a: ArrayLike, b: ArrayLike, level: float = 0.95, *, step: float = 0.0, same: bool = False) -> Paired:
    """Compute the mean of a - b over the seeds for which both have a value, with Student's t interval and test.

    Args:
        a: shape (seeds,).
        b: shape (seeds,), the same seeds in the same order.
        level: confidence level of the interval, in (0, 1).
        step: resolution of the metric, as in `mean`.
        same: whether both are the same recipe, whose difference is exactly 0.

    >>> round(paired([0.93, 0.95, 0.94], [0.91, 0.92, 0.93]).p, 4)
    0.0742
    >>> paired([0.91, 0.93], [0.91, 0.93], same=True)
    Paired(difference=0.0, interval=Interval(low=0.0, high=0.0), p=1.0, sd=0.0, n=2)

    """
    n, center, sd = moments(differences(a, b))
    if same:
        return Paired(0.0, Interval(0.0, 0.0), 1.0, 0.0, int(n))
    sd = spread(sd, step)
    interval = _around(center, sd / np.sqrt(n), n, level)
    return Paired(float(center), interval, float(student_p(n, center, sd)), float(sd), int(n))


def single_run(values: ArrayLike, level: float = 0.95, step: float = 0.0) -> Interval:
    """Compute the prediction interval for one more run, for example for a published result of a single run.

    mean +- t * sd * sqrt(1 + 1/n), as in Hahn and Meeker 1991, "Statistical Intervals", section 4.7.

    Args:
        values: shape (seeds,), single runs of the same recipe.
        level: probability that the interval contains one more run, in (0, 1).
        step: resolution of the metric, as in `mean`.

    >>> single_run([0.91, 0.93, 0.92]).contains(0.96), mean([0.91, 0.93, 0.92]).interval.contains(0.96)
    (True, False)

    """
    n, center, sd = moments(values)
    return _around(center, spread(sd, step) * np.sqrt(1 + 1 / np.maximum(n, 1)), n, level)


def share(hits: float, n: int, level: float = 0.95) -> Share:
    """Compute a share of n with its interval (Wilson 1927, J. Am. Stat. Assoc. 22, p. 209).

    Args:
        hits: 0 to n; a half hit is allowed.
        n: 0 or more.
        level: approximate confidence level of the interval, in (0, 1).

    >>> wins = share(8, 10)
    >>> wins.value, round(wins.interval.low, 3), round(wins.interval.high, 3)
    (0.8, 0.49, 0.943)

    """
    if n == 0:
        return Share(float("nan"), Interval(0.0, 1.0), 0)
    z = float(special.ndtri((1 + level) / 2))
    center = (hits + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * float(np.sqrt(hits * (n - hits) / n + z * z / 4))
    low = 0.0 if hits == 0 else center - half
    high = 1.0 if hits == n else center + half
    return Share(hits / n, Interval(low, high), n)


def win_rate(values: ArrayLike, baseline: ArrayLike, direction: Direction = "maximize", level: float = 0.95) -> Share:
    """Compute the share of the common seeds for which the variant is better than the baseline; a tie counts half.

    Args:
        values: shape (seeds,), the variant's.
        baseline: shape (seeds,), the same seeds in the same order.
        direction: whether more or less is better.
        level: as in `share`.

    >>> win_rate([3, 2, 1, 1], [1, 2, 0, 3]).value
    0.625

    """
    gaps = differences(values, baseline)
    gaps = gaps[np.isfinite(gaps)] * sign_of(direction)
    return share(float(np.sum(gaps > 0) + np.sum(gaps == 0) / 2), gaps.size, level)


def differences(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Subtract b from a; NaN where either is NaN or infinite.

    Args:
        a: shape (..., seeds).
        b: of the same shape as a, or of one that broadcasts to it.

    Raises:
        ValueError: the two have different numbers of seeds.

    >>> differences([1.0, 2.0, float("inf")], [0.5, float("nan"), 1.0])
    array([0.5, nan, nan])

    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape[-1:] != b.shape[-1:]:
        raise ValueError(f"pairs need equal numbers of seeds: {a.shape[-1:]} and {b.shape[-1:]}")
    return np.where(np.isfinite(a), a, np.nan) - np.where(np.isfinite(b), b, np.nan)


def moments(values: ArrayLike) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
    """Compute count, mean and standard deviation of the finite values along the last axis.

    If all values are equal, the mean is exactly that value and the standard deviation exactly 0.

    Args:
        values: shape (..., seeds).

    >>> n, center, sd = moments([[0.1, 0.1, 0.1], [1.0, 3.0, float("nan")]])
    >>> n, center, sd
    (array([3, 2]), array([0.1, 2. ]), array([0.        , 1.41421356]))

    """
    values = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(values)
    n = finite.sum(-1)
    first = np.take_along_axis(values, finite.argmax(-1, keepdims=True), -1)
    shifted = np.where(finite, values - first, 0.0)
    offset = shifted.sum(-1, keepdims=True) / np.maximum(n, 1)[..., None]
    squares = np.where(finite, (shifted - offset) ** 2, 0.0).sum(-1)
    sd = np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)
    return n, np.where(n > 0, (first + offset)[..., 0], np.nan), sd


def spread(sd: ArrayLike, step: float) -> NDArray[np.float64]:
    """Bound standard deviations from below by what the metric can show; NaN where that is not known and they are 0.

    Args:
        sd: standard deviations; NaN if unknown.
        step: resolution of the metric, 1 / examples for an accuracy; 0 if it is not known.

    >>> spread([0.0, 0.02, float("nan")], 0.01), spread([0.0, 0.02], 0.0)
    (array([0.01, 0.02,  nan]), array([ nan, 0.02]))

    """
    bounded = np.maximum(np.asarray(sd, dtype=np.float64), step)
    return np.where(bounded > 0, bounded, np.nan)


def student_p(n: ArrayLike, center: ArrayLike, sd: ArrayLike) -> NDArray[np.float64]:
    """Compute the two-sided p value of Student's t test for a true mean of 0; 1 where the spread is unknown.

    Args:
        n: number of values.
        center: their mean.
        sd: their standard deviation, as `spread` gives it; above 0, or NaN if unknown.

    >>> student_p([5, 5, 1], [1.0, 0.0, 3.0], [1.0, 1.0, float("nan")]).round(4)
    array([0.089, 1.   , 1.   ])

    """
    n, center, sd = np.asarray(n), np.asarray(center), np.asarray(sd)
    t = np.abs(center) * np.sqrt(n) / sd
    return np.where((n > 1) & np.isfinite(sd), 2 * special.stdtr(np.maximum(n - 1, 1), -t), 1.0)


def student_critical(error: float, n: ArrayLike) -> NDArray[np.float64]:
    """Compute the critical value of Student's t for a two-sided error, in standard errors; infinite below two values.

    Args:
        error: in (0, 1): 0.05 for an interval of 95%.
        n: number of values.

    >>> student_critical(0.05, [1, 2, 10, 1000]).round(3)
    array([   inf, 12.706,  2.262,  1.962])

    """
    n = np.asarray(n)
    return np.where(n > 1, special.stdtrit(np.maximum(n - 1, 1), 1 - error / 2), inf)


def reach(critical: ArrayLike, n: ArrayLike, sd: ArrayLike) -> NDArray[np.float64]:
    """Compute half the width of a mean's interval; infinite where the critical value is, or the spread is unknown.

    Args:
        critical: in standard errors.
        n: number of values.
        sd: their standard deviation; NaN if unknown.

    >>> reach([2.0, float("inf")], [4, 1], [0.1, float("nan")])
    array([0.1, inf])

    """
    critical, n, sd = np.asarray(critical), np.asarray(n), np.asarray(sd)
    finite = np.isfinite(critical) & np.isfinite(sd)
    return np.where(finite, np.where(finite, critical, 0.0) * sd / np.sqrt(np.maximum(n, 1)), inf)


def _around(center: Any, error: Any, n: Any, level: float) -> Interval:
    if n < 2 or not np.isfinite(error):
        return Interval(-inf, inf)
    half = float(student_critical(1 - level, n) * error)
    return Interval(float(center) - half, float(center) + half)
