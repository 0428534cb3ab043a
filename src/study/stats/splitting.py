"""How much of the variation of trainings is of their split: several recipes, each seed with a split of its own.

All recipes meet the same splits, one a seed. In the two-way layout value = recipe + split + training, what all recipes
share on a seed is its split, and what is left is each training's own: initial weights, order of the examples, and how
a recipe takes a split. Estimates are those of the analysis of variance (Searle, Casella and McCulloch 1992, "Variance
Components", section 4.2). Bouthillier et al. 2021, "Accounting for variance in machine learning benchmarks" (MLSys),
find the split to be the largest source of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Parts:
    """Two standard deviations, in the unit of the values.

    Args:
        split: between splits, of what all recipes share on a split; 0 if they share nothing.
        seed: between trainings on one split.
        splits: number of splits.
        recipes: number of recipes, 2 or more.

    """

    split: float
    seed: float
    splits: int
    recipes: int


def parts(values: ArrayLike) -> Parts | None:
    """Estimate both standard deviations.

    Args:
        values: shape (recipes, seeds), distinct recipes; NaN for a missing value. Of the recipes, those that have the
            most values count, on the seeds on which all of them have one.

    Returns:
        The two; None with fewer than two recipes or two splits.

    >>> found = parts([[0.90, 0.92, 0.94], [0.91, 0.93, 0.96]])
    >>> round(found.split, 4), round(found.seed, 4)
    (0.0224, 0.0041)

    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or len(table) < 2:
        return None
    counts = np.isfinite(table).sum(axis=1)
    longest = np.sort(counts)[-2]  # that two recipes have
    table = table[counts >= longest]
    table = table[:, np.isfinite(table).all(axis=0)]
    recipes, splits = table.shape
    if splits < 2:
        return None
    own = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    of_training = float((own**2).sum()) / ((recipes - 1) * (splits - 1))
    of_split = (float(table.mean(axis=0).var(ddof=1)) * recipes - of_training) / recipes
    return Parts(max(of_split, 0.0) ** 0.5, of_training**0.5, splits, recipes)
