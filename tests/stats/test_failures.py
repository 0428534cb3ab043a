"""Failing is a second outcome: its bound, its tests, and what a verdict says of it."""

import numpy as np
import pytest
from scipy import stats

from study.stats import failures, sequential, verdicts


@pytest.mark.parametrize(("failed", "n"), [(0, 10), (1, 10), (3, 5), (9, 10)])
def test_the_bound_is_that_of_scipy_and_holds_where_it_is_needed(failed, n):
    exact = stats.binomtest(failed, n, alternative="less").proportion_ci(0.95, "exact")
    assert failures.of(failed, n).high == pytest.approx(exact.high)


def test_the_test_at_once_is_fisher_s():
    seen = np.ones((1, 10), dtype=bool)
    for theirs, ours in ((0, 0), (1, 0), (4, 1), (7, 7)):
        failed, baseline = np.arange(10) < theirs, np.arange(10) < ours
        table = [[theirs, 10 - theirs], [ours, 10 - ours]]
        (p,) = failures.at_once(failed[None], baseline, seen, seen[0]).p
        assert p == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue if theirs else 1.0)


def test_at_any_time_equal_shares_are_told_apart_in_no_more_than_5_percent_of_runs():
    rng = np.random.default_rng(0)
    seen = np.ones((1, 30), dtype=bool)
    runs = rng.random((2000, 2, 30)) < 0.3
    wrong = [failures.at_any_time(run[:1], run[1], seen, seen[0]).p[0] <= 0.05 for run in runs]
    assert np.mean(wrong) < 0.05


@pytest.mark.parametrize("compare", [verdicts.compare, sequential.compare])
def test_no_verdict_on_values_hides_that_trainings_failed(compare):
    """With guessing for a value, one failure in twenty was called no difference in 48 % of comparisons of ten seeds."""
    rng = np.random.default_rng(1)
    baseline = 0.9 + 0.001 * rng.standard_normal(20)
    failed = np.arange(20) == 7
    better = np.where(failed, np.nan, baseline + 0.02 + 0.001 * rng.standard_normal(20))
    always = np.full(20, np.nan)
    same, few = compare(
        [better, always], baseline, failed=([failed, np.ones(20, dtype=bool)], np.zeros(20, dtype=bool))
    )
    assert (same.verdict, same.words()) == ("helps", "helps where both end")
    assert (same.failed.count, same.failed.n, same.n) == (1, 20, 19)
    assert few.words() == "hurts: 20 of 20 failed, against 0 of 20 (below 14 %)"
