"""Trials in memory: a sampler is shown the best, the newest and the unfinished ones, all else sees all."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from study.sampling import memory
from study.sampling.memory import Memory


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(memory, "NEWEST", 5)
    monkeypatch.setattr(memory, "BEST", 2)


def filled(direction):
    storage = Memory()
    study = optuna.create_study(storage=storage, direction=direction)
    values = [0, 9, 8, 7, -9, -8, 1, 2, 3, 4, 5, 6]
    for value in values:
        study.add_trial(create_trial(value=value))
    study.add_trial(create_trial(state=TrialState.WAITING))
    return study, storage


@pytest.mark.parametrize(("direction", "best"), [("maximize", [1, 2]), ("minimize", [4, 5])])
def test_a_sampler_sees_the_best_the_newest_and_the_unfinished_trials_by_number(few, direction, best):
    study, storage = filled(direction)
    with storage.bounded(storage.get_study_id_from_name(study.study_name)):
        assert [trial.number for trial in study.get_trials(deepcopy=False)] == [*best, 7, 8, 9, 10, 11, 12]
    assert len(study.get_trials(deepcopy=False)) == 13


def test_few_trials_are_seen_all(few):
    study = optuna.create_study(storage=(storage := Memory()), direction="maximize")
    for value in range(5):
        study.add_trial(create_trial(value=value))
    with storage.bounded(storage.get_study_id_from_name(study.study_name)):
        assert len(study.get_trials(deepcopy=False)) == 5
