"""What a search reaches at a budget: the expected best of n trials, and best-so-far curves with their bands.

The expected best of n random trials is Dodge et al. 2019, "Show Your Work: Improved Reporting of Experimental Results"
(EMNLP, section 3.1). Their estimator draws with replacement and is biased downwards. This module computes the unbiased
estimator of Tang et al. 2020, "Showing Your Work Doesn't Always Work" (ACL, eq. 5): the mean over all ways to choose n
of the trials without replacement. Both assume independent trials, as random search makes them; for another sampler the
curve shows what its trials would have given in random order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln

from study.metric import sign_of
from study.stats.intervals import moments, reach, student_critical

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from study.metric import Direction


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A line with a band; four arrays of shape (points,).

    Args:
        at: trials, seconds or epochs.
        mean: the line.
        low: lower edge of the band.
        high: upper edge.

    """

    at: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def expected_best(
    values: ArrayLike, direction: Direction = "maximize", inside: float = 0.9, at: ArrayLike | None = None
) -> Curve:
    """Compute the expected best value of n trials, with a band.

    The band shows how much the best value varies between searches of n trials. It closes at the right end, where every
    search would hold the same trials: read the curve up to about half of them.

    Args:
        values: shape (trials,), a value for each trial; NaN and infinite values are left out.
        direction: whether more or less is better.
        inside: share of the searches of n trials whose best value is within the band, in (0, 1).
        at: shape (points,), the numbers n, from 1 to the number of finite values; each of them if unset.

    >>> curve = expected_best([0.1, 0.4, 0.2, 0.3])
    >>> curve.at, curve.mean.round(3)
    (array([1., 2., 3., 4.]), array([0.25 , 0.333, 0.375, 0.4  ]))
    >>> curve.low, curve.high
    (array([0.1, 0.2, 0.3, 0.4]), array([0.4, 0.4, 0.4, 0.4]))

    """
    sign = sign_of(direction)
    values = np.asarray(values, dtype=np.float64)
    ranked = np.sort(sign * values[np.isfinite(values)])
    total = ranked.size
    if total == 0:
        return Curve(*(np.empty(0) for _ in range(4)))
    points = np.arange(1, total + 1) if at is None else np.asarray(at, dtype=np.int64)
    log_factorial = gammaln(np.arange(1.0, total + 2))
    rows = [_of_n(ranked, n, log_factorial, inside) for n in points.tolist()]
    return _oriented(points.astype(np.float64), sign, *np.array(rows).T)


def _of_n(ranked: NDArray[np.float64], n: int, log_factorial: NDArray[np.float64], inside: float) -> tuple[float, ...]:
    """Compute the mean of the best of n values, chosen from those ranked from the worst, and the ends of its band."""
    total, possible = ranked.size, ranked[n - 1 :]
    # probability that all of n chosen trials have at most this rank: C(rank, n) / C(total, n)
    ways = log_factorial[n:] - log_factorial[: total - n + 1]
    chance = np.exp(ways - ways[-1])
    mean = np.diff(chance, prepend=0.0) @ possible
    low, high = (possible[np.searchsorted(chance, tail)] for tail in ((1 - inside) / 2, (1 + inside) / 2))
    return mean, low, high


def best_so_far(values: ArrayLike, direction: Direction = "maximize") -> NDArray[np.float64]:
    """Best value up to and including each trial; NaN before the first finite one.

    Args:
        values: shape (..., trials), in the order in which they were run.
        direction: whether more or less is better.

    >>> best_so_far([float("nan"), 0.3, 0.1, 0.5])
    array([nan, 0.3, 0.3, 0.5])

    """
    values = np.asarray(values, dtype=np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    return (np.fmax if sign_of(direction) > 0 else np.fmin).accumulate(values, axis=-1)


def best_in_time(
    values: ArrayLike,
    seconds: ArrayLike,
    at: ArrayLike,
    *,
    direction: Direction = "maximize",
    inside: float = 0.9,
    orders: int = 1000,
    seed: int = 0,
) -> Curve:
    """Compute the best value as a function of training time, over random orders of one search's trials.

    Args:
        values: shape (trials,); a trial whose value is NaN or infinite takes its time and adds no value.
        seconds: shape (trials,), training time of each trial, 0 or more.
        at: shape (points,), times at which the curve is evaluated, in seconds.
        direction: whether more or less is better.
        inside: share of the orders whose best value is within the band, in (0, 1).
        orders: number of random orders.
        seed: of the random orders; the same seed gives the same curve.

    Returns:
        A curve that is NaN at points at which some order has not yet finished a trial with a value.

    >>> best_in_time([0.3, 0.3, 0.3], [1.0, 1.0, 1.0], at=[0.5, 1.0, 3.0]).mean
    array([nan, 0.3, 0.3])

    """
    values, seconds, at = (np.asarray(each, dtype=np.float64) for each in (values, seconds, at))
    drawn = np.random.default_rng(seed).permuted(np.tile(np.arange(values.size), (orders, 1)), axis=1)
    nothing_yet = np.full((orders, 1), np.nan)
    best = np.concatenate([nothing_yet, best_so_far(values[drawn], direction)], axis=1)
    finished = seconds[drawn].cumsum(1)
    done = np.stack([np.searchsorted(row, at, side="right") for row in finished])
    curves = np.take_along_axis(best, done, 1)
    low, high = np.quantile(curves, [(1 - inside) / 2, (1 + inside) / 2], axis=0)
    return Curve(at, curves.mean(0), low, high)


def mean_curve(at: ArrayLike, curves: ArrayLike, level: float = 0.95) -> Curve:
    """Compute the mean of repeated curves, with Student's t interval for each point separately.

    Args:
        at: shape (points,).
        curves: shape (repetitions, points): searches or seeds; NaN and infinite values are left out at their point.
        level: of the interval at a point, in (0, 1).

    >>> mean_curve([1, 2], [[0.5, 0.7], [0.6, 0.8], [0.7, 0.9]]).high.round(3)
    array([0.848, 1.048])

    """
    n, center, sd = moments(np.asarray(curves, dtype=np.float64).T)
    half = reach(student_critical(1 - level, n), n, sd)
    return Curve(np.asarray(at, dtype=np.float64), center, center - half, center + half)


def _oriented(
    at: NDArray[np.float64],
    sign: float,
    mean: NDArray[np.float64],
    worse: NDArray[np.float64],
    better: NDArray[np.float64],
) -> Curve:
    low, high = (worse, better) if sign > 0 else (-better, -worse)
    return Curve(at, sign * mean, low, high)
