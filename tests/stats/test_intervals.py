from math import inf, isnan, nan

import numpy as np
import pytest
from scipy import stats

from study.stats import intervals
from study.stats.intervals import Interval

RUNS = np.random.default_rng(7).normal(0.97, 0.002, 12)
OTHERS = np.random.default_rng(8).normal(0.968, 0.003, 12)


@pytest.mark.parametrize("n", [2, 3, 5, 12])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_the_interval_of_a_mean_is_students(n, level):
    found = intervals.mean(RUNS[:n], level)
    expected = stats.t.interval(level, n - 1, RUNS[:n].mean(), stats.sem(RUNS[:n]))
    assert (found.interval.low, found.interval.high) == pytest.approx(expected, rel=1e-9)
    assert (found.value, found.sd, found.n) == (pytest.approx(RUNS[:n].mean()), pytest.approx(RUNS[:n].std(ddof=1)), n)


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_a_paired_difference_is_the_one_of_scipy(n):
    found, expected = intervals.paired(RUNS[:n], OTHERS[:n]), stats.ttest_rel(RUNS[:n], OTHERS[:n])
    between = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found.interval.low, found.interval.high) == pytest.approx((between.low, between.high), rel=1e-9)


def test_pairs_are_the_seeds_that_both_have():
    a, b = [0.91, nan, 0.93, 0.95, 0.94], [0.90, 0.92, inf, 0.93, 0.90]
    assert intervals.paired(a, b) == intervals.paired([0.91, 0.95, 0.94], [0.90, 0.93, 0.90])


@pytest.mark.parametrize("hits", [0, 1, 3, 7, 10])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_of_a_share_is_wilsons(hits, level):
    found, expected = intervals.share(hits, 10, level), stats.binomtest(hits, 10).proportion_ci(level, method="wilson")
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(
    ("direction", "variant", "rate"),
    [("maximize", [3, 2, 1, 1], 0.625), ("minimize", [3, 2, 1, 1], 0.375), ("maximize", [3, nan, 1, 1], 2 / 3)],
)
def test_a_tie_is_half_a_win(direction, variant, rate):
    assert intervals.win_rate(variant, [1, 2, 0, 3], direction).value == pytest.approx(rate)


def test_one_recipe_run_twice_differs_by_exactly_nothing():
    found = intervals.paired(RUNS, RUNS, same=True)
    assert (found.difference, found.interval, found.p, found.sd) == (0.0, Interval(0.0, 0.0), 1.0, 0.0)


@pytest.mark.parametrize("constant", [0.1135, 0.1, 1 / 3])
@pytest.mark.parametrize("n", [2, 7, 100])
def test_equal_values_leave_what_the_metric_can_show(constant, n):
    """Two seeds with the same accuracy on 100 examples say 93.33 to 93.33 as little as one does."""
    found, one = intervals.mean([constant] * n, step=0.01), intervals.single_run([constant] * n, step=0.01)
    half = stats.t.ppf(0.975, n - 1) * 0.01
    assert (found.interval.low, found.sd) == (pytest.approx(constant - half / n**0.5), 0.01)
    assert one.high == pytest.approx(constant + half * (1 + 1 / n) ** 0.5)
    gap = intervals.paired([constant] * n, [constant] * n, step=0.01)
    assert (gap.interval.high, gap.p) == (pytest.approx(half / n**0.5), 1.0)


def test_equal_values_of_unknown_resolution_leave_everything_open():
    unknown = Interval(-inf, inf)
    assert intervals.mean([0.75] * 7).interval == intervals.single_run([0.75] * 7) == unknown
    assert (intervals.paired([0.75] * 7, [0.5] * 7).interval, intervals.paired([0.75] * 7, [0.5] * 7).p) == (unknown, 1)


def test_below_two_values_nothing_is_known_of_the_spread():
    one, none = intervals.mean([0.9, nan]), intervals.mean([nan, nan])
    assert (one.value, one.interval, one.n) == (0.9, Interval(-inf, inf), 1)
    assert isnan(none.value)
    assert (none.interval, none.n) == (Interval(-inf, inf), 0)
    assert intervals.paired([1.0], [2.0]).p == 1.0
    assert intervals.share(0, 0).interval == Interval(0.0, 1.0)


def test_pairs_need_equal_numbers_of_seeds():
    with pytest.raises(ValueError, match="equal numbers of seeds"):
        intervals.paired([1.0, 2.0], [1.0])


def covered(values, target, level=0.95, single=0.0):
    """Share of rows whose interval holds the target, with the arithmetic that `mean` and `single_run` use."""
    n, center, sd = intervals.moments(values)
    half = intervals.student_critical(1 - level, n) * sd * np.sqrt(single + 1 / n)
    return (np.abs(center - target) <= half + 1e-12).mean()


# With 40,000 rows the Monte Carlo error of a share of 95% is 0.1 points (one standard error); 1 point is allowed.
@pytest.mark.parametrize("n", [5, 7, 10, 20, 30])
def test_intervals_hold_the_truth_95_times_in_100_on_normal_data(n):
    rng = np.random.default_rng(n)
    assert covered(rng.normal(0.97, 0.002, (40_000, n)), 0.97) == pytest.approx(0.95, abs=0.01)
    runs, further = rng.normal(0.97, 0.002, (40_000, n)), rng.normal(0.97, 0.002, 40_000)
    assert covered(runs, further, single=1.0) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("n", [5, 7, 10, 20, 30])
def test_intervals_hold_the_truth_95_times_in_100_on_real_accuracies(n, accuracies):
    rng = np.random.default_rng(n)
    assert covered(rng.choice(accuracies, (40_000, n)), accuracies.mean()) == pytest.approx(0.95, abs=0.01)
    gaps = rng.choice(accuracies, (40_000, n)) - rng.choice(accuracies, (40_000, n))
    assert covered(gaps, 0.0) == pytest.approx(0.95, abs=0.01)


def test_the_vectorized_coverage_is_that_of_the_public_functions(accuracies):
    rows = np.random.default_rng(0).choice(accuracies, (200, 5))
    inside = [intervals.mean(row).interval.contains(accuracies.mean(), rounding=1e-12) for row in rows]
    assert np.mean(inside) == covered(rows, accuracies.mean())
    inside = [intervals.single_run(row).contains(0.93) for row in rows]
    assert np.mean(inside) == covered(rows, 0.93, single=1.0)
