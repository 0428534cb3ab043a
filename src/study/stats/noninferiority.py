"""Is one classifier no worse than another by more than a margin, on the same examples?

Failing to find that it is worse proves nothing: with few examples nothing is ever found. So it must be shown that the
difference of the accuracies lies above -margin: with the lower end of Tango's score interval of a paired difference
(Tango 1998, Stat. Med. 17), 95 % two-sided, so that a model which is worse by the margin passes in 2.5 % of cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import special

from study.stats.examples import tango

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from study.stats.intervals import Interval

MARGIN = 0.005  # half a point of accuracy
Answer = Literal["no worse", "worse", "too few examples"]


@dataclass(frozen=True, slots=True)
class Paired:
    """A candidate and a champion, two classifiers, on the same examples.

    Args:
        n: number of examples.
        gained: number of examples on which only the candidate is right.
        lost: number of examples on which only the champion is right.
        difference: the candidate's accuracy less the champion's.
        interval: of that difference, 95 %.
        candidate: the candidate's accuracy, in [0, 1].
        champion: the champion's accuracy, in [0, 1].
        margin: the loss that does not matter.

    """

    n: int
    gained: int
    lost: int
    difference: float
    interval: Interval
    candidate: float
    champion: float
    margin: float

    @property
    def answer(self) -> Answer:
        """Whether the candidate is no worse by more than the margin, is worse, or neither is known."""
        if self.interval.low > -self.margin:
            return "no worse"
        return "worse" if self.interval.high < 0 else "too few examples"


def compare(candidate: ArrayLike, champion: ArrayLike, margin: float = MARGIN) -> Paired:
    """Compare two classifiers on the same examples.

    Args:
        candidate: bool (N,), whether the candidate is right on each example.
        champion: bool (N,), the same for the champion, on the same examples in the same order.
        margin: the loss of accuracy that does not matter, 0 to 1.

    Raises:
        ValueError: the arrays differ in length or are empty.

    >>> right = np.ones(2000, dtype=bool)
    >>> compare(right, right).answer, compare(right[:100], right[:100]).answer
    ('no worse', 'too few examples')

    """
    one, other = np.asarray(candidate, dtype=bool), np.asarray(champion, dtype=bool)
    if one.ndim != 1 or one.shape != other.shape or not len(one):
        raise ValueError(f"want two arrays of shape (N,), got {one.shape} and {other.shape}")
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    interval = tango(gained, lost, len(one), float(special.ndtri(0.975)))
    accuracies = float(one.mean()), float(other.mean())
    return Paired(len(one), gained, lost, (gained - lost) / len(one), interval, *accuracies, margin)
