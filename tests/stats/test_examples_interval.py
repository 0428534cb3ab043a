"""Intervals on new examples: seeds and test examples are both a sample."""

import numpy as np
import pytest
from scipy import special

from study.stats import examples, intervals


def population(rng, runs, seeds, count):
    """Right or wrong by examples of very different difficulty, and by seeds: (runs, seeds, examples)."""
    difficulty = 3.4 + 2.6 * rng.standard_normal((runs, 1, count))
    return rng.random((runs, seeds, count)) < special.expit(difficulty + 0.3 * rng.standard_normal((runs, seeds, 1)))


def test_the_mean_on_new_examples_is_held_where_the_interval_over_seeds_fails():
    rng = np.random.default_rng(0)
    truth = special.expit(3.4 + (2.6**2 + 0.3**2) ** 0.5 * rng.standard_normal(4_000_000)).mean()
    held, over_seeds = [], []
    for correct in population(rng, 400, 5, 100):
        seeds = intervals.mean(correct.mean(1), step=0.01).interval
        over_seeds.append(seeds.contains(truth))
        held.append(examples.of_mean(seeds, correct).contains(truth))
    assert np.mean(over_seeds) < 0.88
    assert np.mean(held) > 0.93


def test_differences_on_new_examples_are_held():
    rng = np.random.default_rng(1)
    held = []
    for one, other in zip(population(rng, 200, 5, 100), population(rng, 200, 5, 100), strict=True):
        seeds = intervals.paired(one.mean(1), other.mean(1), step=0.01).interval
        held.append(examples.of_difference(seeds, one, other).contains(0.0))
    assert np.mean(held) > 0.93


@pytest.mark.parametrize(("gained", "lost", "n"), [(12, 2, 50), (0, 3, 40), (0, 0, 30)])
def test_tango_s_interval_is_where_the_score_with_the_restricted_likelihood_reaches_the_critical_value(gained, lost, n):
    found = examples.tango(gained, lost, n, 1.96)
    for at, sign in ((found.low, 1), (found.high, -1)):
        shares = np.linspace(max(0.0, -at), (1 - at) / 2 if at < 1 else 0.0, 400_001)[1:-1]
        likelihood = (
            gained * np.log(np.maximum(shares + at, 1e-300))
            + lost * np.log(shares)
            + (n - gained - lost) * np.log(np.maximum(1 - 2 * shares - at, 1e-300))
        )
        best = shares[likelihood.argmax()]
        score = (gained - lost - n * at) / (n * (2 * best + at - at**2)) ** 0.5
        assert score == pytest.approx(sign * 1.96, abs=0.01)
