"""Is one model's error larger than another's on the same examples? A paired interval of the difference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LEVEL = 0.95  # of the interval


@dataclass(frozen=True, slots=True)
class PairedErrors:
    """A candidate and a champion on the same examples.

    Args:
        n: number of examples.
        candidate: the candidate's mean error; of numbers the mean squared one.
        champion: the champion's.
        low: lower end of the 95 % interval of candidate minus champion.
        high: upper end.

    """

    n: int
    candidate: float
    champion: float
    low: float
    high: float

    @property
    def answer(self) -> Literal["no worse", "worse"]:
        """Whether the candidate's error is significantly larger; errors of any unit have no margin."""
        return "worse" if self.low > 0 else "no worse"


def compare(candidate: ArrayLike, champion: ArrayLike) -> PairedErrors:
    """Compare two models by their errors on each example: Student's t for the mean of the differences.

    Args:
        candidate: float (N,), the candidate's error on each example, 0 or more, N at least 2.
        champion: the same for the champion, on the same examples in the same order.

    Raises:
        ValueError: the arrays differ in length or are too short.

    >>> found = compare([1.0, 2.0, 4.0], [1.0, 1.0, 1.0])
    >>> round(found.low, 2), round(found.high, 2), found.answer
    (-2.46, 5.13, 'no worse')

    """
    one, other = np.asarray(candidate, np.float64), np.asarray(champion, np.float64)
    if one.ndim != 1 or one.shape != other.shape or len(one) < 2:
        raise ValueError(f"want two arrays of shape (N,), got {one.shape} and {other.shape}")
    gaps, n = one - other, len(one)
    half = special.stdtrit(n - 1, (1 + LEVEL) / 2) * gaps.std(ddof=1) / math.sqrt(n)
    middle = float(gaps.mean())
    return PairedErrors(n, float(one.mean()), float(other.mean()), middle - float(half), middle + float(half))
