"""One verdict over data sets errs as rarely as it says, weighs each data set once, and needs six to speak of others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from study.stats.intervals import Interval
from study.stats.several import averages, ranks

SPREADS = (0.002, 0.005, 0.02)


def drawn(rng, variants=3, seeds=5, spreads=SPREADS, shift=0.0):
    """Values and baselines of data sets that differ in their noise."""
    base = [rng.normal(0.9, sd, seeds) for sd in spreads]
    values = [np.array([rng.normal(0.9 + shift, sd, seeds) for _ in range(variants)]) for sd in spreads]
    return values, base, [1e-4] * len(spreads)


def test_equal_variants_are_rarely_called_better_or_worse():
    rng = np.random.default_rng(0)
    found = [averages(*drawn(rng)) for _ in range(600)]
    assert np.mean([any(each.p_adjusted <= 0.05 for each in family) for family in found]) < 0.08
    held = [all(each.interval.low <= 0 <= each.interval.high for each in family) for family in found]
    assert np.mean(held) > 0.92


def test_each_data_set_counts_once():
    values = [np.array([[0.9, 0.91, 0.92]]), np.array([[0.5, 0.51, 0.52, 0.53, 0.54, 0.55]])]
    base = [np.array([0.9, 0.9, 0.9]), np.full(6, 0.5)]
    (found,) = averages(values, base, [0.001, 0.001])
    assert found.difference == pytest.approx((0.01 + 0.025) / 2)
    assert found.better == 2
    pooled = np.array([0.0, 0.01, 0.02, 0.0, 0.01, 0.02, 0.03, 0.04, 0.05])
    assert found.iqm == pytest.approx(stats.trim_mean(pooled, 0.25))
    assert found.iqm_interval.low < found.iqm < found.iqm_interval.high


def test_with_equal_noise_it_is_welch_s_test_of_one_mean():
    rng = np.random.default_rng(1)
    difference = rng.normal(0.01, 0.01, 8)
    (found,) = averages([difference[None]], [np.zeros(8)], [0.0])
    assert found.p_adjusted == pytest.approx(stats.ttest_1samp(difference, 0).pvalue)


def test_six_data_sets_say_something_of_others_and_five_do_not():
    rng = np.random.default_rng(2)
    values, base, steps = drawn(rng, variants=1, spreads=(0.002,) * 6, shift=0.01)
    assert averages(values, base, steps)[0].p_others == pytest.approx(2 / 2**6)
    assert averages(values[:5], base[:5], steps[:5])[0].p_others is None


@pytest.mark.parametrize(("direction", "verdict"), [("maximize", "helps"), ("minimize", "hurts")])
def test_the_direction_decides_what_helps(direction, verdict):
    values, base, steps = drawn(np.random.default_rng(3), shift=0.05)
    for each in averages(values, base, steps, direction):
        assert each.verdict == verdict
        assert each.better == (3 if verdict == "helps" else 0)


def test_a_small_difference_is_none_and_failed_trainings_are_left_out():
    rng = np.random.default_rng(4)
    values, base, steps = drawn(rng, variants=1, seeds=20, spreads=(0.0005, 0.0005))
    values[0][0, :3] = np.nan
    (found,) = averages(values, base, steps)
    assert found.verdict == "no difference"
    assert np.isfinite(found.difference)


def test_one_seed_on_a_data_set_is_not_enough():
    values = [np.array([[0.9]]), np.array([[0.5, 0.6]])]
    (found,) = averages(values, [np.array([0.8]), np.array([0.4, 0.5])], [0.01, 0.01])
    assert found.verdict == "not enough seeds"
    assert found.interval.high == np.inf


def test_ranks_are_means_over_data_sets():
    means = np.array([[0.9, 0.8], [0.7, 0.8], [0.5, 0.5]])
    assert ranks(means).tolist() == pytest.approx([1.5, 1.5])
    assert ranks(means[:1], "minimize").tolist() == [2, 1]


def test_the_baseline_s_recipe_under_another_name_makes_no_difference_whatever_the_metric_shows():
    base = [np.array([0.3, 0.4]), np.array([0.1, 0.2])]
    (found,) = averages([each[None] for each in base], base, [0.0, 0.0], "minimize", same=[True])
    assert (found.verdict, found.difference, found.interval, found.p_adjusted) == (
        "no difference",
        0,
        Interval(0, 0),
        1,
    )


def test_those_that_are_not_here_share_the_error():
    values, base, steps = drawn(np.random.default_rng(5), variants=1, shift=0.01)
    (alone,), (among,) = averages(values, base, steps), averages(values, base, steps, family=5)
    assert among.p_adjusted == pytest.approx(min(1, 5 * alone.p_adjusted))
    assert among.interval.low < alone.interval.low


def test_a_variant_that_fails_on_one_data_set_is_last_there_and_the_others_keep_their_figures():
    means = np.array([[0.9, 0.8, -np.inf], [0.7, 0.8, 0.9], [0.1, np.nan, np.nan]])
    assert ranks(means).tolist() == [2, 2, 2]  # the last data set has not been run yet
    assert ranks(-means, "minimize").tolist() == [2, 2, 2]
    assert np.isnan(ranks(means[2:])).all()
    values, base, steps = drawn(np.random.default_rng(6), variants=2, spreads=(0.002,) * 7, shift=0.01)
    values[0][0] = np.nan
    failed, other = averages(values, base, steps)
    assert failed.p_others == pytest.approx(2 / 2**6)
    assert other.p_others == pytest.approx(2 * 2 / 2**7)
