"""The pruner that knows the noise, and the audit of any: what runs on follows from number and seed, and is noted."""

from __future__ import annotations

import os
import random
import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from study import settings as places
from study.errors import Interrupted
from study.options import Options
from study.progress import TrialEpoch
from study.questions.search import run
from study.record import results
from study.record.journal import Journal
from study.record.trial import Trial
from study.sampling import storage
from study.sampling.memory import Memory
from study.sampling.pruning import PercentilePruner, is_audited
from study.sampling.rungs import HalvingPruner, HyperbandPruner
from study.sampling.table import PRUNERS
from study.sampling.teller import Teller
from study.study_files import load
from study.tracking import fields

TOY = Path(__file__).parents[1] / "toy.py"
SEED = 1  # audits trial 5


def search(study, trials, pruner, stop=None):
    options = Options(trials=trials, executor="inline", track=False, sampler="random", pruner=pruner, seed=SEED)
    return run(study, places.resolve(), options, stop or threading.Event())


def rows(name="toy"):
    return results.rows(Journal(places.resolve().study_folder(name)))


def outcome(name="toy"):
    return [(row.number, row.state, row.value, row.epochs, row.audited) for row in rows(name)]


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nobody pulls the plug
    return load(str(TOY)).fix({"epochs": 8})


def test_one_in_twenty_is_audited_and_the_study_s_seed_says_which():
    chosen = [[number for number in range(20_000) if is_audited(seed, number)] for seed in (0, 1)]
    assert [len(each) for each in chosen] == pytest.approx([1000, 1000], abs=100)
    assert chosen[0] != chosen[1]


@pytest.mark.parametrize("pruner", sorted(set(PRUNERS) - {"none", "promotion"}))
def test_what_a_pruner_would_end_runs_on_if_it_is_audited_and_its_folder_says_so(toy, pruner):
    list(search(toy, 20, pruner))
    pruned = {row.number for row in rows() if row.state == "pruned"}
    audited = {row.number: row.audited for row in rows() if row.audited is not None}
    assert pruned
    assert not any(is_audited(SEED, number) for number in pruned)
    for row in rows():
        if row.number in audited:
            assert is_audited(SEED, row.number)
            assert (row.state, row.epochs) == ("complete", 8)
            assert 1 <= row.audited < 8


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("kept", [50.0, 33.0])
def test_percentiles_say_what_optuna_s_pruner_says(direction, kept):
    ours, memory = PercentilePruner(kept), Memory()
    theirs = optuna.pruners.PercentilePruner(kept, n_startup_trials=5, n_warmup_steps=2)
    study = optuna.create_study(storage=memory, direction=direction)
    chance, said = random.Random(0), set()
    for _ in range(60):
        trial = study.ask()
        for step in range(1, chance.choice([3, 8]) + 1):
            trial.report(chance.choice([0.5, chance.random(), chance.random()]), step)
            asked = memory.get_trial(trial._trial_id)
            assert ours.prune(study, asked) == theirs.prune(study, asked)
            said.add(ours.prune(study, asked))
        memory.set_trial_state_values(trial._trial_id, chance.choice([TrialState.COMPLETE, TrialState.PRUNED]), [0.5])
    assert said == {True, False}


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (HalvingPruner, optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)),
        (HyperbandPruner, optuna.pruners.HyperbandPruner(min_resource=1, max_resource=28, reduction_factor=3)),
    ],
    ids=["asha", "hyperband"],
)
def test_rungs_made_of_values_say_what_optuna_s_pruners_say(direction, ours, theirs):
    ours, memory = ours(), Memory()
    ours.sign, ours.epochs = -1 if direction == "maximize" else 1, 27
    study = optuna.create_study(study_name="mine", storage=memory, direction=direction)
    chance, running, said = random.Random(0), [], defaultdict(set)
    for _ in range(3000):
        running += [study.ask() for _ in range(4 - len(running))]
        trial = chance.choice(running)
        step = (memory.get_trial(trial._trial_id).last_step or 0) + 1
        trial.report(chance.choice([0.5, chance.random(), chance.random()]), step)
        asked = memory.get_trial(trial._trial_id)
        is_over = step < 27 and ours.prune(study, asked)
        assert step == 27 or is_over == theirs.prune(study, asked)
        said[step].add(is_over)
        if is_over or step == 27:
            memory.set_trial_state_values(trial._trial_id, TrialState.PRUNED if is_over else TrialState.COMPLETE, [0.5])
            running.remove(trial)
    assert [step for step in said if said[step] == {True, False}] == [1, 3, 9]


TWICE = {"median": 7, "noise": 12, "promotion": 9, "asha": 12, "hyperband": 16}


@pytest.mark.parametrize(("pruner", "trials"), TWICE.items())
def test_stopped_twice_in_every_trial_it_ends_with_the_same_trials(toy, monkeypatch, tmp_path, pruner, trials):
    list(search(toy, trials, pruner))
    undisturbed, seen = outcome(), defaultdict(lambda: {1, 3, 4, 6, 7, 8})
    assert any(row.state == "pruned" for row in rows())
    monkeypatch.chdir(tmp_path)  # the name of a study is a part of hyperband's chance
    while sum(row.state != "running" for row in rows()) < trials:
        stop = threading.Event()
        with suppress(Interrupted):
            for progress in search(toy, trials, pruner, stop):
                if isinstance(progress, TrialEpoch) and progress.epoch.number not in seen[progress.trial]:
                    seen[progress.trial].add(progress.epoch.number)
                    stop.set()
    assert outcome() == undisturbed


def test_an_audit_that_was_stopped_is_noted_once_and_known_to_optuna_and_mlflow(toy):
    for trials in (5, 6):
        stop = threading.Event()
        with suppress(Interrupted):
            for progress in search(toy, trials, "median", stop):
                if isinstance(progress, TrialEpoch) and (progress.trial, progress.epoch.number) == (5, 3):
                    stop.set()
    assert (rows()[5].state, rows()[5].audited) == ("running", 2)
    list(search(toy, 7, "median"))
    folder = Journal(places.resolve().study_folder("toy")).trial(5)
    assert (folder.path / "log.jsonl").read_text().count('"audited"') == 1
    assert fields.tags_of_end(Trial.of(folder))["study.audited"] == "2"
    stored = optuna.load_study(study_name="toy", storage=places.resolve().storage).trials[5]
    assert stored.user_attrs["audited"] == storage.frozen(Trial.of(folder)).user_attrs["audited"] == 2


def test_an_audit_of_which_the_database_did_not_hear_is_told_to_it_later(toy):
    list(search(toy, 6, "median"))
    journal = Journal(places.resolve().study_folder("toy"))
    folder = journal.trial(5)
    lines = (folder.path / "log.jsonl").read_bytes().splitlines(keepends=True)
    (folder.path / "log.jsonl").write_bytes(b"".join(line for line in lines if b'"ended"' not in line))
    with storage.opened(places.resolve().storage) as database:
        trial = storage.frozen(Trial.of(folder))  # as a database knows the trial that heard of its start alone
        trial.user_attrs = {key: value for key, value in trial.user_attrs.items() if key != "audited"}
        number = database.create_new_trial(storage.study_id(database, "again", "maximize"), trial)
        assert Teller(journal, database, "again", "maximize").tell() == 6
        assert database.get_trial(number).user_attrs["audited"] == 2


def test_the_noise_pruner_keeps_the_best_and_what_is_near_it(toy):
    list(search(toy, 25, "noise"))
    trials = optuna.load_study(study_name="toy", storage=places.resolve().storage).trials
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert pruned
    best = max(trial.value for trial in trials if trial.state == TrialState.COMPLETE)
    assert all(trial.last_step >= 2 for trial in pruned)
    assert all(1 - (trial.params["x"] - 0.3) ** 2 - 1 / 9 < best - 0.01 for trial in pruned)
