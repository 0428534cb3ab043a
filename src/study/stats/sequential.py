"""Verdicts while seeds are still being added: the error rate holds for any number of looks at the results.

The test is the likelihood ratio of `mixture` (Wang and Ramdas 2024). It is a martingale that starts at 1 for normal
differences of any variance, so that by Ville's inequality it ever exceeds 1 / error with a chance of at most `error`.

Holm's procedure on the smallest 1 / ratio so far keeps the family's error: a false verdict at any time needs one of the
k variants without effect to exceed k / error at some time. No average over variants is taken, because each ratio is a
martingale only in what its own variant has shown.

Why this one: a group-sequential t test with exact bounds, its error spent as the root of the seeds up to a cap of 30,
needs 9, 3 and 6% fewer seeds at effects of 1, 2 and 3 standard deviations in a family of 8, but promises nothing once
somebody raises the cap, and has no bounds in closed form. Without a cap it needs 0 to 6% fewer. docs/statistics.md has
the figures, benchmarks/verdicts.py measures them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from study.stats import failures, mixture
from study.stats.intervals import differences, reach, spread, win_rate
from study.stats.verdicts import Contrast, Evidence, checked, judge, seen

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from study.metric import Direction


def compare(
    values: ArrayLike,
    baseline: ArrayLike,
    *,
    direction: Direction = "maximize",
    smallest: float = 0.005,
    level: float = 0.95,
    step: float = 0.0,
    same: ArrayLike = False,
    failed: tuple[ArrayLike, ArrayLike] | None = None,
    family: int = 0,
) -> tuple[Contrast, ...]:
    """Compare a family of variants with a baseline after any number of seeds, as often as needed.

    A settled verdict stays settled: p values are the smallest so far, intervals the overlap of all so far. A variant
    whose verdict is settled needs no more seeds (leave its later values NaN).

    Args:
        values: shape (variants, seeds), seeds in the order in which they were run; NaN for a missing value.
        baseline: shape (seeds,), the same seeds in the same order.
        direction: whether more or less of the metric is better.
        smallest: the smallest difference that matters, 0 or more; 0.005 is half a point of accuracy.
        level: 1 less the error of the whole family over all looks, in (0, 1).
        step: resolution of the metric, as in `verdicts.compare`.
        same: which variants are the baseline's recipe, as in `verdicts.compare`.
        failed: which trainings failed, as in `verdicts.compare`.
        family: number of comparisons that share the error, as in `verdicts.compare`.

    Raises:
        ValueError: a shape does not fit, or a number is out of range.

    >>> baseline = [0.91, 0.93, 0.92, 0.94, 0.91, 0.92]
    >>> better = [0.94, 0.96, 0.96, 0.97, 0.94, 0.95]
    >>> [compare([better[:n]], baseline[:n])[0].verdict for n in (2, 3, 4, 5)]
    ['not enough seeds', 'not enough seeds', 'helps', 'helps']

    """
    values, baseline = checked(values, baseline, smallest, level, step)
    gaps = differences(values, baseline)
    family = max(len(values), family)
    error = (1 - level) / max(family, 1)
    evidence = _evidence(gaps, error, step, np.broadcast_to(np.asarray(same, dtype=np.bool_), len(values)))
    wins = [win_rate(row, baseline, direction) for row in values]
    failing = failures.at_any_time(*seen(values, baseline, failed))
    return judge(evidence, wins, failing, direction=direction, smallest=smallest, level=level, family=family)


def confidence_sequence(
    gaps: ArrayLike, level: float = 0.95, step: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute an interval for the mean after every value; together they contain the true mean with probability `level`.

    Args:
        gaps: shape (..., seeds), paired differences in the order in which they were run; NaN is left out.
        level: probability that all intervals contain the true mean, in (0, 1).
        step: lower bound for the standard deviation; 0 if the metric's resolution is not known.

    Returns:
        Lower and upper ends, each of the shape of `gaps`: the overlap of all intervals so far, or the newest alone
        if there is no overlap. They are infinite while the spread is unknown.

    >>> low, high = confidence_sequence([0.03, 0.03, 0.04, 0.03, 0.03])
    >>> low.round(3), high.round(3)
    (array([ -inf,  -inf,  -inf, 0.014, 0.021]), array([  inf,   inf,   inf, 0.051, 0.043]))

    """
    n, center, sd = _running(np.asarray(gaps, dtype=np.float64))
    half = reach(mixture.critical(1 - level, n), n, spread(sd, step))
    with np.errstate(invalid="ignore"):
        low, high = np.where(half < np.inf, center - half, -np.inf), np.where(half < np.inf, center + half, np.inf)
    lowest, highest = np.maximum.accumulate(low, -1), np.minimum.accumulate(high, -1)
    overlap = lowest <= highest
    return np.where(overlap, lowest, low), np.where(overlap, highest, high)


def log_ratios(gaps: ArrayLike, step: float = 0.0) -> NDArray[np.float64]:
    """Compute the logarithm of the likelihood ratio after every value; 0 at the start.

    Args:
        gaps: shape (..., seeds), as in `confidence_sequence`.
        step: lower bound for the standard deviation.

    >>> log_ratios([0.03, 0.03, 0.04, 0.03, 0.03]).round(2)
    array([0.  , 0.  , 2.25, 3.76, 5.42])

    """
    n, center, sd = _running(np.asarray(gaps, dtype=np.float64))
    return mixture.log_ratio(n, center, spread(sd, step))


def _evidence(gaps: NDArray[np.float64], error: float, step: float, same: NDArray[np.bool_]) -> Evidence:
    n, center, sd = _running(gaps)
    sd = spread(sd, step)
    p = np.exp(-np.maximum(mixture.log_ratio(n, center, sd), 0.0))
    low, high = (end[:, -1] for end in confidence_sequence(gaps, 1 - error, step))
    best = p.argmin(-1, keepdims=True)
    p, sign = (np.take_along_axis(each, best, -1)[:, 0] for each in (p, np.sign(center)))
    return Evidence(n[:, -1], center[:, -1], sd[:, -1], p, sign, low, high, same)


def _running(gaps: NDArray[np.float64]) -> tuple[NDArray[np.int_], NDArray[np.float64], NDArray[np.float64]]:
    """Compute count, mean and standard deviation after every value; the mean is NaN below one, the last below two."""
    finite = np.isfinite(gaps)
    n = finite.cumsum(-1)
    first = np.take_along_axis(gaps, finite.argmax(-1)[..., None], -1)
    shifted = np.where(finite, gaps - first, 0.0)
    offset = shifted.cumsum(-1) / np.maximum(n, 1)
    squares = (shifted**2).cumsum(-1) - n * offset**2
    sd = np.where(n > 1, np.sqrt(np.maximum(squares, 0.0) / np.maximum(n - 1, 1)), np.nan)
    center = np.where(n > 0, first + offset, np.nan)
    return n, center, sd
