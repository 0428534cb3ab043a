"""The likelihood ratio behind the test that holds at any time, and its critical value.

The scale-invariant Gaussian mixture of Wang and Ramdas 2024, "Anytime-valid t-tests and confidence sequences for
Gaussian means with unknown variance" (arXiv 2310.03722; the idea is Lai's, 1976): the likelihood ratio of all t
statistics so far, with mean / sd of the differences drawn from a normal distribution of variance 4, against 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

EFFECT_VARIANCE = 4.0  # effects of two standard deviations: tricks worth a study; 1 to 10 cost hardly more seeds


def critical(error: float, n: ArrayLike) -> NDArray[np.float64]:
    """Compute the critical value that holds at all times, in standard errors; infinite after too few values.

    Args:
        error: in (0, 1).
        n: number of values.

    >>> critical(0.05, [3, 4, 5, 10, 30]).round(2)
    array([ inf, 7.21, 5.36, 3.97, 3.56])

    """
    n = np.asarray(n, dtype=np.float64)
    grown = 1 + n * EFFECT_VARIANCE
    power = (np.sqrt(grown) / error) ** (2 / np.maximum(n, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((n > 1) & (power < grown), np.sqrt((n - 1) * (power - 1) / (1 - power / grown)), np.inf)


def log_ratio(n: NDArray[np.int_], center: NDArray[np.float64], sd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute (n / 2) log((S + M) / (S + M / k)) - log(k) / 2, the logarithm of the likelihood ratio.

    S is the sum of squares about the mean, M is n times the squared mean, and k = 1 + n * EFFECT_VARIANCE. Values of
    unknown spread say nothing: 0.

    Args:
        n: numbers of values, of any shape; `center`, their means, and `sd`, their standard deviations, have it too.
        center: means; NaN without values.
        sd: standard deviations; NaN if unknown.

    """
    grown = 1 + n * EFFECT_VARIANCE
    known = (n > 1) & np.isfinite(sd)
    about = (n - 1) * np.where(known, sd, 0.0) ** 2
    of_mean = n * np.where(n > 0, center, 0.0) ** 2
    whole, shrunk = about + of_mean, about + of_mean / grown
    ratio = np.divide(whole, shrunk, out=np.ones_like(whole), where=shrunk > 0)
    return np.where(known, (n * np.log(ratio) - np.log(grown)) / 2, 0.0)
