from math import inf, nan

import numpy as np
import pytest
from scipy import stats

from study.stats import intervals, outlook, power, sequential, verdicts
from study.stats.intervals import Interval

BASELINE = np.random.default_rng(1).normal(0.97, 0.002, 10)
EQUAL = np.zeros(8)
NOISE = np.random.default_rng(2).normal(0, 0.002, 10)


def fixed_p(gaps, step=0.0):
    """Holm-adjusted p values of (families, variants, seeds), as `compare` computes them for one family."""
    n, center, sd = intervals.moments(gaps)
    return verdicts.holm(intervals.student_p(n, center, intervals.spread(sd, step)))


def families(n, *, count, runs=None, effects=EQUAL):
    """Differences of variants to a shared baseline, drawn from normal data or from real runs."""
    rng = np.random.default_rng(n)
    size = (count, len(effects) + 1, n)
    drawn = rng.standard_normal(size) if runs is None else rng.choice(runs, size)
    return drawn[:, 1:] - drawn[:, :1] + effects[:, None]


def test_p_values_are_those_of_scipy():
    variants = np.stack([BASELINE + NOISE, BASELINE - 2 * NOISE + 0.001])
    found = verdicts.compare(variants, BASELINE)
    expected = [stats.ttest_rel(row, BASELINE).pvalue for row in variants]
    assert [each.p for each in found] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.01, 0.02, 0.03, 0.04], [0.04, 0.06, 0.06, 0.06]),
        ([0.04, 0.001, 0.9, 0.012], [0.08, 0.004, 0.9, 0.036]),
        ([0.7, 0.6], [1.0, 1.0]),
        ([0.03], [0.03]),
    ],
)
def test_p_values_are_adjusted_as_holm_says(p, adjusted):
    assert verdicts.holm(p) == pytest.approx(adjusted)
    assert verdicts.holm([p, p])[1] == pytest.approx(adjusted)


@pytest.mark.parametrize(
    ("shift", "spread", "smallest", "direction", "verdict"),
    [
        (0.01, 1.0, 0.005, "maximize", "helps"),
        (0.01, 1.0, 0.005, "minimize", "hurts"),
        (-0.01, 1.0, 0.005, "maximize", "hurts"),
        (-0.01, 1.0, 0.005, "minimize", "helps"),
        (0.0, 1.0, 0.005, "maximize", "no difference"),
        (0.0, 1.0, 0.0005, "maximize", "not enough seeds"),
        (0.0, 5.0, 0.005, "maximize", "not enough seeds"),
        (0.0, 0.0, 0.005, "maximize", "not enough seeds"),
    ],
)
def test_a_difference_gets_its_verdict(shift, spread, smallest, direction, verdict):
    variant = BASELINE + shift + spread * (NOISE - NOISE.mean())
    (found,) = verdicts.compare([variant], BASELINE, smallest=smallest, direction=direction)
    assert found.verdict == verdict
    assert (found.more == outlook.SETTLED) == (verdict != "not enough seeds")


def test_a_known_worse_variant_hurts_from_five_seeds(good_and_worse):
    baseline, variant = good_and_worse
    worse, same = verdicts.compare([variant, baseline], baseline, step=0.001, same=[False, True])
    assert (worse.verdict, same.verdict) == ("hurts", "no difference")
    assert worse.interval.high < 0
    assert worse.wins.value == 0
    assert same.interval == Interval(0.0, 0.0)


def test_an_interval_is_cut_at_zero_where_holm_settles_the_sign():
    noise = np.array([-1.0, 1.0, -1.0, 1.0, 0.0])
    clear, close = verdicts.compare([100 + noise, 1.3 + noise], np.zeros(5))
    assert close.p * 2 > 0.05 >= close.p_adjusted
    assert (clear.verdict, close.verdict) == ("helps", "helps")
    assert close.interval.low == 0.0


def test_the_verdict_can_be_read_from_the_interval():
    for gaps in families(6, count=300, effects=np.array([0.0, 0.5, 1.5, -3.0])):
        for each in verdicts.compare(gaps, np.zeros(6), smallest=1.5):
            low, high = each.interval.low, each.interval.high
            read = "helps" if low >= 0 else "hurts" if high <= 0 else "no difference" if each.small else None
            assert each.verdict == (read or "not enough seeds")
            assert (each.p_adjusted <= 0.05) == (each.verdict in {"helps", "hurts"})


# Without effect each family has a chance of at most 5% of any verdict. 8,000 families: one standard error is 0.24
# points, and three are allowed above the promise.
@pytest.mark.parametrize("n", [5, 10])
def test_of_families_of_equal_variants_no_more_than_5_in_100_get_a_verdict(n, accuracies):
    bound = 0.05 + 3 * (0.05 * 0.95 / 8_000) ** 0.5
    assert 0.03 < (fixed_p(families(n, count=8_000)) <= 0.05).any(-1).mean() < bound
    assert (fixed_p(families(n, count=8_000, runs=accuracies)) <= 0.05).any(-1).mean() < bound


def test_equal_variants_among_others_with_effects_keep_that_promise():
    gaps = families(10, count=8_000, effects=np.array([3.0, 3, 3, 3, 3, 0, 0, 0]))
    assert (fixed_p(gaps)[:, 5:] <= 0.05).any(-1).mean() < 0.05 + 3 * (0.05 * 0.95 / 8_000) ** 0.5


def test_variants_that_differ_by_x_are_seldom_called_no_different():
    gaps = families(10, count=8_000, effects=np.full(8, 2.0))
    _, center, sd = intervals.moments(gaps)
    half = intervals.student_critical(0.05 / 8, 10) * sd / 10**0.5
    assert (np.abs(center) + half < 2.0).any(-1).mean() < 0.025 + 3 * (0.025 * 0.975 / 8_000) ** 0.5


def test_the_families_of_the_simulations_are_judged_as_by_the_public_function():
    for gaps in families(5, count=60, effects=np.array([0.0, 0.0, 2.0, 5.0])):
        found = verdicts.compare(gaps, np.zeros(5))
        assert [each.p_adjusted for each in found] == pytest.approx(list(fixed_p(gaps)))


def test_three_equal_differences_on_a_coarse_metric_are_no_verdict():
    runs = np.random.default_rng(0).binomial(114, 0.995, (8_000, 9, 3)) / 114
    gaps = runs[:, 1:] - runs[:, :1]
    for step in (0.0, 1 / 114):  # the resolution is not known, or is
        assert (fixed_p(gaps, step) <= 0.05).any(-1).mean() < 0.05
    (found,) = verdicts.compare([[1 / 114] * 3], [0.0] * 3, step=1 / 114)
    assert found.verdict == "not enough seeds"


@pytest.mark.parametrize(("d", "seeds"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10), (2.0, 5)])
def test_the_seeds_needed_to_find_an_effect_are_those_of_the_books(d, seeds):
    assert power.seeds_needed(d, 1.0) == seeds
    assert power.seeds_needed(-d * 0.003, 0.003) == seeds


@pytest.mark.parametrize(("difference", "smallest"), [(0.0, 1.0), (0.4, 1.2)])
def test_the_seeds_needed_to_rule_an_effect_out_do_so_in_four_cases_of_five(difference, smallest):
    def ruled_out(n):
        _, center, sd = intervals.moments(np.random.default_rng(n).normal(difference, 1, (40_000, n)))
        return (np.abs(center) + intervals.student_critical(0.05, n) * sd / n**0.5 < smallest).mean()

    needed = power.seeds_needed(difference, 1.0, smallest=smallest, undecided=1_000_000)  # none can be found
    assert ruled_out(needed) == pytest.approx(0.8, abs=0.05)
    assert ruled_out(needed) > 0.79
    assert ruled_out(needed - 1) < 0.81


def test_more_seeds_are_estimated_from_the_differences_seen():
    (found,) = verdicts.compare([BASELINE + 0.0012 + NOISE - NOISE.mean()], BASELINE, smallest=0.0005)
    assert found.verdict == "not enough seeds"
    assert found.more == outlook.of(10, found.difference, found.sd, smallest=0.0005)
    assert 0 < found.more.even < found.more.most
    assert found.words(100, " points") == f"not enough seeds ({found.more.even} to {found.more.most} more needed)"


@pytest.mark.parametrize(("shift", "smallest"), [(0.0002, 0.0015), (0.0012, 0.0)])
def test_more_seeds_are_counted_at_the_error_that_the_family_leaves(shift, smallest):
    variant = BASELINE + shift + NOISE - NOISE.mean()
    _, found, _ = verdicts.compare([BASELINE + 0.05 + NOISE, variant, variant], BASELINE, smallest=smallest)
    assert found.verdict == "not enough seeds"
    left = {"family": 3, "undecided": 2}  # intervals hold for all three, Holm has two left to test
    assert found.more == outlook.of(10, found.difference, found.sd, smallest=smallest, **left)


def test_missing_seeds_leave_their_pairs_out_and_missing_variants_stay_in_the_family():
    variant = np.where(np.arange(10) % 3 == 0, nan, BASELINE + 0.001 + NOISE)
    found, gone = verdicts.compare([variant, [nan] * 9 + [0.9]], BASELINE)
    (alone,) = verdicts.compare([variant[np.isfinite(variant)]], BASELINE[np.isfinite(variant)])
    assert (found.n, found.difference, found.p) == (6, alone.difference, alone.p)
    assert found.p_adjusted == min(1.0, 2 * alone.p)
    assert (gone.verdict, gone.n, gone.p, gone.more.even) == ("not enough seeds", 1, 1.0, 2)
    assert gone.interval == Interval(-inf, inf)


def test_small_differences_that_are_sure_are_called_small():
    (found,) = verdicts.compare([BASELINE + 0.001 + (NOISE - NOISE.mean()) / 20], BASELINE)
    assert found.words(100, " points") == "helps, by less than 0.5 points"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [1.0, 2.0]), "variants, seeds"),
        (([[1.0, 2.0]], [1.0, 2.0, 3.0]), "variants, seeds"),
    ],
)
def test_other_shapes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        verdicts.compare(*arguments)


@pytest.mark.parametrize("wrong", [{"level": 95}, {"smallest": -0.1}, {"step": -1.0}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="want 0 < level < 1"):
        verdicts.compare([[1.0, 2.0]], [1.0, 2.0], **wrong)


def test_a_family_without_variants_has_no_verdicts():
    assert verdicts.compare(np.empty((0, 5)), BASELINE[:5]) == ()


@pytest.mark.parametrize("compare", [verdicts.compare, sequential.compare])
@pytest.mark.parametrize(("n", "step"), [(2, 1 / 360), (5, 1 / 100), (12, 1 / 30), (2, 0.0), (30, 0.0)])
def test_equal_values_of_two_recipes_prove_nothing(compare, n, step):
    values = np.random.default_rng(0).integers(80, 99, n) / 100
    (found,) = compare([values], values, step=step)
    assert found.verdict == "not enough seeds"
    assert found.more.even is None or found.more.even >= 1
    half = found.interval.high
    assert half == -found.interval.low
    assert half == inf if step == 0 else half > 0.005


@pytest.mark.parametrize("compare", [verdicts.compare, sequential.compare])
@pytest.mark.parametrize("n", [1, 2, 8])
def test_the_same_recipe_is_known_as_such_and_not_by_its_values(compare, n):
    values = np.random.default_rng(0).normal(0.9, 0.01, n)
    other, same = compare([values, values], values, step=0.001, same=[False, True])
    assert (same.words(), same.difference, same.interval, same.more) == (
        "no difference: the same recipe", 0.0, Interval(0.0, 0.0), outlook.SETTLED,
    )  # fmt: skip
    assert not other.same
    assert other.interval.high > 0


def test_equal_differences_where_the_resolution_is_not_known_are_no_verdict():
    (found,) = verdicts.compare([[0.75, 0.5]], [0.5, 0.25])
    assert (found.verdict, found.p, found.interval, found.more.even) == (
        "not enough seeds", 1.0, Interval(-inf, inf), 1,
    )  # fmt: skip


# The cases of the promise: families that differ by exactly 0.5 points, values in steps of one example. Before, equal
# pairs counted as a proof, and 12 to 18 % of such families held a false "no difference"; promised are 2.5 %.
@pytest.mark.parametrize(("examples", "variants", "n"), [(360, 8, 2), (100, 1, 5), (100, 8, 5), (360, 8, 10)])
@pytest.mark.parametrize("sd", [0.3, 1.0, 2.0])
def test_variants_that_differ_on_a_coarse_metric_are_seldom_called_no_different(examples, variants, n, sd):
    rng = np.random.default_rng(examples + n)
    means = np.array([0.0, *[0.005 * examples] * variants])[:, None]
    wrong = 0
    for _ in range(400):
        runs = means + rng.uniform() + sd * rng.standard_normal((variants + 1, n))
        values = np.floor(runs + rng.uniform(size=runs.shape)) / examples  # rounded at random: the means are exact
        found = verdicts.compare(values[1:], values[0], step=1 / examples)
        wrong += any(each.verdict == "no difference" for each in found)
    assert wrong / 400 <= 0.025 + 2 * (0.025 * 0.975 / 400) ** 0.5


def test_variants_that_were_looked_at_before_share_the_error():
    baseline = np.zeros(5)
    values = np.array([[1.0, 1.3, 0.8, 1.1, 0.9]]) * 0.01
    (alone,) = verdicts.compare(values, baseline)
    (among,) = verdicts.compare(values, baseline, family=8)
    assert among.p_adjusted == pytest.approx(8 * alone.p_adjusted)
    assert among.interval.low < alone.interval.low
    every = verdicts.compare([*values, *np.full((7, 5), np.nan)], baseline)
    assert (among.p_adjusted, among.interval) == (every[0].p_adjusted, every[0].interval)
