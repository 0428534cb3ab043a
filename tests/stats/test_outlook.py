from math import nan

import numpy as np
import pytest

from study.stats import outlook, sequential, verdicts


def settled(gaps, smallest):
    """Whether the test that holds at any time has settled one comparison, after each seed."""
    low, high = sequential.confidence_sequence(gaps)
    ratio = np.maximum.accumulate(sequential.log_ratios(gaps))
    return np.maximum.accumulate((ratio > np.log(20)) | ((-smallest < low) & (high < smallest)))


@pytest.mark.parametrize("smallest", [0.5, 1.0])
@pytest.mark.parametrize("n", [3, 5, 10])
def test_half_and_nine_in_ten_are_settled_by_then_if_effects_are_of_any_size(n, smallest):
    rng, even, most = np.random.default_rng(n), [], []
    while len(even) < 150:
        effect = rng.uniform(-3, 3)
        gaps = rng.standard_normal(n) + effect
        found = outlook.of(n, gaps.mean(), gaps.std(ddof=1), smallest=smallest)
        if verdicts.compare([gaps], np.zeros(n), smallest=smallest)[0].verdict == "not enough seeds" and found.most:
            path = settled(np.concatenate([gaps, rng.standard_normal(found.most) + effect]), smallest)
            even.append(path[n + found.even - 1])
            most.append(path[-1])
    assert 0.4 < np.mean(even) < 0.7
    assert np.mean(most) > 0.87


def test_a_continuation_is_merged_from_blocks_as_its_seeds_would_be():
    seen = np.random.default_rng(0).normal(0.3, 1, 4)
    count, mean, sd = outlook._continued(4, seen.mean(), seen.std(ddof=1))
    of_sd, of_mean, means, squares = outlook._chances(4)
    sigma = seen.std(ddof=1) * of_sd[0]
    drawn = seen.mean() + sigma / 2 * of_mean[0] + sigma * means[0, :30]  # the first 30 blocks are one seed each
    for looks in (1, 2, 30):
        together = np.concatenate([seen, drawn[:looks]])
        assert count[looks - 1] == together.size
        assert mean[0, looks - 1] == pytest.approx(together.mean())
        assert sd[0, looks - 1] == pytest.approx(together.std(ddof=1))
    assert squares[:, 30:].mean(0) == pytest.approx(outlook.SIZES[30:] - 1, rel=0.2, abs=0.2)


def test_the_unit_does_not_matter_and_a_larger_family_needs_more():
    alone = outlook.of(6, 0.8, 1.0, smallest=0.5)
    assert outlook.of(6, 0.004, 0.005, smallest=0.0025) == alone
    eight = outlook.of(6, 0.8, 1.0, smallest=0.5, family=8, undecided=8)
    assert eight.even > alone.even
    assert eight.most > alone.most


def test_what_ten_thousand_seeds_cannot_settle_has_no_number():
    found = outlook.of(1_000, 0.0, 1.0, smallest=1e-4)
    assert found == outlook.Outlook(None, None)
    assert found.words() == "over 10,000 more needed"


@pytest.mark.parametrize(("n", "sd", "even"), [(0, nan, 3), (1, nan, 2), (5, nan, 1)])
def test_without_a_spread_only_the_first_estimate_is_told(n, sd, even):
    assert outlook.of(n, 0.1, sd, smallest=0.005) == outlook.Outlook(even, None)
