"""McNemar's test against the binomial test, published figures, and its own promise by simulation."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from scipy.stats import binomtest

from study.stats import mcnemar
from study.stats.mcnemar import LEVEL, compare, mid_p


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (0, 1), (3, 9), (10, 2), (40, 61), (1000, 1100)])
def test_it_is_the_exact_test_less_half_of_the_probability_of_what_was_seen(gained, lost):
    n = gained + lost
    exact = binomtest(lost, n, alternative="greater").pvalue if n else 1.0
    beyond = binomtest(lost + 1, n, alternative="greater").pvalue if lost < n else 0.0
    assert mid_p(gained, lost) == pytest.approx((exact + beyond) / 2, rel=1e-9)


def test_twice_the_smaller_side_is_the_published_mid_p():
    """Fagerland et al. 2013, table 1 (airway hyper-responsiveness): 1 against 7, mid-p 0.039."""
    assert 2 * mid_p(1, 7) == pytest.approx(0.039, abs=5e-4)


def test_the_two_sides_add_up_to_one():
    assert mid_p(3, 11) + mid_p(11, 3) == pytest.approx(1)


@pytest.mark.parametrize(
    ("candidate", "champion", "worse"),
    [
        ([True] * 90 + [False] * 10, [True] * 90 + [False] * 10, False),  # the same
        ([True] * 80 + [False] * 20, [True] * 90 + [False] * 10, True),  # loses 10, gains none
        ([True] * 90 + [False] * 10, [True] * 80 + [False] * 20, False),  # better
        ([True] * 88 + [False] * 12, [True] * 90 + [False] * 10, False),  # loses 2: may be chance
    ],
)
def test_only_what_is_surely_worse_is_called_so(candidate, champion, worse):
    found = compare(candidate, champion)
    assert (found.n, found.worse) == (100, worse)


def test_a_candidate_as_good_as_the_champion_is_called_worse_no_oftener_than_promised():
    random = np.random.default_rng(0)
    called = 0
    for _ in range(2000):
        both, disputed = random.random(400) < 0.9, random.random(400) < 0.06
        side = random.random(400) < 0.5
        called += compare(np.where(disputed, side, both), np.where(disputed, ~side, both)).worse
    assert called / 2000 <= LEVEL + 0.01


@pytest.mark.parametrize(("one", "other"), [([], []), ([True], [True, False]), ([[True]], [[True]])])
def test_what_cannot_be_paired_is_refused(one, other):
    with pytest.raises(ValueError, match="want two arrays"):
        compare(one, other)


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(mcnemar) == (0, 3)
