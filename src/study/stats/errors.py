"""Is one model's error no larger than another's by more than a margin, on the same examples?

As in `study.stats.noninferiority`: that must be shown, by the upper end of the 95 % interval of a paired difference in
the error's own unit. The interval of two root mean squared errors follows from their influence functions (the delta
method; van der Vaart 1998, Asymptotic Statistics, 20.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LEVEL = 0.95  # of the interval
Measure = Literal["rmse", "mae", "wrong"]  # root mean squared, mean absolute, share of labels that are wrong
Answer = Literal["no worse", "worse", "too few examples"]


@dataclass(frozen=True, slots=True)
class PairedErrors:
    """A candidate and a champion on the same examples.

    Args:
        n: number of examples.
        measure: of the errors; root mean squared and mean absolute ones are in the unit of the numbers.
        candidate: the candidate's error.
        champion: the champion's.
        low: lower end of the 95 % interval of candidate minus champion.
        high: upper end.
        margin: the difference that does not matter.

    """

    n: int
    measure: Measure
    candidate: float
    champion: float
    low: float
    high: float
    margin: float

    @property
    def answer(self) -> Answer:
        """Whether the candidate is no worse by more than the margin, is worse, or neither is known."""
        if self.high < self.margin:
            return "no worse"
        return "worse" if self.low > 0 else "too few examples"


def compare(candidate: ArrayLike, champion: ArrayLike, measure: Measure, margin: float) -> PairedErrors:
    """Compare two models by their errors on each example: Student's t for the mean of the differences.

    Args:
        candidate: float (N,), the candidate's absolute error on each example, 0 or more, N at least 2.
        champion: the same for the champion, on the same examples in the same order.
        measure: how the errors are summed up.
        margin: the difference that does not matter, in the unit of that measure, above 0.

    Raises:
        ValueError: the arrays differ in length or are too short.

    >>> found = compare([1.0, 2.0, 4.0], [1.0, 1.0, 1.0], "mae", 0.5)
    >>> round(found.low, 2), round(found.high, 2), found.answer
    (-2.46, 5.13, 'too few examples')
    >>> compare([1.0, 1.0, 1.1], [1.0, 1.1, 1.0], "rmse", 0.5).answer
    'no worse'

    """
    one, other = np.asarray(candidate, np.float64), np.asarray(champion, np.float64)
    if one.ndim != 1 or one.shape != other.shape or len(one) < 2:
        raise ValueError(f"want two arrays of shape (N,), got {one.shape} and {other.shape}")
    (whole, of_each), (of_other, of_each_other) = _summed(one, measure), _summed(other, measure)
    gaps, n = of_each - of_each_other, len(one)
    half = float(special.stdtrit(n - 1, (1 + LEVEL) / 2) * gaps.std(ddof=1) / math.sqrt(n))
    middle = whole - of_other
    return PairedErrors(n, measure, whole, of_other, middle - half, middle + half, margin)


def _summed(errors: np.ndarray, measure: Measure) -> tuple[float, np.ndarray]:
    """Sum up errors; and give what each example adds to that, but for a constant."""
    if measure != "rmse":
        return float(errors.mean()), errors
    whole = math.sqrt(float(np.square(errors).mean()))
    return whole, np.square(errors) / (2 * whole) if whole else errors
