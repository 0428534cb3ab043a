from itertools import product

import numpy as np
import pytest
from scipy import special

from study.stats import shape

MIDDLES = (np.arange(20) + 0.5) / 20  # samples as even as they can be: the quantiles at these
NORMAL, LONG = special.ndtri(MIDDLES) + 0.2, -np.log(1 - MIDDLES) - 1
TWO = np.concatenate([NORMAL[::2] / 5 - 2, NORMAL[::2] / 5 + 2])


def test_the_p_value_is_that_of_all_flips():
    gaps = NORMAL[:9]
    means = [abs(np.mean(gaps * signs)) for signs in product([-1, 1], repeat=9)]
    assert shape.of(gaps).flipped_p == pytest.approx(np.mean(np.array(means) >= abs(gaps.mean()) - 1e-12))


@pytest.mark.parametrize(
    ("gaps", "looks"), [(NORMAL, None), (LONG, "skewed"), (-LONG, "skewed"), (TWO, "in two groups")]
)
def test_differences_that_are_not_normal_are_named(gaps, looks):
    assert shape.of(gaps).looks == looks


def test_five_seeds_equal_ones_and_coarse_ones_say_nothing():
    assert shape.of(NORMAL[:5]) is None
    assert shape.of([0.0] * 8) == shape.Shape(1.0, None)
    assert shape.of(np.round(LONG), step=1).looks is None
    assert shape.of([*NORMAL[:6], np.nan]) == shape.of(NORMAL[:6])


def test_normal_differences_are_seldom_said_to_look_otherwise():
    drawn = np.random.default_rng(0).standard_normal((300, 10))
    assert np.mean([shape.of(gaps).looks is not None for gaps in drawn]) < 0.09
