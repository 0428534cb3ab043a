from itertools import combinations, permutations
from math import nan

import numpy as np
import pytest
from scipy import stats

from study.stats import expected

VALUES = [0.31, 0.74, 0.52, 0.52, 0.11, 0.93]


@pytest.mark.parametrize(("direction", "best"), [("maximize", max), ("minimize", min)])
def test_the_expected_best_of_n_is_the_mean_over_all_choices_of_n(direction, best):
    curve = expected.expected_best(VALUES, direction)
    for n in range(1, len(VALUES) + 1):
        choices = [best(choice) for choice in combinations(VALUES, n)]
        assert curve.mean[n - 1] == pytest.approx(np.mean(choices))


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_band_holds_the_share_of_all_choices_that_it_says(direction):
    best = max if direction == "maximize" else min
    curve = expected.expected_best(VALUES, direction, inside=0.6)
    for n in (1, 2, 3):
        choices = np.array([best(choice) for choice in combinations(VALUES, n)])
        assert np.mean((choices >= curve.low[n - 1]) & (choices <= curve.high[n - 1])) >= 0.6
        assert {curve.low[n - 1], curve.high[n - 1]} <= set(VALUES)


def test_the_estimate_is_unbiased_where_drawing_with_replacement_is_too_low():
    trials = np.random.default_rng(3).standard_normal((4_000, 20))
    of_ten = [expected.expected_best(row).mean[9] for row in trials]
    truth = stats.norm.expect(lambda x: 10 * x * stats.norm.cdf(x) ** 9)
    assert np.mean(of_ten) == pytest.approx(truth, abs=3 * np.std(of_ten) / 4_000**0.5)


def test_trials_without_a_value_are_left_out():
    curve = expected.expected_best([0.1, nan, 0.3])
    assert curve.mean.tolist() == pytest.approx([0.2, 0.3])
    assert expected.expected_best([nan]).mean.size == 0


def test_two_thousand_trials_stay_exact():
    curve = expected.expected_best(np.arange(2_000.0))
    n = np.arange(1, 2_001)
    assert curve.mean == pytest.approx(n * 2_001 / (n + 1) - 1)  # mean of the largest of n among 1 to 2,000, less 1


def test_some_numbers_of_ten_thousand_trials_need_no_square_of_memory():
    curve = expected.expected_best(np.arange(10_000.0), at=[1, 5_000, 10_000])
    assert curve.at.tolist() == [1, 5_000, 10_000]
    assert curve.mean == pytest.approx([4_999.5, 5_000 * 10_001 / 5_001 - 1, 9_999])


def test_the_best_so_far_ignores_failed_trials():
    values = [[nan, 0.3, 0.1, 0.5], [0.2, nan, float("inf"), 0.1]]
    found = expected.best_so_far(values, "minimize")
    assert np.array_equal(found, [[nan, 0.3, 0.1, 0.1], [0.2, 0.2, 0.2, 0.1]], equal_nan=True)


def test_the_best_in_time_is_the_mean_over_random_orders():
    values, seconds = np.array([0.2, 0.9, 0.5, nan]), np.array([1.0, 4.0, 2.0, 1.0])
    at = np.array([5.5, 8.0])
    by_hand = []
    for order in permutations(range(4)):
        done = seconds[list(order)].cumsum()
        by_hand.append([np.nanmax(values[list(order)][done <= when]) for when in at])
    curve = expected.best_in_time(values, seconds, at, orders=20_000)
    assert curve.mean == pytest.approx(np.mean(by_hand, axis=0), abs=0.01)
    assert (curve.low[1], curve.high[1]) == (0.9, 0.9)


def test_the_best_in_time_is_the_same_every_time():
    def curve():
        return expected.best_in_time(VALUES, np.arange(1.0, 7.0), [8.0, 12.0], direction="minimize")

    assert np.array_equal(curve().mean, curve().mean)
    assert np.array_equal(curve().low, curve().low)


def test_before_every_order_has_a_trial_there_is_no_mean():
    assert np.isnan(expected.best_in_time([0.2, 0.9], [1.0, 4.0], [2.0]).mean).all()


def test_equal_seconds_give_the_expected_best():
    curve = expected.best_in_time(VALUES, np.ones(6), np.arange(1.0, 7.0), orders=40_000)
    assert curve.mean == pytest.approx(expected.expected_best(VALUES).mean, abs=0.01)


def test_the_band_of_repeated_curves_is_students():
    curves = np.random.default_rng(5).random((6, 3))
    low, high = stats.t.interval(0.95, 5, curves.mean(0), stats.sem(curves))
    found = expected.mean_curve([1, 2, 3], curves)
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(high)
    assert np.isinf(expected.mean_curve([1], [[0.5]]).high).all()
