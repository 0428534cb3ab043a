"""Intervals that hold on new examples, too: seeds and test examples are both a sample.

The interval over seeds says what further seeds give on this test set. Another test set of the same size gives another
mean: its examples are the second sample. Both are crossed, every seed is judged on every example, and the two parts are
put together as squares (MOVER: Zou and Donner 2008, Stat. Med. 27): half the width over seeds, and half the width over
examples of what each example gives on the average over seeds. The latter is a score interval, which holds with few
examples: Wilson's for an accuracy, Tango's for a difference (Tango 1998, Stat. Med. 17), on the effective number of
examples that the variance of these averages amounts to. The interaction of seeds and examples is in both parts, so the
interval is rather too wide than too narrow; benchmarks/promises.py measures by how much.
"""

from __future__ import annotations

from math import inf, isfinite, sqrt
from typing import TYPE_CHECKING

import numpy as np

from study.stats.intervals import Interval, student_critical

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray


def of_mean(seeds: Interval, correct: ArrayLike, error: float = 0.05) -> Interval:
    """Widen the interval of a mean accuracy over seeds by the sample of examples.

    Args:
        seeds: the interval over seeds, of an accuracy in [0, 1].
        correct: shape (seeds, examples), whether each training is right on each test example.
        error: two-sided, in (0, 1).

    >>> right = np.array([[True] * 90 + [False] * 10, [True] * 92 + [False] * 8])
    >>> found = of_mean(Interval(0.90, 0.92), right)
    >>> round(found.low, 3), round(found.high, 3)
    (0.838, 0.953)

    """
    by_example = np.asarray(correct, dtype=np.float64).mean(axis=0)
    center, n = float(by_example.mean()), by_example.size
    critical = float(student_critical(error, n))
    return _joined(center, seeds, wilson(center, _effective(center * (1 - center), by_example), critical))


def of_difference(seeds: Interval, correct: ArrayLike, baseline: ArrayLike, error: float = 0.05) -> Interval:
    """Widen the interval of a mean difference of two accuracies over seeds by the sample of examples.

    Args:
        seeds: the interval over seeds, of differences of accuracies in [0, 1].
        correct: shape (seeds, examples), whether each training is right on each test example.
        baseline: the same for the baseline, with the same seeds and examples.
        error: two-sided, in (0, 1).

    >>> right = np.array([[True] * 90 + [False] * 10] * 2)
    >>> found = of_difference(Interval(0.0, 0.0), right, right)
    >>> round(found.low, 3), round(found.high, 3)
    (-0.038, 0.038)

    """
    one, other = np.asarray(correct, dtype=np.bool_), np.asarray(baseline, dtype=np.bool_)
    gained, lost = float((one & ~other).mean()), float((other & ~one).mean())
    by_example = one.mean(axis=0) - other.mean(axis=0)
    n = _effective(gained + lost - (gained - lost) ** 2, by_example)
    critical = float(student_critical(error, by_example.size))
    return _joined(gained - lost, seeds, tango(gained * n, lost * n, n, critical))


def wilson(share: float, n: float, critical: float) -> Interval:
    """Compute the score interval of a share of n (Wilson 1927), n not necessarily whole."""
    square = critical**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = critical / (1 + square / n) * sqrt(share * (1 - share) / n + square / (4 * n**2))
    return Interval(middle - half, middle + half)


def tango(gained: float, lost: float, n: float, critical: float) -> Interval:
    """Compute the score interval of the difference of two paired shares (Tango 1998).

    Args:
        gained: number of pairs in which only the first is right, not necessarily whole.
        lost: number of pairs in which only the second is right.
        n: number of pairs, above 0.
        critical: of the standard normal distribution, or of Student's t.

    >>> found = tango(12, 2, 50, 1.96)
    >>> round(found.low, 4), round(found.high, 4)
    (0.0611, 0.3447)

    """
    middle = (gained - lost) / n
    low = _crossing(-1.0, middle, lambda at: _score(gained, lost, n, at) > critical)
    high = _crossing(middle, 1.0, lambda at: _score(gained, lost, n, at) >= -critical)
    return Interval(low, high)


def _crossing(low: float, high: float, above: Callable[[float], bool]) -> float:
    """Find where a decreasing score falls through its bound."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if above(middle) else (low, middle)
    return (low + high) / 2


def _score(gained: float, lost: float, n: float, at: float) -> float:
    """Compute Tango's score for a true difference."""
    b, c = -gained - lost + (2 * n - gained + lost) * at, -lost * at * (1 - at)
    share = (sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * share + at * (1 - at))
    distance = gained - lost - n * at
    return distance / sqrt(variance) if variance > 0 else inf * distance if distance else 0.0


def _effective(variance: float, by_example: NDArray[np.float64]) -> float:
    """Give the number of single trainings' examples whose mean varies as that of these averages over seeds."""
    n, about = by_example.size, float(by_example.var(ddof=1)) if by_example.size > 1 else 0.0
    return n * variance / about if about > 0 and variance > 0 else float(n)


def _joined(center: float, one: Interval, other: Interval) -> Interval:
    """Put two intervals about the same center together, as squares; infinite where one of them is."""
    if not (isfinite(one.low) and isfinite(one.high)):
        return Interval(-inf, inf)
    low = sqrt(max(center - one.low, 0.0) ** 2 + max(center - other.low, 0.0) ** 2)
    high = sqrt(max(one.high - center, 0.0) ** 2 + max(other.high - center, 0.0) ** 2)
    return Interval(center - low, center + high)
