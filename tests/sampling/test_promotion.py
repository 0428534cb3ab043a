"""Pause and promote: who pauses, who goes on, what is written of it, and that no stop or kill changes anything."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import optuna
import pytest
import torch
from optuna.trial import TrialState

from study import Study
from study import settings as places
from study.engine import train
from study.errors import Interrupted
from study.options import Options
from study.progress import SearchStarted, TrialEnded, TrialPaused
from study.questions.search import run
from study.recipe import Recipe
from study.record import results
from study.record.atomic_files import before
from study.record.journal import Journal
from study.running import loop
from study.running.board import Board
from study.sampling.memory import Memory
from study.sampling.promotion import PromotionPruner
from study.study_files import load
from tests.conftest import WITHOUT_MLFLOW

TOY = Path(__file__).parents[1] / "toy.py"
DIGITS = """
from study import Recipe, Study

def space(trial):
    dropout = trial.suggest_float("dropout_dense", 0, 0.5)
    return {"lr": trial.suggest_float("lr", 1e-4, 1, log=True), "dropout_dense": dropout}

recipe = Recipe(dataset="digits", model="mlp", hidden=(16,), optimizer="sgd", lr=0.1, batch_size=8, epochs=9)
study = Study(name="digits", recipe=recipe, space=space)
"""


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nobody pulls the plug
    return load(str(TOY)).fix({"epochs": 9})


def search(study, trials, stop=None):
    options = Options(trials=trials, executor="inline", track=False, sampler="random", pruner="promotion")
    return run(study, places.resolve(), options, stop or threading.Event())


def journal(name="toy"):
    return Journal(places.resolve().study_folder(name))


def kinds(folder):
    return [record["kind"] for record in folder.records()]


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_a_rung_s_best_third_goes_on_and_a_paused_trial_does_once_it_is_among_them(direction, sign):
    pruner, memory = PromotionPruner(), Memory()
    pruner.epochs, pruner.sign = 9, -sign
    study = optuna.create_study(storage=memory, direction=direction)

    def pauses(value, epoch=1, trial=None):
        trial = trial or study.ask()
        trial.report(sign * value, epoch)
        if is_over := pruner.prune(study, memory.get_trial(trial._trial_id)):
            pruner.paused[trial.number] = epoch
        return is_over

    assert [pauses(0.5), pauses(0.7)] == [True, True]
    assert pruner.next() is None  # of two, a third is none
    assert pauses(0.6)
    assert [pruner.next(), pruner.next()] == [1, None]
    assert [pauses(0.1), pauses(0.2)] == [True, True]
    assert not pauses(0.9)  # of six, the best two: it, and trial 1
    assert [pauses(0.05), pauses(0.05), pauses(0.05)] == [True, True, True]
    assert [pruner.next(), pruner.next()] == [2, None]  # of nine, the best three
    assert not pauses(0.9, 2, optuna.trial.Trial(study, 5))  # no rung
    assert pauses(0.9, 3, optuna.trial.Trial(study, 5))
    assert pauses(0.7, 3, optuna.trial.Trial(study, 1))
    assert not pauses(0.7, 9, optuna.trial.Trial(study, 5))  # the last epoch is no rung
    assert pruner.worst() == [8, 7, 6, 3, 4, 0, 1, 5]
    assert pauses(0.55)
    memory.set_trial_state_values(1, TrialState.FAIL)
    pruner.enter(memory.get_trial(1))
    assert [pauses(0.05), pruner.next(), pruner.next()] == [True, 9, None]  # in the place of the one that failed
    assert [pruner.next(least=1), pruner.next(least=1), pruner.next(least=9)] == [5, None, 0]  # the highest rung first


def test_where_the_recipe_does_not_say_the_length_of_a_training_the_longest_complete_one_does():
    pruner, memory = PromotionPruner(), Memory()
    study = optuna.create_study(storage=memory, direction="maximize")
    said = []
    for value in (0.9, 0.1):
        trial = study.ask()
        trial.report(value, 1)
        said.append(pruner.prune(study, memory.get_trial(trial._trial_id)))
        trial.report(value, 2)
        memory.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [value])
        pruner.enter(memory.get_trial(trial._trial_id))
        said.append(pruner.length)
    assert said == [True, 2, False, 2]  # of two epochs, the first is no rung


def test_a_paused_trial_is_shown_to_the_sampler_as_a_pruned_one():
    memory = Memory()
    study = optuna.create_study(storage=memory)
    for value in (1.0, 2.0):
        study.ask().report(value, 1)
    memory.paused = {1}
    with memory.bounded(0):
        assert [trial.state for trial in study.get_trials()] == [TrialState.RUNNING, TrialState.PRUNED]
        assert [trial.number for trial in study.get_trials(states=[TrialState.PRUNED])] == [1]
        assert [trial.number for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))] == [0]
    assert [trial.state for trial in study.get_trials()] == [TrialState.RUNNING] * 2


def test_a_paused_trial_runs_in_optuna_until_the_search_is_done_and_each_counts(toy):
    board = Board()

    def until_four_have_paused():
        stop, paused = threading.Event(), set()
        for progress in search(toy, 20, stop):
            board.follow(progress, places.resolve().home)
            if isinstance(progress, TrialPaused):
                paused.add(progress.trial)
                if len(paused) == 4:
                    stop.set()

    with pytest.raises(Interrupted) as stopped:
        until_four_have_paused()
    waiting = {folder.number for folder in journal().trials() if folder.history().paused}
    assert waiting
    assert f"of 20 trials finished and {len(waiting)} paused, everything saved" in str(stopped.value)
    assert waiting == {*board.paused} == {row.number for row in results.rows(journal()) if row.paused}
    assert not any(before(journal().trial(number).checkpoint).exists() for number in waiting)
    trials = optuna.load_study(study_name="toy", storage=places.resolve().storage).trials
    for number in waiting:
        assert kinds(journal().trial(number))[-1] == "paused"
        assert trials[number].state == TrialState.RUNNING
        assert len(trials[number].intermediate_values) == len(journal().trial(number).history().epochs)

    for progress in search(toy, 20):
        board.follow(progress, places.resolve().home)
        if isinstance(progress, SearchStarted):
            assert (board.paused_before, {*board.paused}) == (len(waiting), waiting)
        assert board.reached <= 20
    assert (board.reached, board.paused) == (20, {})
    rows = results.rows(journal())
    assert not any(row.paused for row in rows)
    assert [row.state in {"complete", "pruned"} for row in rows] == [True] * 20
    assert {row.epochs for row in rows if row.state == "pruned"} == {1, 3}
    trials = optuna.load_study(study_name="toy", storage=places.resolve().storage).trials
    assert [(trial.state.name.lower(), trial.value) for trial in trials] == [(row.state, row.value) for row in rows]
    pruned = [kinds(journal().trial(row.number)) for row in rows if row.state == "pruned"]
    assert all(each[-2:] == ["paused", "ended"] for each in pruned)
    assert any(("paused", "started") in pairwise(kinds(folder)) for folder in journal().trials())


@pytest.mark.parametrize(
    ("variants", "trials", "states"),
    [
        ({}, 2, ["complete", "complete"]),  # a third is less than one
        ({"bad": {"x": -1.0}}, 2, ["complete", "complete"]),
        ({"bad": {"x": -1.0}}, 3, ["complete"]),
        ({"lost": {"x": 0.3, "kind": "diverges"}}, 3, ["pruned"]),
    ],
)
def test_of_very_few_trials_the_best_one_is_trained_to_its_end(toy, variants, trials, states):
    list(search(replace(toy, variants=variants), trials))
    rows = results.rows(journal())
    assert [row.state for row in rows[: len(states)]] == states
    best = min((row for row in rows if row.variant is None), key=lambda row: abs(row.params["x"] - 0.3))
    assert best.state == "complete"
    assert {(row.state, row.epochs) for row in rows if row.variant is None} <= {("complete", 9), ("pruned", 1)}


def stopped(study, trials, event, count):
    """Search until there were so many such events."""
    stop, seen = threading.Event(), 0
    with suppress(Interrupted):
        for progress in search(study, trials, stop):
            seen += event(progress)
            if seen == count:
                stop.set()
    assert stop.is_set()


def is_paused(progress):
    return isinstance(progress, TrialPaused)


def waiting_and_finished():
    rows = {row.number: row for row in results.rows(journal())}
    waiting = {folder.number for folder in journal().trials() if folder.history().paused and not folder.history().ended}
    return {number: (rows[number].epochs, rows[number].value) for number in waiting}, len(rows) - len(waiting)


def test_if_fewer_trials_are_wanted_the_worst_paused_ones_end_and_the_others_go_on_later(toy):
    stopped(toy, 20, is_paused, 8)
    waiting, finished = waiting_and_finished()
    assert max(waiting.values())[0] == 3
    assert not any(before(journal().trial(number).checkpoint).exists() for number in waiting)
    list(search(toy, finished))
    assert waiting_and_finished() == (waiting, finished)
    list(search(toy, finished + 3))
    left, more = waiting_and_finished()
    assert more == finished + 3
    ended = {number: waiting[number] for number in waiting.keys() - left.keys()}
    ended = {number: ended[number] for number in ended if journal().trial(number).history().ended.state == "pruned"}
    assert not ended or max(ended.values()) < min(left.values())
    list(search(toy, 20))
    assert waiting_and_finished() == ({}, 20)


def test_paused_trials_end_in_rounds_between_which_it_can_be_stopped(toy, monkeypatch):
    monkeypatch.setattr(loop, "ASKED", 2)
    stopped(toy, 20, lambda each: isinstance(each, TrialEnded) and each.ended.state == "pruned", 1)
    states = [row.state for row in results.rows(journal())]
    assert (len(states), states.count("pruned")) == (20, 2)
    list(search(toy, 20))
    assert waiting_and_finished() == ({}, 20)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_trials_that_repeat_another_one_take_no_place_among_the_best_third(monkeypatch, is_stopped):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    recipe = Recipe(dataset="digits", model="logistic", train_size=200, epochs=3, lr=0.1)
    same = {name: {} for name in ("one", "two", "three")}
    study = Study(name="toy", recipe=recipe, variants=same, space=lambda trial: {"lr": trial.suggest_float("lr", 1e-6, 1e-4)})  # fmt: skip  # noqa: E501
    if is_stopped:
        stopped(study, 8, is_paused, 2)
    list(search(study, 8))
    rows = results.rows(journal())
    assert [row.repeats for row in rows[:3]] == [None, 0, 0]
    assert [row.state for row in rows[3:]].count("complete") == 1  # of six that differ, the best two


def test_a_training_without_checkpoints_goes_on_where_it_would_begin_again(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    text = TOY.read_text()
    (tmp_path / "bare.py").write_text(text.replace(', state=lambda number=number: {"epoch": number}', ""))
    list(search(load(str(tmp_path / "bare.py")).fix({"epochs": 9}), 7))
    assert [(row.state, row.epochs) for row in results.rows(journal())] == [("complete", 9)] * 7


@pytest.mark.slow  # three times a search with two workers
def test_killed_twice_it_ends_with_the_same_number_of_trials_and_the_bits_of_undisturbed_ones(tmp_path, request):
    (tmp_path / "digits.py").write_text(DIGITS)
    home = tmp_path / "mlruns"
    command = [*WITHOUT_MLFLOW, "run", "digits.py", "--home", str(home), "--workers", "2"]
    command += ["--pruner", "promotion", "--trials", "16"]
    for least in (1, 5):  # paused trials when it is killed
        with subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and paused(home) < least:
                time.sleep(0.005)
            assert process.poll() is None
            os.killpg(process.pid, signal.SIGKILL)
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode == 0

    folders = list(Journal(home / "studies" / "digits").trials())
    ended = [folder.history().ended for folder in folders]
    assert [each is not None and each.state in {"complete", "pruned"} for each in ended] == [True] * 16
    assert any(("paused", "started") in pairwise(kinds(folder)) for folder in folders)
    threads = torch.get_num_threads()
    request.addfinalizer(lambda: torch.set_num_threads(threads))
    torch.set_num_threads(1)  # as in a worker
    for folder in folders:
        epochs = folder.history().epochs
        undisturbed = train(Recipe.model_validate(folder.recipe()))
        assert [dict(next(undisturbed).metrics) for _ in epochs] == [dict(epoch.metrics) for epoch in epochs]


def paused(home):
    logs = (home / "studies" / "digits" / "trials").glob("*/log.jsonl")
    return sum(b'"paused"' in log.read_bytes() for log in logs)
