"""Which of several arms, run on the same seeds, are surely worse than the best of them.

An arm is worse when the mean of the best one exceeds its own by more than seeds explain. The model is the two-way
layout value = arm + seed + noise. The noise is estimated from all arms together, with (arms - 1)(seeds - 1) degrees of
freedom, so that a race can drop arms after very few seeds. If an arm's own differences to the best have a larger
spread, as those of an unstable recipe do, that spread is used.

The critical value is that of the studentized range (Tukey 1953; Hochberg and Tamhane 1987, "Multiple Comparison
Procedures", section 3.2), with Bonferroni over the looks: the probability that any arm which is as good as the best one
is ever called worse is at most 1 - level if all arms are about equally noisy. Multiple comparisons with the best (Hsu
1984, Ann. Stat. 12) has a smaller critical value and promises this for one arm that is named beforehand: among ten
equal arms on 5 seeds it called some arm worse in 13 % of races. docs/statistics.md has the figures.

A training that failed has no value. Its arm is left out of the common noise, is never the best that others are
measured by, and is compared with that one on the seeds that it finished. Failing is a second outcome, on which the
caller decides.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from study.metric import sign_of
from study.stats.intervals import moments

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from study.metric import Direction


def worse(
    values: ArrayLike,
    *,
    direction: Direction = "maximize",
    level: float = 0.95,
    looks: int = 1,
    step: float = 0.0,
) -> NDArray[np.bool_]:
    """Tell which arms are surely worse than the best of them.

    Args:
        values: shape (arms, seeds), the seeds are the same for all arms; NaN where a training failed.
        direction: whether more or less is better.
        level: 1 - level is the probability, over all arms and looks together, of calling an arm worse that is not.
        looks: total number of looks at the race.
        step: resolution of the values, a lower bound for their spread; 0 if it is not known.

    Returns:
        Shape (arms,), whether each arm is worse; all False with one arm or one seed, if the spread is unknown, or if a
        training of every arm failed.

    """
    table = sign_of(direction) * np.asarray(values, dtype=np.float64)
    arms, seeds = table.shape
    if arms < 2 or seeds < 2:
        return np.zeros(arms, dtype=np.bool_)
    ended = np.isfinite(table)
    steady = ended.all(axis=1)
    if not steady.any():
        return np.zeros(arms, dtype=np.bool_)
    pooled, freedom = _noise(table[steady])
    best = int(np.where(steady, np.where(ended, table, 0.0).mean(axis=1), -np.inf).argmax())
    n, gaps, sd = moments(np.where(ended, table[best] - table, np.nan))
    spread = np.fmax(np.fmax(pooled, sd / np.sqrt(2)), step)
    spread[spread == 0] = np.inf
    critical = _critical((1 - level) / looks, arms, freedom or seeds - 1)
    found = gaps > critical * spread / np.sqrt(np.maximum(n, 1))
    return found & (n > 1) & (np.arange(arms) != best)


def _noise(table: NDArray[np.float64]) -> tuple[float, int]:
    """Estimate the standard deviation of the noise in a two-way layout, with its degrees of freedom."""
    arms, seeds = table.shape
    noise = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    freedom = (arms - 1) * (seeds - 1)
    return float(np.sqrt((noise**2).sum() / max(freedom, 1))), freedom


@lru_cache
def _critical(error: float, arms: int, freedom: int) -> float:
    """Compute the critical value of a range of means, in standard errors of one mean."""
    from scipy import stats  # noqa: PLC0415 - takes half a second to load

    return float(stats.studentized_range.ppf(1 - error, arms, freedom))
