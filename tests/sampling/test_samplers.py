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


def proposed(sampler, study, number):
    """Ask for a trial in a space that changes, and tell how it ended: complete, pruned, failed or not at all."""
    study.sampler = sampler
    with study._storage.bounded(study._study_id):
        trial = study.ask()
        found = {"lr": trial.suggest_float("lr", 1e-5, 1, log=True), "kind": trial.suggest_categorical("kind", "ab")}
        found["only one"] = trial.suggest_int("only one", 3, 3)
        if found["kind"] == "a":
            found["width"] = trial.suggest_int("width", 1, 512, log=True)
        if number >= 80:
            found["late"] = trial.suggest_float("late", 0, 1 if number < 90 else 2, step=0.25)
    chance = np.random.default_rng(number)
    values = np.round(chance.random(3) + found["lr"], 1)
    for step, value in enumerate(values[: 1 + number % 3]):
        trial.report(float("nan") if number == 17 else value, step)
    if number % 11 != 5:
        state = {3: optuna.trial.TrialState.PRUNED, 7: optuna.trial.TrialState.FAIL}.get(number % 10)
        study.tell(trial, None if state else values[-1], state)
    return found


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_one_sampler_for_a_whole_search_proposes_what_a_new_one_of_optuna_s_does_each_time(monkeypatch, direction):
    monkeypatch.setattr("study.sampling.memory.NEWEST", 100)
    monkeypatch.setattr("study.sampling.memory.BEST", 10)
    ours, theirs = (optuna.create_study(storage=Memory(), direction=direction) for _ in range(2))
    sampler = TPESampler(0)
    for number in range(200):
        sampler.begin(number)
        new = optuna.samplers.TPESampler(seed=number)
        assert proposed(sampler, ours, number) == proposed(new, theirs, number), number


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
