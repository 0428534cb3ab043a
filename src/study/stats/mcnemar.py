"""McNemar's test: is one classifier worse than another on the same examples?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LEVEL = 0.05  # at or below this p value the candidate counts as worse


@dataclass(frozen=True, slots=True)
class Paired:
    """A candidate and a champion, two classifiers, on the same examples.

    Args:
        n: number of examples.
        gained: number of examples on which only the candidate is right.
        lost: number of examples on which only the champion is right.
        p: one-sided mid-p value, in (0, 1): probability of at least `lost` losses among the examples on which the two
            disagree, if the candidate is no worse.
        candidate: the candidate's accuracy, in [0, 1].
        champion: the champion's accuracy, in [0, 1].

    """

    n: int
    gained: int
    lost: int
    p: float
    candidate: float
    champion: float

    @property
    def worse(self) -> bool:
        """Whether the candidate is significantly worse."""
        return self.p <= LEVEL


def compare(candidate: ArrayLike, champion: ArrayLike) -> Paired:
    """Compare two classifiers by the examples on which only one of them is right (McNemar 1947), exactly.

    The mid-p value is that of Fagerland, Lydersen and Laake 2013 (BMC Medical Research Methodology 13:91), one-sided:
    half of theirs. Its error rate stays close to the level, where that of the plain exact test is far below.

    Args:
        candidate: bool (N,), whether the candidate is right on each example.
        champion: bool (N,), the same for the champion, on the same examples in the same order.

    Raises:
        ValueError: the arrays differ in length or are empty.

    >>> found = compare([True, True, False, False], [True, False, True, True])
    >>> found.gained, found.lost, round(found.p, 4), found.worse
    (1, 2, 0.3125, False)

    """
    one, other = np.asarray(candidate, dtype=bool), np.asarray(champion, dtype=bool)
    if one.ndim != 1 or one.shape != other.shape or not len(one):
        raise ValueError(f"want two arrays of shape (N,), got {one.shape} and {other.shape}")
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    return Paired(len(one), gained, lost, mid_p(gained, lost), float(one.mean()), float(other.mean()))


def mid_p(gained: int, lost: int) -> float:
    """Compute the probability of `lost` or more heads in `gained + lost` tosses of a coin; exactly `lost` counts half.

    >>> mid_p(0, 0), mid_p(5, 5), round(mid_p(6, 16), 4)
    (0.5, 0.5, 0.0173)

    """
    tosses = gained + lost
    return float(stats.binom.sf(lost, tosses, 0.5) + stats.binom.pmf(lost, tosses, 0.5) / 2)
