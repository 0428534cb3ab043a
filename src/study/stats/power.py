"""How many seeds settle a comparison: the power of the paired t test and of its interval."""

from __future__ import annotations

from bisect import bisect_left
from math import inf

from scipy import special

from study.stats.intervals import student_critical

POWER = 0.8  # Cohen 1988, "Statistical Power Analysis for the Behavioral Sciences", section 2.4
MOST_SEEDS = 10_000  # larger estimates are too uncertain to report


def seeds_needed(
    difference: float,
    sd: float,
    *,
    smallest: float = 0.0,
    error: float = 0.05,
    family: int = 1,
    undecided: int = 1,
    start: int = 2,
) -> int | None:
    """Compute the number of seeds that settle a paired comparison with a probability of 80%.

    A comparison is settled if a two-sided test at `error / undecided` finds the difference, or if its interval at
    `error / family` is within +-smallest, which rules it out. Power from the noncentral t distribution (Cohen 1988,
    section 2.3, for finding; Phillips 1990, J. Pharmacokinet. Biopharm. 18, for ruling out).

    Args:
        difference: the true difference, in any unit.
        sd: standard deviation of the paired differences, in the same unit.
        smallest: the smallest difference that matters; with 0 no difference is ruled out.
        error: two-sided error of the whole family, in (0, 1).
        family: number of variants in the family.
        undecided: number of variants that Holm's procedure has not settled, 1 to `family`.
        start: the smallest number to return, from 2.

    Returns:
        The number of seeds; None if 10,000 are not enough.

    >>> seeds_needed(difference=0.005, sd=0.005), seeds_needed(difference=0.0, sd=0.005, smallest=0.005)
    (10, 13)

    """

    def power(n: int) -> float:
        found = _power_to_find(difference, sd, n, float(student_critical(error / undecided, n)))
        return max(found, _power_to_rule_out(difference, sd, smallest, n, float(student_critical(error / family, n))))

    seeds = start + bisect_left(range(start, MOST_SEEDS + 1), POWER, key=power)
    return seeds if seeds <= MOST_SEEDS else None


def _power_to_find(difference: float, sd: float, n: int, critical: float) -> float:
    if sd == 0 or critical == inf:
        return float(critical < inf)
    return 1 - float(special.nctdtr(n - 1, abs(difference) * n**0.5 / sd, critical))


def _power_to_rule_out(difference: float, sd: float, smallest: float, n: int, critical: float) -> float:
    if sd == 0 or critical == inf:
        return float(critical < inf)
    below, above = ((abs(difference) + x) * n**0.5 / sd for x in (-smallest, smallest))
    return float(special.nctdtr(n - 1, below, -critical) - special.nctdtr(n - 1, above, critical))
