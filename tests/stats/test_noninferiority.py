"""No worse by more than a margin: shown, not merely not refuted."""

import numpy as np
import pytest

from study.stats import noninferiority


def pair(rng, n, loss, apart=0.04):
    """Two classifiers that differ on some examples; the first is worse by `loss`."""
    drawn = rng.random(n)
    gained, lost = drawn < (apart - loss) / 2, (drawn > 1 - (apart + loss) / 2)
    return ~lost, ~gained


@pytest.mark.parametrize("n", [360, 10_000])
def test_a_model_that_is_worse_by_the_margin_hardly_ever_passes(n):
    """By failing to reject that it is no worse, one that was a point worse passed in 81 % of cases."""
    rng = np.random.default_rng(n)
    passed = [noninferiority.compare(*pair(rng, n, 0.01), margin=0.01).answer == "no worse" for _ in range(1000)]
    assert np.mean(passed) < 0.025 + 2 * (0.025 * 0.975 / 1000) ** 0.5


def test_few_examples_answer_that_they_are_too_few_and_many_pass_an_equal_model():
    rng = np.random.default_rng(0)
    answers = {n: {noninferiority.compare(*pair(rng, n, 0.0)).answer for _ in range(20)} for n in (100, 40_000)}
    assert answers == {100: {"too few examples"}, 40_000: {"no worse"}}
    assert noninferiority.compare(*pair(rng, 10_000, 0.02)).answer == "worse"
