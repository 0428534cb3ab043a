"""What the t test takes for granted: differences that are near enough to normal, and a check that does without it.

Differences with equal means and a long tail on one side, or in two groups, make a t test at 5 % wrong in 5 to 10 % of
cases (docs/statistics.md). From six seeds on, Shapiro and Wilk's test (1965, Biometrika 52) says whether they look so,
and the test that flips signs (Fisher 1935, "The Design of Experiments", section 21) needs symmetry alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

FEWEST = 6  # below, no flip of signs reaches 5 %
ERROR = 0.05  # chance that normal differences are said to look otherwise
FLIPS = 9_999  # all 2**n up to 13 seeds, so many at random above
SKEWED = 1.0  # skewness of the sample
PARTED = -1.3  # excess kurtosis of the sample: -2 for two points, -1.2 for a uniform distribution

Looks = Literal["skewed", "in two groups", "not normal"]


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of paired differences.

    Args:
        flipped_p: two-sided p value that their mean is 0, by flipping signs.
        looks: how they look, if not like normal ones; None otherwise.

    """

    flipped_p: float
    looks: Looks | None


def of(gaps: ArrayLike, step: float = 0.0) -> Shape | None:
    """Describe the shape of paired differences; None with fewer than six.

    Args:
        gaps: shape (seeds,); NaN is left out.
        step: the metric's resolution; differences within two steps have no shape.

    >>> of([0.4, 0.1, 0.3, 0.2, 0.5, 0.2, 0.3])
    Shape(flipped_p=0.015625, looks=None)
    >>> of([0.1, 0.13, 0.12, 0.09, 0.11, 0.08, 5.0, 0.14]).looks
    'skewed'

    """
    from scipy import stats  # noqa: PLC0415 - takes half a second to load

    gaps = np.asarray(gaps, dtype=np.float64)
    gaps = gaps[np.isfinite(gaps)]
    if len(gaps) < FEWEST:
        return None
    if not gaps.any():
        return Shape(1.0, None)
    flipped = stats.permutation_test(
        (gaps,), np.mean, permutation_type="samples", n_resamples=FLIPS, vectorized=True, rng=np.random.default_rng(0)
    )
    coarse = bool(gaps.std() <= 2 * step) or len(np.unique(gaps)) < FEWEST
    unusual = not coarse and stats.shapiro(gaps).pvalue < ERROR
    return Shape(
        float(flipped.pvalue), _looks(float(stats.skew(gaps)), float(stats.kurtosis(gaps))) if unusual else None
    )


def _looks(skewness: float, kurtosis: float) -> Looks:
    if abs(skewness) > SKEWED:
        return "skewed"
    return "in two groups" if kurtosis < PARTED else "not normal"
