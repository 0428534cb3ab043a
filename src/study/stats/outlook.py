"""How many further seeds settle a comparison: what has been seen so far, continued many times.

Mean and spread of the differences are uncertain, the more so with few seeds, and what has been seen stays part of what
is judged. So the number has a predictive distribution (Spiegelhalter, Freedman and Blackburn 1986, "Monitoring clinical
trials: conditional or predictive power?", Control. Clin. Trials 7): mean and variance are drawn from their posterior
under the prior that is flat in the mean and in the logarithm of the standard deviation, the further seeds from the
normal distribution that they make, and the test that holds at any time judges each continuation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from study.stats import mixture

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_SEEDS = 10_000  # larger numbers are not told
DRAWS = 2_000
# After how many further seeds a continuation is looked at: each up to 30, then in steps of about 8 %.
LOOKS = np.unique(np.concatenate([np.arange(1, 31), np.geomspace(30, MOST_SEEDS, 78).round()]).astype(np.int_))
SIZES = np.diff(LOOKS, prepend=0)


@dataclass(frozen=True, slots=True)
class Outlook:
    """How many further seeds settle a verdict.

    Args:
        even: number that settles it with an even chance; 0 if it is settled, None if it is above 10,000.
        most: number that settles it in nine cases of ten; 0 if it is settled, None if it is unknown or above 10,000.

    """

    even: int | None
    most: int | None

    def words(self) -> str:
        """Write the range for people.

        >>> Outlook(4, 30).words(), Outlook(4, None).words(), Outlook(None, None).words()
        ('4 to 30 more needed', 'at least 4 more needed', 'over 10,000 more needed')

        """
        if self.even is None:
            return f"over {MOST_SEEDS:,} more needed"
        if self.most is None:
            return f"at least {self.even:,} more needed"
        return f"{self.even:,} to {self.most:,} more needed" if self.most > self.even else f"{self.most:,} more needed"


SETTLED = Outlook(0, 0)


@lru_cache(maxsize=256)
def of(
    n: int, center: float, sd: float, *, smallest: float, error: float = 0.05, family: int = 1, undecided: int = 1
) -> Outlook:
    """Estimate how many further seeds settle a comparison that is not settled yet.

    Args:
        n: number of pairs so far.
        center: mean of their differences, in any unit.
        sd: their standard deviation, in the same unit; NaN if unknown.
        smallest: the smallest difference that matters.
        error: two-sided error of the whole family, in (0, 1).
        family: number of variants in the family.
        undecided: number of variants that Holm's procedure has not settled, 1 to `family`.

    >>> of(5, 0.004, 0.004, smallest=0.005)
    Outlook(even=8, most=28)

    """
    if n < 2 or not np.isfinite(sd):
        return Outlook(max(1, 3 - n), None)  # two pairs give a first estimate of the spread, the third a usable one
    count, mean, spread = _continued(n, center, sd)
    with np.errstate(invalid="ignore"):
        error_of_mean = spread / np.sqrt(count)
        found = np.abs(mean) > mixture.critical(error / undecided, count) * error_of_mean
        half = mixture.critical(error / family, count) * error_of_mean
        low, high = np.maximum.accumulate(mean - half, -1), np.minimum.accumulate(mean + half, -1)
    ruled_out = (-smallest < low) & (high < smallest)
    settled = np.logical_or.accumulate(found | ruled_out, -1).mean(0)
    return Outlook(_first(settled, 0.5), _first(settled, 0.9))


def _first(settled: NDArray[np.float64], share: float) -> int | None:
    at = int(np.searchsorted(settled, share))
    return int(LOOKS[at]) if at < len(LOOKS) else None


def _continued(n: int, center: float, sd: float) -> tuple[NDArray[np.int_], NDArray[np.float64], NDArray[np.float64]]:
    """Continue what was seen; count (looks,), mean and standard deviation (draws, looks) of all differences."""
    of_sd, of_mean, means, squares = _chances(n)
    sigma = sd * of_sd
    drawn = (center + sigma / n**0.5 * of_mean)[:, None] + sigma[:, None] * means
    about = (n - 1) * sd**2 + np.cumsum(sigma[:, None] ** 2 * squares, -1)
    count = n + LOOKS
    # Means and sums of squares of blocks are merged, relative to the mean so far: Chan, Golub and LeVeque 1983.
    shift = drawn - center
    total = np.cumsum(shift * SIZES, -1)
    about += np.cumsum(shift**2 * SIZES, -1) - total**2 / count
    return count, center + total / count, np.sqrt(about / (count - 1))


@lru_cache(maxsize=32)
def _chances(n: int) -> tuple[NDArray[np.float64], ...]:
    """Draw the random numbers of all continuations after n seeds; the same for each comparison."""
    rng = np.random.default_rng(n)
    of_sd = np.sqrt((n - 1) / rng.chisquare(n - 1, DRAWS))
    means = rng.standard_normal((DRAWS, len(LOOKS))) / np.sqrt(SIZES)
    squares = rng.chisquare(np.maximum(SIZES - 1, 1), (DRAWS, len(LOOKS))) * (SIZES > 1)
    return of_sd, rng.standard_normal(DRAWS), means, squares
