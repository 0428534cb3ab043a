"""TPE as studies use it: Optuna's own, which can propose several trials from one fit."""

from __future__ import annotations

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


def test_again_it_proposes_what_a_new_one_would_from_what_was_there_when_it_was_fitted():
    ours, theirs = studies()
    sampler = TPESampler(0)
    asked(sampler, ours)
    for seed in (1, 2, 3):
        sampler.again(seed)
        found = asked(sampler, ours)
        assert found["x"] == asked(optuna.samplers.TPESampler(seed=seed, constant_liar=False), theirs)["x"]
        ours.tell(ours.trials[-1].number, -1.0)


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
