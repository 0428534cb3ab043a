"""TPE as studies use it: Optuna's own, which can propose several trials from one fit."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from study.sampling.memory import Memory
from study.sampling.samplers import TPESampler


def asked(sampler, study):
    """Ask for a trial with a parameter that depends on another one."""
    study.sampler = sampler
    trial = study.ask()
    x, kind = trial.suggest_float("x", 0, 1), trial.suggest_categorical("kind", ("a", "b"))
    return {"x": x, "kind": kind, "n": trial.suggest_int("n", 1, 9) if kind == "a" else None}


def studies():
    """Two studies with the same 30 trials."""
    made = [optuna.create_study(storage=Memory()) for _ in range(2)]
    for number in range(30):
        for study in made:
            asked(optuna.samplers.RandomSampler(seed=number), study)
            study.tell(number, number % 7)
    return made


def test_with_a_seed_of_its_own_it_proposes_what_optuna_s_does():
    ours, theirs = studies()
    for seed in range(5):
        assert asked(TPESampler(seed), ours) == asked(optuna.samplers.TPESampler(seed=seed), theirs)


def test_again_it_proposes_from_what_was_there_when_it_was_fitted():
    changing, still = studies()
    one, other = TPESampler(0), TPESampler(0)
    assert asked(one, changing) == asked(other, still)
    found = []
    for seed in range(1, 11):
        for sampler in (one, other):
            sampler.again(seed)
        found.append(asked(one, changing))
        changing.tell(changing.trials[-1].number, -1.0)
        assert asked(other, still)["x"] == found[-1]["x"]
    assert len({each["x"] for each in found}) == 10


def test_what_it_proposes_again_is_as_good_by_its_fit_as_what_optuna_s_does():
    ours, theirs = studies()
    sampler = TPESampler(0)
    asked(sampler, ours)
    found, others = [], []
    for seed in range(1, 101):
        sampler.again(seed)
        found.append(asked(sampler, ours)["x"])
        others.append(asked(optuna.samplers.TPESampler(seed=seed, constant_liar=False), theirs)["x"])
    fit = sampler._fitted["kind", "x"]
    samples = {"kind": np.zeros(200), "x": np.array([*found, *others])}
    below, above = fit.estimators
    score = below.log_pdf(samples) - above.log_pdf(samples)
    assert np.mean(score[:100]) == pytest.approx(np.mean(score[100:]), abs=0.3)


@pytest.mark.parametrize("trials", [0, 3])
def test_with_few_trials_it_draws_again_and_again(trials):
    study, sampler = optuna.create_study(storage=Memory()), TPESampler(0)
    for number in range(trials):
        asked(optuna.samplers.RandomSampler(seed=number), study)
        study.tell(number, 0.5)
    found = [asked(sampler, study)["x"]]
    for seed in range(1, 4):
        sampler.again(seed)
        found.append(asked(sampler, study)["x"])
    assert len({*found}) == 4
