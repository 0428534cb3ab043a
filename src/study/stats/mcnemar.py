"""McNemar's test: is one classifier worse than another on the same examples?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LEVEL = 0.05  # of p, at and below which the candidate counts as worse


@dataclass(frozen=True, slots=True)
class Paired:
    """What two classifiers, a candidate and a champion, make of the same examples.

    Args:
        n: examples.
        gained: of these the candidate alone is right.
        lost: of these the champion alone is right.
        p: one-sided mid-p, in (0, 1): how probable so many losses are, or more, among the examples on which the two
            disagree, if the candidate is no worse.
        candidate: its accuracy, in [0, 1].
        champion: likewise.

    """

    n: int
    gained: int
    lost: int
    p: float
    candidate: float
    champion: float

    @property
    def worse(self) -> bool:
        """Whether the candidate is surely worse."""
        return self.p <= LEVEL


def compare(candidate: ArrayLike, champion: ArrayLike) -> Paired:
    """Compare two classifiers by the examples on which only one of them is right (McNemar 1947), exactly.

    The mid-p value is that of Fagerland, Lydersen and Laake 2013 (BMC Medical Research Methodology 13:91), one-sided:
    half of theirs. It keeps the level in nearly all cases, where the plain exact test falls far below it.

    Args:
        candidate: bool (N,), where it is right.
        champion: bool (N,), likewise, over the same examples in the same order.

    Raises:
        ValueError: of different lengths, or empty.

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
    """How probable `lost` or more heads are in `gained + lost` throws of a coin, `lost` itself counted half.

    >>> mid_p(0, 0), mid_p(5, 5), round(mid_p(6, 16), 4)
    (0.5, 0.5, 0.0173)

    """
    throws = gained + lost
    return float(stats.binom.sf(lost, throws, 0.5) + stats.binom.pmf(lost, throws, 0.5) / 2)
