"""What mattered: knobs that do something are told from those that do nothing, conditional ones and few trials too."""

from __future__ import annotations

import math

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import create_trial

from study.insight.importance import NEEDED, NEEDED_BEST, assess, widest
from study.insight.seed_noise import Noise
from study.metric import Metric

SPACE = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "kind": CategoricalDistribution(("good", "bad")),
    "idle": FloatDistribution(0.0, 1.0),
    "weak": IntDistribution(1, 8),
    "only_good": FloatDistribution(0.0, 1.0),
    "fixed": CategoricalDistribution((1,)),
}
SCALE = 0.002  # what the seed does


def trials(count, sign=1.0):
    """The rate matters most, then the kind, and a knob that only good trials have; one hardly and one not at all."""
    draw = np.random.default_rng(3)
    made = []
    for _ in range(count):
        params = {
            "lr": float(10 ** draw.uniform(-4, 0)), "kind": str(draw.choice(["good", "bad"])),
            "idle": float(draw.uniform()), "weak": int(draw.integers(1, 9)), "fixed": 1,
        }  # fmt: skip
        value = -0.05 * (math.log10(params["lr"]) + 2) ** 2 + 0.04 * (params["kind"] == "good") + draw.normal(0, SCALE)
        if params["kind"] == "good":
            params["only_good"] = float(draw.uniform())
            value += 0.05 * params["only_good"]
        value += 0.00002 * params["weak"]
        distributions = {name: SPACE[name] for name in params}
        made.append(create_trial(value=sign * float(value), params=params, distributions=distributions))
    return made


@pytest.fixture(scope="module")
def assessed():
    return assess(trials(NEEDED_BEST), Metric("score"), noise=Noise(SCALE, 9, 3, "x-confirm"))


def test_what_matters_is_told_from_what_does_not(assessed):
    says = {knob.name: knob.overall.says for knob in assessed.knobs}
    assert assessed.knobs[0].name == "lr"
    assert {name: says[name] for name in ("lr", "kind", "only_good")} == dict.fromkeys(
        ("lr", "kind", "only_good"), "matters"
    )
    effects = {knob.name: knob.overall.effect for knob in assessed.knobs}
    assert effects["idle"] < effects["only_good"] / 2
    assert says["weak"] == "below the seed noise"
    assert "fixed" not in says


def test_the_shares_of_all_knobs_make_one(assessed):
    for kind in ("fanova", "ped_anova"):
        assert sum(getattr(knob.overall, kind) for knob in assessed.knobs) == pytest.approx(1)
    assert max(assessed.knobs, key=lambda knob: knob.overall.fanova).name == "lr"


def test_a_conditional_knob_rests_on_the_trials_that_have_it(assessed):
    knob = next(knob for knob in assessed.knobs if knob.name == "only_good")
    assert 0 < knob.trials < NEEDED_BEST
    assert 0.015 < knob.overall.effect < 0.06


def test_among_the_best_quarter_other_knobs_matter(assessed):
    best = {knob.name: knob.among_best for knob in assessed.knobs if knob.among_best}
    assert best["lr"].effect < next(knob for knob in assessed.knobs if knob.name == "lr").overall.effect / 4
    assert best["idle"].says != "matters"


def test_an_effect_below_the_seed_noise_is_marked():
    found = assess(trials(NEEDED), Metric("score"), noise=Noise(1.0, 9, 3, "x-confirm"))
    assert {knob.overall.says for knob in found.knobs} == {"below the seed noise"}
    assert assess(trials(NEEDED), Metric("score")).noise is None


def test_a_metric_to_be_minimized_gives_the_same_effects(assessed):
    found = assess(trials(NEEDED_BEST, -1.0), Metric("score", "minimize"), noise=assessed.noise)
    assert {knob.name: knob.overall.effect for knob in found.knobs} == pytest.approx(
        {knob.name: knob.overall.effect for knob in assessed.knobs}, rel=0.1, abs=0.002
    )


def test_the_same_trials_give_the_same_figures(assessed):
    assert assess(trials(NEEDED_BEST), Metric("score"), noise=assessed.noise) == assessed


@pytest.mark.parametrize("count", [0, 1, NEEDED - 1])
def test_too_few_trials_say_how_many_more(count):
    found = assess(trials(count), Metric("score"))
    assert (found.trials, found.lacking, found.lacking_best) == (count, NEEDED - count, NEEDED_BEST - count)
    assert not found.knobs


def test_with_enough_for_all_but_not_for_the_best_quarter_it_says_so():
    found = assess(trials(NEEDED), Metric("score"))
    assert (found.lacking, found.lacking_best) == (0, NEEDED_BEST - NEEDED)
    assert all(knob.among_best is None for knob in found.knobs)


def test_a_range_that_was_widened_counts_as_one():
    early, late = trials(20), trials(40)[20:]
    for trial in late:
        trial.distributions = {**trial.distributions, "lr": FloatDistribution(1e-5, 10.0, log=True)}
    assert widest([*early, *late])["lr"] == FloatDistribution(1e-5, 10.0, log=True)
    assert assess([*early, *late], Metric("score")).knobs[0].name == "lr"
