"""Trainings that fail: a second outcome beside the values of those that ended.

A recipe that fails once in twenty seeds costs four points of accuracy on average and shows none of it in nine seeds of
ten, so no mean can hold it. Its values are those of the trainings that ended; beside them stands the share that failed,
with the upper bound that the number of trainings supports (Clopper and Pearson 1934, Biometrika 26): none of 10 failed
is compatible with a share of 26 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Failures:
    """How many trainings failed.

    Args:
        count: trainings that diverged or broke off.
        n: trainings that were begun and are over.
        high: upper bound of the share that fails, in [0, 1], one-sided, 95 %.

    """

    count: int
    n: int
    high: float

    def words(self) -> str:
        """Write count and bound for people.

        >>> count([False] * 10).words(), count([True, False, False, False]).words(), count([True]).words()
        ('0 of 10 (below 26 %)', '1 of 4 (below 75 %)', '1 of 1')

        """
        bound = f" (below {100 * self.high:.0f} %)" if self.count < self.n else ""
        return f"{self.count} of {self.n}{bound}"


def count(failed: ArrayLike) -> Failures:
    """Count the trainings that failed.

    Args:
        failed: shape (trainings,), whether each failed.

    >>> found = count([False] * 10)
    >>> found.count, found.n, round(found.high, 3)
    (0, 10, 0.259)

    """
    failed = np.asarray(failed, dtype=np.bool_)
    return of(int(failed.sum()), failed.size)


def of(failed: int, n: int) -> Failures:
    """Give the failures among n trainings with their upper bound; without a training the bound is 1."""
    high = 1.0 if failed >= n else float(special.betaincinv(failed + 1, n - failed, 0.95))
    return Failures(failed, n, high)


@dataclass(frozen=True, slots=True)
class Family:
    """The failures of a family of variants beside those of their baseline.

    Args:
        variants: of each variant.
        baseline: of the baseline.
        p: for each variant the one-sided p value that it fails no more often than the baseline.

    """

    variants: tuple[Failures, ...]
    baseline: Failures
    p: tuple[float, ...]


def at_once(failed: ArrayLike, baseline: ArrayLike, seen: ArrayLike, baseline_seen: ArrayLike) -> Family:
    """Count a family's failures over a number of seeds that was fixed in advance, with Fisher's exact test.

    Args:
        failed: shape (variants, seeds), whether each training failed.
        baseline: shape (seeds,).
        seen: shape (variants, seeds), whether each training is over.
        baseline_seen: shape (seeds,).

    >>> every = [[True] * 5]
    >>> found = at_once([[True] * 5], [False] * 5, every, every[0])
    >>> found.variants[0].words(), found.baseline.words(), round(found.p[0], 4)
    ('5 of 5', '0 of 5 (below 45 %)', 0.004)

    """
    variants, of_baseline = _counted(failed, baseline, seen, baseline_seen)
    return Family(variants, of_baseline, tuple(fisher(each, of_baseline) for each in variants))


def at_any_time(failed: ArrayLike, baseline: ArrayLike, seen: ArrayLike, baseline_seen: ArrayLike) -> Family:
    """Count a family's failures, with p values that hold over all looks; the arguments are those of `at_once`.

    Of the seeds on which only one of the two failed, it is the variant in no more than half. The likelihood ratio of a
    share drawn evenly from 1/2 to 1 against 1/2 is a martingale (Robbins 1970, Ann. Math. Stat. 41).

    >>> every = [[True] * 7]
    >>> round(at_any_time([[True] * 7], [False] * 7, every, every[0]).p[0], 3)
    0.031

    """
    variants, of_baseline = _counted(failed, baseline, seen, baseline_seen)
    both = np.asarray(seen, np.bool_) & np.asarray(baseline_seen, np.bool_)
    failed = np.asarray(failed, np.bool_)
    only = (failed != np.asarray(baseline, np.bool_)) & both
    return Family(variants, of_baseline, tuple(_martingale(row, hit) for row, hit in zip(only, failed, strict=True)))


def _counted(
    failed: ArrayLike, baseline: ArrayLike, seen: ArrayLike, baseline_seen: ArrayLike
) -> tuple[tuple[Failures, ...], Failures]:
    failed, seen, baseline, baseline_seen = (
        np.asarray(each, np.bool_) for each in (failed, seen, baseline, baseline_seen)
    )
    variants = tuple(count(row[there]) for row, there in zip(failed, seen, strict=True))
    return variants, count(baseline[baseline_seen])


def fisher(failed: Failures, baseline: Failures) -> float:
    """Compute the one-sided p value that trainings fail no more often than others, by Fisher's exact test.

    >>> round(fisher(of(3, 12), of(0, 2)), 2), round(fisher(of(3, 12), of(0, 100)), 3)
    (0.6, 0.001)

    """
    if failed.count == 0:
        return 1.0
    both = failed.count + baseline.count
    from scipy import stats  # noqa: PLC0415 - takes half a second to load

    return float(stats.hypergeom.sf(failed.count - 1, failed.n + baseline.n, both, failed.n))


def _martingale(only: NDArray[np.bool_], failed: NDArray[np.bool_]) -> float:
    n, hits = only.cumsum(), (only & failed).cumsum()
    upper = special.betaincc(hits + 1, n - hits + 1, 0.5)
    log_ratio = (n + 1) * np.log(2) + special.betaln(hits + 1, n - hits + 1) + np.log(np.maximum(upper, 1e-300))
    return float(np.exp(-max(0.0, *log_ratio.tolist()))) if log_ratio.size else 1.0
