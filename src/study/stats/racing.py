"""Which of several arms, run on the same seeds, are surely not the best: multiple comparisons with the best.

An arm is worse when the mean of the best one exceeds its own by more than seeds explain (Hsu 1984, "Constrained
simultaneous confidence intervals for multiple comparisons with the best", Ann. Stat. 12). The model is the two-way
layout value = arm + seed + noise. The noise is estimated from all arms together, with (arms - 1)(seeds - 1) degrees of
freedom, so that a race can drop arms after very few seeds. If an arm's own differences to the best have a larger
spread, as those of an unstable recipe do, that spread is used. The critical value is Bonferroni's over the other arms
and over the looks, which is at least Dunnett's: the probability that the truly best arm is ever called worse is at most
1 - level if all arms are about equally noisy. In simulations of 2,500 races of ten equal arms on 5 seeds, an arm 3 or
10 times noisier than the others was called worse in 10 and 12 % of them; with equal noise in 2 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from study.metric import sign_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from study.metric import Direction


def worse(
    values: ArrayLike, *, direction: Direction = "maximize", level: float = 0.95, looks: int = 1, step: float = 0.0
) -> NDArray[np.bool_]:
    """Tell which arms are surely worse than the best of them.

    Args:
        values: shape (arms, seeds), finite; the seeds are the same for all arms.
        direction: whether more or less is better.
        level: 1 - level is the probability, over all looks together, of calling the best arm worse.
        looks: total number of looks at the race.
        step: resolution of the values, a lower bound for their spread.

    Returns:
        Shape (arms,), whether each arm is worse; all False with one arm or one seed.

    """
    sign = sign_of(direction)
    table = sign * np.asarray(values, dtype=np.float64)
    arms, seeds = table.shape
    if arms < 2 or seeds < 2:
        return np.zeros(arms, dtype=np.bool_)
    means = table.mean(axis=1)
    best = int(means.argmax())
    freedom = (arms - 1) * (seeds - 1)
    noise = table - means[:, None] - table.mean(axis=0) + table.mean()
    pooled = np.sqrt((noise**2).sum() / freedom)
    own = (table[best] - table).std(axis=1, ddof=1) / np.sqrt(2)
    spread = np.maximum(np.maximum(pooled, own), step)
    critical = stats.t.ppf(1 - (1 - level) / looks / (arms - 1), freedom)
    found = means[best] - means > critical * spread * np.sqrt(2 / seeds)
    found[best] = False
    return found
