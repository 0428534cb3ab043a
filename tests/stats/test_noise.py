"""What seeds explain of a gap between two curves: scale, direction, slow starts, and curves of real trainings."""

import math

import numpy as np
import pytest

from study.engine import train
from study.recipe import Recipe
from study.stats import noise


def saturating(best, epochs=10):
    return best * (1 - 0.5 ** np.arange(1, epochs + 1))


def test_the_wobble_of_straight_lines_with_normal_errors_is_their_standard_deviation():
    errors = np.random.default_rng(0).normal(0, 0.02, (4000, 12))
    assert noise.wobble(errors + np.linspace(0.5, 0.9, 12)) == pytest.approx(np.full(12, 0.02), rel=0.06)


def test_the_wobble_is_that_of_the_better_half():
    still, lively = np.full((10, 6), 0.1), 0.9 + np.random.default_rng(0).normal(0, 0.01, (11, 6))
    assert (noise.wobble(np.concatenate([still, lively])) > 0.002).all()
    assert (noise.wobble(-np.concatenate([still, lively]), "minimize") > 0.002).all()


@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_fewer_than_three_epochs_tell_nothing(epochs):
    assert noise.wobble(np.zeros((4, epochs))).tolist() == [math.inf] * epochs


def trials(seed=0):
    errors = np.random.default_rng(seed).normal(0, 0.003, (8, 10))
    return np.array([saturating(best) for best in np.linspace(0.8, 0.9, 8)]) + errors


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize(("epoch", "gap", "hopeless"), [(3, 0.4, True), (3, 0.2, False), (9, 0.1, True)])
def test_a_gap_is_hopeless_beyond_noise_and_what_others_have_made_good(direction, epoch, gap, hopeless):
    sign = 1 if direction == "maximize" else -1
    curve = trials().max(0)[:epoch] - gap
    found = noise.is_hopeless(sign * curve, sign * trials(), [True] * 8, direction=direction)
    assert found == hopeless


def test_a_slow_start_that_was_made_good_once_is_not_held_against_the_next():
    slow = np.array([0.05, 0.06, 0.1, 0.2, 0.4, 0.6, 0.75, 0.85, 0.89, 0.9])
    others = np.concatenate([trials(), [slow]])
    assert noise.is_hopeless(slow[:6], trials(), [True] * 8)
    assert not noise.is_hopeless(slow[:6], others, [True] * 9)


@pytest.mark.parametrize("complete", [0, 4])
def test_nothing_is_judged_before_five_trials_are_complete(complete):
    flags = [number < complete for number in range(8)]
    assert not noise.is_hopeless([0.0] * 8, trials(), flags)
    assert not noise.is_hopeless([0.0] * 8, np.empty((0, 0)), [])


def test_a_shorter_complete_trial_stays_at_its_last_value():
    others = trials()
    others[7, 6:] = math.nan  # the best of them
    assert noise.is_hopeless(np.full(9, 0.75), others, [True] * 8)


def real_curves():
    """Validation accuracy of 20 random MLPs on breast cancer."""
    draw = np.random.default_rng(5)
    recipes = [
        Recipe(dataset="breast_cancer", model="mlp", hidden=(16,), epochs=8, batch_size=64,
               optimizer=str(draw.choice(["sgd", "adam"])), lr=float(10 ** draw.uniform(-4, -0.5)),
               dropout_dense=float(draw.uniform(0, 0.6)))
        for _ in range(20)
    ]  # fmt: skip
    return np.array([[epoch.metrics["val_accuracy"] for epoch in train(recipe, None)] for recipe in recipes])


def replay(curves, order, judge):
    """Run the trials one after the other as a search would; return the share of epochs run, and who was pruned."""
    before, complete, pruned, run = [], [], [], 0
    for number in order:
        length = next((at for at in range(2, 8) if judge(curves[number, :at], np.array(before), complete)), 8)
        before.append(np.where(np.arange(8) < length, curves[number], math.nan))
        complete.append(length == 8)
        run += length
        pruned += [number] if length < 8 else []
    return run / curves.size, pruned


def by_noise(curve, before, complete):
    return bool(complete) and noise.is_hopeless(curve, before, complete)


def by_median(curve, before, complete):
    return sum(complete) >= 5 and curve.max() < np.median(before[complete, len(curve) - 1])


def test_replayed_on_real_curves_it_never_prunes_the_best_and_prunes_less_than_the_median():
    curves = real_curves()
    best = curves[:, -1].max()
    orders = [np.random.default_rng(seed).permutation(len(curves)) for seed in range(12)]
    shares = []
    for order in orders:
        share, pruned = replay(curves, order, by_noise)
        assert all(curves[number, -1] < best for number in pruned)
        shares.append(share)
    assert 0.3 < np.mean(shares) < 0.97
    assert np.mean(shares) > np.mean([replay(curves, order, by_median)[0] for order in orders])
