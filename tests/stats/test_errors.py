"""The interval of a paired difference of errors holds what it promises, in the unit of the errors."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from study.stats.errors import compare


@pytest.mark.parametrize("measure", ["rmse", "mae"])
def test_the_interval_covers_the_true_difference_in_95_percent_of_cases(measure):
    """Errors of two models, correlated: their true difference is known, for a normal error's moments are."""
    random, covered, wide = np.random.default_rng(0), 0, 0.0
    true = (1.2 - 1.0) * (1 if measure == "rmse" else np.sqrt(2 / np.pi))
    for _ in range(1000):
        shared, own = random.normal(size=(2, 200)), random.normal(size=(2, 200))
        one, other = 1.2 * (0.8 * shared[0] + 0.6 * own[0]), 0.8 * shared[0] + 0.6 * own[1]
        found = compare(abs(one), abs(other), measure, 0.1)
        covered += found.low <= true <= found.high
        wide += found.high - found.low
    assert 930 <= covered <= 967  # 3.3 standard errors of 1,000 draws around 950
    assert wide / 1000 < 0.4


def test_the_errors_are_scikit_learns_and_scale_with_the_unit():
    random = np.random.default_rng(1)
    true, one, other = random.normal(size=(3, 50))
    for measure, function in (("rmse", root_mean_squared_error), ("mae", mean_absolute_error)):
        found = compare(abs(one - true), abs(other - true), measure, 0.1)
        assert found.candidate == pytest.approx(function(true, one))
        assert found.champion == pytest.approx(function(true, other))
        large = compare(1000 * abs(one - true), 1000 * abs(other - true), measure, 100)
        assert (large.low, large.high) == pytest.approx((1000 * found.low, 1000 * found.high))


@pytest.mark.parametrize(
    ("shift", "noise", "margin", "answer"),
    [(0.0, 0.01, 0.1, "no worse"), (0.5, 0.01, 0.1, "worse"), (0.0, 2.0, 0.01, "too few examples"),
     (0.05, 0.01, 0.1, "no worse"), (-1.0, 0.01, 1e-9, "no worse")],
)  # fmt: skip
def test_no_worse_must_be_shown(shift, noise, margin, answer):
    random = np.random.default_rng(2)
    base = 5 + random.uniform(size=40)
    assert compare(base + shift + noise * random.uniform(-1, 1, 40), base, "rmse", margin).answer == answer


def test_two_models_without_any_error_are_equal():
    assert compare(np.zeros(5), np.zeros(5), "rmse", 0.1).answer == "no worse"
