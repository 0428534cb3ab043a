"""One verdict over several data sets: an average over those that were used, and what it says of others.

On these data sets: the mean of the paired differences, each data set counting once. Seeds are the sample; variances and
degrees of freedom are combined as by Welch (1947, Biometrika 34) and Satterthwaite (1946, Biometrics Bull. 2).

On others: the data sets are the sample, with Wilcoxon's signed ranks (Demsar 2006, "Statistical comparisons of
classifiers over multiple data sets", JMLR 7). Fewer than six can never reach 5 %.

The interquartile mean over all pairs and the performance profile, with their stratified bootstraps, are those of
Agarwal et al. 2021 ("Deep reinforcement learning at the edge of the statistical precipice", NeurIPS): single runs that
fail weigh less in the one, and are seen in the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special, stats

from study.metric import sign_of
from study.stats.expected import Curve
from study.stats.intervals import Interval, differences, moments, spread
from study.stats.verdicts import cut, holm_among, verdict_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from study.metric import Direction
    from study.stats.verdicts import Verdict

FEWEST = 6  # data sets with which Wilcoxon's test can reach 5 %
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Average:
    """A variant against the baseline, over data sets.

    Args:
        verdict: on these data sets, on average.
        difference: mean over the data sets of the mean paired differences.
        interval: of that mean on these data sets, simultaneous over the variants.
        p_adjusted: its two-sided p value, adjusted by Holm over the variants.
        better: number of data sets on which the variant's mean is better.
        iqm: interquartile mean of all paired differences.
        iqm_interval: its 95 % interval by a bootstrap of the seeds of each data set.
        p_others: two-sided p value for data sets of which these are a sample, adjusted by Holm over the variants; None
            with fewer than six.
        same: whether the variant is the baseline's recipe on each data set.

    """

    verdict: Verdict
    difference: float
    interval: Interval
    p_adjusted: float
    better: int
    iqm: float
    iqm_interval: Interval
    p_others: float | None
    same: bool = False


def averages(
    values: Sequence[NDArray[np.float64]],
    baselines: Sequence[NDArray[np.float64]],
    steps: Sequence[float],
    direction: Direction = "maximize",
    smallest: float = 0.005,
    level: float = 0.95,
    *,
    same: ArrayLike = False,
    family: int = 0,
) -> tuple[Average, ...]:
    """Compare variants with a baseline on several data sets; seeds are fixed in advance.

    Args:
        values: for each data set, shape (variants, seeds); NaN for a training that failed.
        baselines: for each data set, shape (seeds,): the same seeds in the same order.
        steps: for each data set, the metric's resolution, as in `verdicts.compare`.
        direction: whether more or less of the metric is better.
        smallest: the smallest difference that matters, in the metric's unit.
        level: 1 less the error that the variants share, in (0, 1).
        same: shape (variants,), which variants are the baseline's recipe on each data set: they differ by exactly 0.
        family: number of comparisons that share the error, as in `verdicts.compare`.

    Raises:
        ValueError: shapes that do not fit.

    >>> rising = np.array([[0.92, 0.94, 0.93]]), np.array([[0.71, 0.74, 0.72]])
    >>> (found,) = averages(rising, [np.array([0.91, 0.92, 0.92]), np.array([0.70, 0.71, 0.70])], [0.001, 0.001])
    >>> round(found.difference, 4), round(found.p_adjusted, 4), found.better, found.p_others
    (0.0167, 0.0132, 2, None)

    """
    pairs = [differences(of, base) for of, base in zip(values, baselines, strict=True)]
    each = [moments(of) for of in pairs]
    n, center = np.array([of[0] for of in each]), np.array([of[1] for of in each])  # (data sets, variants)
    sd = np.array([spread(of[2], step) for of, step in zip(each, steps, strict=True)])
    same, family = np.broadcast_to(np.asarray(same, dtype=np.bool_), n.shape[1]), max(n.shape[1], family)
    center = np.where(same, 0.0, center)
    p, half = _welch(n, center, sd, (1 - level) / max(family, 1))
    p, half, absent = np.where(same, 1.0, p), np.where(same, 0.0, half), family - n.shape[1]
    others = holm_among([_signed_ranks(column) for column in center.T], absent) if len(pairs) >= FEWEST else None
    found: list[Average] = []
    for at, adjusted in enumerate(holm_among(p, absent)):
        of, mean = [each[at] for each in pairs], float(center[:, at].mean())
        settled = float(np.sign(mean)) if adjusted <= 1 - level else 0.0
        interval = cut(mean - float(half[at]), mean + float(half[at]), settled)
        found.append(
            Average(
                verdict="no difference" if same[at] else verdict_of(interval, settled, direction, smallest),
                difference=mean,
                interval=interval,
                p_adjusted=float(adjusted),
                better=int(np.sum(sign_of(direction) * center[:, at] > 0)),
                iqm=_iqm(of),
                iqm_interval=_bootstrapped(of, level),
                p_others=float(others[at]) if others is not None else None,
                same=bool(same[at]),
            )
        )
    return tuple(found)


def _welch(
    n: NDArray[np.int_], center: NDArray[np.float64], sd: NDArray[np.float64], error: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Test the mean over data sets; give two-sided p values, and half the widths of intervals with this error.

    Args:
        n: shape (data sets, variants), numbers of pairs; so are the mean differences and standard deviations.
        center: mean differences.
        sd: their standard deviations.
        error: of each interval, in (0, 1).

    """
    share = sd**2 / np.maximum(n, 1)
    wide = np.sqrt(share.sum(axis=0)) / len(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = share.sum(axis=0) ** 2 / (share**2 / (n - 1)).sum(axis=0)
        p = 2 * special.stdtr(freedom, -np.abs(center.mean(axis=0)) / wide)
        half = special.stdtrit(freedom, 1 - error / 2) * wide
    return np.where(np.isfinite(p), p, 1.0), np.where(np.isfinite(half), half, np.inf)


def profile(
    of: Sequence[NDArray[np.float64]], at: NDArray[np.float64], direction: Direction = "maximize", level: float = 0.95
) -> Curve:
    """Compute the performance profile of a variant: the share of pairs in which it is better by at least so much.

    Args:
        of: for each data set, paired differences from the baseline; NaN for a training that failed. Each counts once.
        at: shape (points,), by how much better; below 0 for worse.
        direction: whether more or less of the metric is better.
        level: of the band at each point, by a bootstrap of the seeds of each data set.

    >>> found = profile([np.array([0.1, 0.3]), np.array([-0.1, 0.1])], np.array([0.0, 0.2]))
    >>> found.mean, found.low, found.high
    (array([0.75, 0.25]), array([0.5, 0. ]), array([1. , 0.5]))

    """
    there = [sign_of(direction) * each[~np.isnan(each)] for each in of]
    there = [each for each in there if len(each)]
    if not there:
        nowhere = np.full(len(at), np.nan)
        return Curve(at, nowhere, nowhere, nowhere)
    rng = np.random.default_rng(0)
    shares = np.mean([np.mean(each[:, None] >= at, axis=0) for each in there], axis=0)
    drawn = [rng.choice(np.float32(each[:, None] >= at), (RESAMPLES, len(each))).mean(axis=1) for each in there]
    low, high = np.quantile(np.mean(drawn, axis=0), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Curve(at, shares, low, high)


def ranks(means: NDArray[np.float64], direction: Direction = "maximize") -> NDArray[np.float64]:
    """Give each recipe's mean rank over data sets, 1 for the best; ties share theirs.

    A data set on which a recipe has no mean is left out; without any other the ranks are NaN.

    Args:
        means: shape (data sets, recipes); NaN where there is none, infinite where every training failed.
        direction: whether more or less is better.

    >>> ranks(np.array([[0.9, 0.8, 0.7], [0.5, 0.6, 0.5]]))
    array([1.75, 1.5 , 2.75])

    """
    there = means[~np.isnan(means).any(axis=1)]
    if not len(there):
        return np.full(means.shape[1], np.nan)
    return stats.rankdata(-there if direction == "maximize" else there, axis=1).mean(axis=0)


def _signed_ranks(centers: NDArray[np.float64]) -> float:
    centers = centers[~np.isnan(centers)]  # without data sets on which every training failed
    return float(np.asarray(stats.wilcoxon(centers))[1]) if np.any(centers) else 1.0


def _iqm(of: Sequence[NDArray[np.float64]]) -> float:
    pooled = np.concatenate([each[~np.isnan(each)] for each in of])
    return float(stats.trim_mean(pooled, 0.25)) if len(pooled) else np.nan


def _bootstrapped(of: Sequence[NDArray[np.float64]], level: float) -> Interval:
    """Draw the seeds of each data set again; the percentiles of the interquartile means."""
    there = [each[~np.isnan(each)] for each in of]
    if not all(map(len, there)):
        return Interval(-np.inf, np.inf)
    rng = np.random.default_rng(0)
    drawn = np.concatenate([rng.choice(each, (RESAMPLES, len(each))) for each in there], axis=1)
    low, high = np.quantile(stats.trim_mean(drawn, 0.25, axis=1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
