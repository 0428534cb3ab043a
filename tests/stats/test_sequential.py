from dataclasses import replace
from math import nan

import numpy as np
import pytest
from scipy import integrate, stats

from study.stats import mixture, sequential, verdicts

CAP = 30
EQUAL = np.zeros(8)


def families(count, *, runs=None, effects=EQUAL):
    """Differences of variants to a shared baseline over 30 seeds, drawn from normal data or from real runs."""
    rng = np.random.default_rng(11)
    size = (count, len(effects) + 1, CAP)
    drawn = rng.standard_normal(size) if runs is None else rng.choice(runs, size)
    return drawn[:, 1:] - drawn[:, :1] + effects[:, None]


def any_time_p(gaps):
    """Holm-adjusted p values of (families, variants, seeds) over all looks."""
    return verdicts.holm(np.exp(-np.maximum(sequential.log_ratios(gaps).max(-1), 0.0)))


def likelihood_ratio(t, n):
    """The definition: noncentral t densities averaged over normal effects of variance 4, by the central one."""

    def weighted(d):
        return stats.nct.pdf(t, n - 1, d * n**0.5) * stats.norm.pdf(d, scale=2)

    return integrate.quad(weighted, -12, 12, points=[t / n**0.5], limit=200)[0] / stats.t.pdf(t, n - 1)


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_the_ratio_is_the_mixture_of_noncentral_t_densities(n):
    gaps = np.random.default_rng(n).normal(0.8, 1, n)
    t = stats.ttest_1samp(gaps, 0).statistic
    assert np.exp(sequential.log_ratios(gaps)[-1]) == pytest.approx(likelihood_ratio(t, n), rel=1e-6)


@pytest.mark.parametrize("n", [2, 4, 10])
def test_the_ratio_has_mean_1_without_an_effect(n):
    def weighted(t):
        spread = np.sqrt((n - 1) / 2)  # two of the values lie off the mean, the rest on it
        gaps = np.full(n, t / n**0.5)
        gaps[0], gaps[1] = gaps[0] + spread, gaps[1] - spread
        return np.exp(sequential.log_ratios(gaps)[-1]) * stats.t.pdf(t, n - 1)

    assert 2 * integrate.quad(weighted, 0, np.inf, limit=200)[0] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("error", [0.05, 0.05 / 8])
@pytest.mark.parametrize("n", [5, 10, 30])
def test_the_critical_value_is_where_the_ratio_reaches_1_by_the_error(error, n):
    gaps = np.random.default_rng(n).normal(0, 1, n)
    at = mixture.critical(error, n) * gaps.std(ddof=1) / n**0.5
    assert sequential.log_ratios(gaps - gaps.mean() + at)[-1] == pytest.approx(-np.log(error))


# Without effect each family has a chance of at most 5% of any verdict at any of the looks. 6,000 families: one standard
# error is 0.28 points; the mixture's own error is near 2%, so no allowance is needed.
def test_of_families_looked_at_after_every_seed_no_more_than_5_in_100_get_a_verdict(accuracies):
    assert 0.01 < (any_time_p(families(6_000)) <= 0.05).any(-1).mean() <= 0.05
    assert (any_time_p(families(6_000, runs=accuracies)) <= 0.05).any(-1).mean() <= 0.05


def test_equal_variants_among_others_with_effects_keep_that_promise():
    gaps = families(6_000, effects=np.array([3.0, 3, 3, 3, 3, 3, 0, 0]))
    assert (any_time_p(gaps)[:, 6:] <= 0.05).any(-1).mean() <= 0.05


def test_the_confidence_sequence_never_leaves_the_truth_in_95_of_100_cases(accuracies):
    for gaps in (families(6_000, effects=np.array([0.7])), families(6_000, runs=accuracies, effects=np.array([0.7]))):
        low, high = sequential.confidence_sequence(gaps)
        assert ((low <= 0.7) & (high >= 0.7)).all(-1).mean() >= 0.95


def test_variants_that_differ_by_x_are_seldom_called_no_different():
    low, high = sequential.confidence_sequence(families(6_000, effects=np.full(8, 2.0)), 1 - 0.05 / 8)
    assert ((low > -2.0) & (high < 2.0)).any((-1, -2)).mean() <= 0.025


# Mean seeds until settled, alone at 5%, as docs/statistics.md has them: 13.5, 6.2 and 4.8; 4,000 paths each.
@pytest.mark.parametrize(("d", "most"), [(1.0, 14.0), (2.0, 6.5), (3.0, 5.0)])
def test_an_effect_is_found_in_few_seeds(d, most):
    crossed = sequential.log_ratios(np.random.default_rng(0).normal(d, 1, (4_000, CAP))) >= np.log(20)
    assert np.where(crossed.any(-1), crossed.argmax(-1) + 1, CAP).mean() < most


def test_a_settled_verdict_stays_whatever_comes_after():
    rank = ["not enough seeds", "no difference", "helps"]  # one that is no difference may become a small help
    for gaps in families(25, effects=np.array([0.0, 0.7, 3.0])):
        looks = [sequential.compare(gaps[:, :n], np.zeros(n), smallest=2.0) for n in range(1, CAP + 1)]
        for of_variant in zip(*looks, strict=True):
            ranks = [rank.index(each.verdict.replace("hurts", "helps")) for each in of_variant]
            assert ranks == sorted(ranks)
            assert len({each.verdict for each in of_variant} & {"helps", "hurts"}) <= 1


def test_the_families_of_the_simulations_are_judged_as_by_the_public_function():
    for gaps in families(40, effects=np.array([0.0, 0.0, 1.0, 3.0])):
        found = sequential.compare(gaps, np.zeros(CAP))
        assert [each.p_adjusted for each in found] == pytest.approx(list(any_time_p(gaps)))


@pytest.mark.parametrize(("direction", "verdict"), [("maximize", "hurts"), ("minimize", "helps")])
def test_the_direction_decides_what_helps(direction, verdict):
    gaps = np.random.default_rng(0).normal(-5, 1, 12)
    assert sequential.compare([gaps], np.zeros(12), direction=direction)[0].verdict == verdict


def test_missing_seeds_are_passed_over():
    gaps = np.random.default_rng(1).normal(0.5, 1, 12)
    holes = np.insert(gaps, [0, 3, 3, 12], nan)
    (whole,), (with_holes,) = (sequential.compare([row], np.zeros(len(row))) for row in (gaps, holes))
    assert replace(with_holes, baseline_failed=whole.baseline_failed) == whole


def test_a_variant_without_any_seed_is_undecided():
    (found,) = sequential.compare([[nan, nan]], [0.9, 0.9])
    assert (found.verdict, found.n, found.p, found.more.even) == ("not enough seeds", 0, 1.0, 3)


def test_ties_at_the_start_do_not_pin_the_interval():
    gaps = [0.0, 0, 0, 0, 0, 0, 0.02, 0.01, 0.03, 0.02, 0.02, 0.01]
    (found,) = sequential.compare([gaps], np.zeros(12), smallest=0.001)
    assert found.interval.low < 0.01 < found.interval.high
    assert found.verdict == "not enough seeds"


def test_equal_differences_on_a_coarse_metric_wait_for_more_seeds():
    gaps = np.full(5, 1 / 114)
    (unknown,), (waits,) = (sequential.compare([gaps], np.zeros(5), step=step) for step in (0.0, 1 / 114))
    assert (unknown.verdict, waits.verdict) == ("not enough seeds", "not enough seeds")
    half = mixture.critical(0.05, 5) / 114 / 5**0.5
    assert waits.interval.high == pytest.approx(1 / 114 + half)


def test_a_verdict_keeps_the_sign_that_it_was_settled_with():
    gaps = np.concatenate([np.random.default_rng(0).normal(3, 1, 10), np.full(40, -3.0)])
    (found,) = sequential.compare([gaps], np.zeros(50))
    assert found.difference < 0
    assert found.verdict == "helps"


def test_a_cap_that_is_raised_later_breaks_no_promise():
    gaps = np.random.default_rng(3).standard_normal((4_000, 300))
    assert (sequential.log_ratios(gaps).max(-1) >= np.log(20)).mean() <= 0.05
