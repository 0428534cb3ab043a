"""Which variants help, which hurt, which make no difference: a family of paired comparisons with one baseline.

Helps and hurts: paired t tests, their p values adjusted by Holm (1979, "A simple sequentially rejective multiple test
procedure", Scand. J. Stat. 6): whatever the truth, the chance that any variant without effect gets one of these
verdicts is at most 1 - level, for any dependence between the variants. That a true effect gets the wrong sign is within
that error too (Shaffer 1980, Ann. Stat. 8, proves it for independent tests).

Intervals: simultaneous by Bonferroni, each at 1 - (1 - level) / variants. Where Holm settles a sign that Bonferroni
leaves open, the interval is cut at 0, as compatible bounds are (Strassburger and Bretz 2008, "Compatible simultaneous
lower confidence bounds for the Holm procedure", Stat. Med. 27), so that the verdict can always be read from it.

No difference larger than x: the interval lies within +-x. That is two one-sided tests (Schuirmann 1987, J.
Pharmacokinet. Biopharm. 15), each at half the error that would be allowed; over the family it errs in at most half of
1 - level.

A training that fails has no value, and how often that happens is a second outcome (`failures`): verdicts and intervals
are about the trainings that ended, and a variant that fails significantly more often than the baseline hurts, whatever
its values. That test has an error of its own, Fisher's exact test with Holm over the family.

Ties prove nothing: two different recipes often reach the same value on a coarse metric. The same recipe is known by its
fingerprint alone, which the caller says; every other standard deviation is at least the metric's resolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from study.metric import sign_of
from study.stats import failures, outlook
from study.stats.intervals import (
    Interval,
    Share,
    differences,
    moments,
    reach,
    spread,
    student_critical,
    student_p,
    win_rate,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from study.metric import Direction
    from study.stats.failures import Failures
    from study.stats.outlook import Outlook

Verdict = Literal["helps", "hurts", "no difference", "not enough seeds"]
NONE = failures.of(0, 0)


@dataclass(frozen=True, slots=True)
class Contrast:
    """One variant against the baseline.

    Args:
        verdict: whether the variant helps, hurts, makes no difference, or needs more seeds.
        difference: mean of variant - baseline over their common seeds, in the metric's unit; NaN if there are none.
        interval: of that difference, simultaneous over the family.
        p: two-sided p value of this variant alone; 1 below two pairs.
        p_adjusted: p value adjusted by Holm over the family; without `fails_more`, at most 1 - level exactly if the
            verdict is helps or hurts.
        sd: standard deviation of the differences, not below `step`; NaN if unknown, 0 for the same recipe.
        n: number of pairs.
        wins: share of pairs in which the variant is better; a tie counts half.
        smallest: the smallest difference that matters.
        same: whether the variant is the baseline's recipe.
        failed: how many of the variant's trainings failed; all else is about those that ended.
        baseline_failed: the same for the baseline.
        fails_more: whether it hurts because it fails significantly more often than the baseline.
        family: number of comparisons that share the error.
        undecided: number of comparisons of the family that Holm's procedure has not settled.
        error: two-sided error of the whole family.

    """

    verdict: Verdict
    difference: float
    interval: Interval
    p: float
    p_adjusted: float
    sd: float
    n: int
    wins: Share
    smallest: float
    same: bool = False
    failed: Failures = NONE
    baseline_failed: Failures = NONE
    fails_more: bool = False
    family: int = 1
    undecided: int = 1
    error: float = 0.05

    @property
    def more(self) -> Outlook:
        """How many further seeds settle the verdict, by the test that holds at any time."""
        if self.verdict != "not enough seeds":
            return outlook.SETTLED
        return outlook.of(
            self.n,
            self.difference,
            self.sd,
            smallest=self.smallest,
            error=self.error,
            family=self.family,
            undecided=self.undecided,
        )

    @property
    def small(self) -> bool:
        """Whether the whole interval is within the smallest difference that matters."""
        return -self.smallest < self.interval.low and self.interval.high < self.smallest

    def words(self, factor: float = 1.0, unit: str = "") -> str:
        """Write the verdict for people.

        Args:
            factor: converts the metric's unit to the unit shown: 100 for an accuracy in points.
            unit: the unit shown.

        >>> compare([[0.93, 0.95, 0.94]], [0.91, 0.92, 0.93])[0].words(100, " points")
        'not enough seeds (3 to 26 more needed)'
        >>> compare([[0.93, 0.95, 0.94]], [0.93, 0.95, 0.94], same=[True])[0].words()
        'no difference: the same recipe'

        """
        if self.fails_more:
            return f"hurts: {self.failed.words()} failed, against {self.baseline_failed.words()}"
        if self.same:
            return "no difference: the same recipe"
        ended = "" if not self.failed.count + self.baseline_failed.count else " where both end"
        return f"{self._of_values(factor, unit)}{ended}"

    def _of_values(self, factor: float, unit: str) -> str:
        largest = f"{self.smallest * factor:g}{unit}"
        match self.verdict:
            case "no difference":
                return f"no difference larger than {largest}"
            case "not enough seeds":
                return f"not enough seeds ({self.more.words()})"
            case _:
                return f"{self.verdict}, by less than {largest}" if self.small else self.verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """Statistics of each variant before the family is judged; arrays of shape (variants,).

    Args:
        n: numbers of pairs.
        center: mean differences.
        sd: their standard deviations.
        p: two-sided p values of each variant alone.
        sign: signs of the differences that the p values belong to.
        low: lower ends of the simultaneous intervals.
        high: upper ends.
        same: whether each is the baseline's recipe.

    """

    n: NDArray[np.int_]
    center: NDArray[np.float64]
    sd: NDArray[np.float64]
    p: NDArray[np.float64]
    sign: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    same: NDArray[np.bool_]


def compare(
    values: ArrayLike,
    baseline: ArrayLike,
    *,
    direction: Direction = "maximize",
    smallest: float = 0.005,
    level: float = 0.95,
    step: float = 0.0,
    same: ArrayLike = False,
    failed: tuple[ArrayLike, ArrayLike] | None = None,
    family: int = 0,
) -> tuple[Contrast, ...]:
    """Compare a family of variants with a baseline over a number of seeds that was fixed in advance.

    To look repeatedly while seeds are being added, use `sequential.compare`.

    Args:
        values: shape (variants, seeds); NaN and infinite values are left out of that variant's pairs.
        baseline: shape (seeds,), the same seeds in the same order.
        direction: whether more or less of the metric is better.
        smallest: the smallest difference that matters, 0 or more; 0.005 is half a point of accuracy.
        level: 1 less the error of the whole family, in (0, 1).
        step: resolution of the metric, 1 / test examples for an accuracy; 0 if it is not known. It is a lower bound
            for the standard deviation of the differences, since equal differences may be chance on a coarse metric.
        same: shape (variants,), which variants are the baseline's recipe: these differ by exactly 0.
        failed: of the shapes of `values` and of `baseline`, which trainings failed; their values are NaN. None if none.
        family: number of comparisons that the error is shared by, if there are more than these: all that were looked
            at before these were picked. Those that are not here count as if they showed nothing.

    Raises:
        ValueError: a shape does not fit, or a number is out of range.

    >>> better, tied = compare([[0.93, 0.96, 0.95, 0.97], [0.91, 0.93, 0.92, 0.94]], [0.91, 0.93, 0.92, 0.94])
    >>> better.verdict, round(better.difference, 4), round(better.p_adjusted, 4), better.wins.value
    ('helps', 0.0275, 0.0032, 1.0)
    >>> tied.verdict, tied.interval
    ('not enough seeds', Interval(low=-inf, high=inf))

    """
    values, baseline = checked(values, baseline, smallest, level, step)
    n, center, sd = moments(differences(values, baseline))
    sd = spread(sd, step)
    family = max(len(values), family)
    half = reach(student_critical((1 - level) / max(family, 1), n), n, sd)
    p, same = student_p(n, center, sd), np.broadcast_to(np.asarray(same, dtype=np.bool_), n.shape)
    evidence = Evidence(n, center, sd, p, np.sign(center), center - half, center + half, same)
    wins = [win_rate(row, baseline, direction) for row in values]
    failing = failures.at_once(*seen(values, baseline, failed))
    return judge(evidence, wins, failing, direction=direction, smallest=smallest, level=level, family=family)


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Adjust p values for the size of their family (Holm 1979).

    Args:
        p: shape (..., variants).

    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])

    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, axis=-1)
    stepped = np.take_along_axis(p, order, -1) * np.arange(p.shape[-1], 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(stepped, axis=-1), 1.0), -1)
    return adjusted


def holm_among(p: ArrayLike, absent: int) -> NDArray[np.float64]:
    """Adjust p values by Holm in a family of which some are not here: they count as if they showed nothing.

    Args:
        p: shape (variants,), of those that are here.
        absent: number of the others.

    >>> holm_among([0.01, 0.04], absent=1)
    array([0.03, 0.08])

    """
    p = np.asarray(p, dtype=np.float64)
    return holm(np.concatenate([p, np.ones(absent)]))[: len(p)]


def judge(
    evidence: Evidence,
    wins: list[Share],
    failing: failures.Family,
    *,
    direction: Direction,
    smallest: float,
    level: float,
    family: int,
) -> tuple[Contrast, ...]:
    """Turn the statistics of each variant into the family's verdicts; the other arguments are those of `compare`."""
    error, absent = 1 - level, family - len(wins)
    adjusted = holm_among(np.where(evidence.same, 1.0, evidence.p), absent)
    signs = np.where(adjusted <= error, evidence.sign, 0.0)
    shared = {"undecided": int(np.sum(signs == 0)) + absent, "error": error}
    judged: list[Contrast] = []
    more_failures = holm_among(np.where(evidence.same, 1.0, failing.p), absent) <= error
    for i in range(len(wins)):
        failed: dict[str, Any] = {
            "failed": failing.variants[i], "baseline_failed": failing.baseline, "family": family, **shared
        }  # fmt: skip
        n, center, sd = int(evidence.n[i]), float(evidence.center[i]), float(evidence.sd[i])
        if evidence.same[i]:
            judged.append(_same(n, wins[i], smallest, **failed))
            continue
        interval = cut(float(evidence.low[i]), float(evidence.high[i]), signs[i])
        verdict = "hurts" if more_failures[i] else verdict_of(interval, signs[i], direction, smallest)
        failed["fails_more"] = bool(more_failures[i])
        p, p_adjusted = float(evidence.p[i]), float(adjusted[i])
        judged.append(Contrast(verdict, center, interval, p, p_adjusted, sd, n, wins[i], smallest, **failed))
    return tuple(judged)


def checked(
    values: ArrayLike, baseline: ArrayLike, smallest: float, level: float, step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert a family and its baseline to arrays and check them; the arguments are those of `compare`.

    Raises:
        ValueError: a shape does not fit, or a number is out of range.

    """
    values, baseline = np.asarray(values, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    if values.ndim != 2 or values.shape[1:] != baseline.shape:
        raise ValueError(f"want (variants, seeds) and (seeds,), got {values.shape} and {baseline.shape}")
    if not (0 < level < 1 and smallest >= 0 and step >= 0):
        raise ValueError(f"want 0 < level < 1, smallest >= 0, step >= 0, got {level}, {smallest} and {step}")
    return values, baseline


def seen(
    values: NDArray[np.float64], baseline: NDArray[np.float64], failed: tuple[ArrayLike, ArrayLike] | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which trainings of a family failed and which are over, as the arguments of `failures.at_once`."""
    of_variants, of_baseline = failed or (False, False)
    theirs = np.broadcast_to(np.asarray(of_variants, np.bool_), values.shape)
    ours = np.broadcast_to(np.asarray(of_baseline, np.bool_), baseline.shape)
    return theirs, ours, theirs | np.isfinite(values), ours | np.isfinite(baseline)


def _same(n: int, wins: Share, smallest: float, **failed: Any) -> Contrast:
    """Judge the baseline's own recipe under another name."""
    return Contrast("no difference", 0.0, Interval(0.0, 0.0), 1.0, 1.0, 0.0, n, wins, smallest, same=True, **failed)


def cut(low: float, high: float, sign: float) -> Interval:
    """Cut a simultaneous interval at 0 where Holm has settled the sign."""
    if sign > 0 and high > 0:
        return Interval(max(low, 0.0), high)
    return Interval(low, min(high, 0.0)) if sign < 0 and low < 0 else Interval(low, high)


def verdict_of(interval: Interval, sign: float, direction: Direction, smallest: float) -> Verdict:
    """Read the verdict from a settled sign, or from the interval where none is settled."""
    if sign:
        return "helps" if sign * sign_of(direction) > 0 else "hurts"
    return "no difference" if -smallest < interval.low and interval.high < smallest else "not enough seeds"
