"""The loop: exactly the trials asked for, each once, whatever fails, dies or is stopped in between."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState

from study import Recipe, Study
from study import settings as places
from study.errors import DefinitionChanged, InputError, Interrupted, StudyError
from study.options import Options
from study.progress import Notice, Preparing, SearchStarted, TrialEnded, TrialEpoch, TrialStarted
from study.questions.search import run
from study.record.journal import Journal
from study.sampling import storage, telling
from study.study_files import load

TOY = Path(__file__).parents[1] / "toy.py"
SETTINGS = places.resolve  # resolved in each test's own working folder


@pytest.fixture
def toy():
    return load(str(TOY))


def search(study, trials, *, stop=None, **options):
    options = {"executor": "inline", "track": False, **options}
    return run(study, SETTINGS(), Options(trials=trials, **options), stop or threading.Event())


def stop_after_an_epoch(study, trials):
    stop = threading.Event()
    for progress in search(study, trials, stop=stop):
        if isinstance(progress, TrialEpoch):
            stop.set()


def optuna_trials(name="toy"):
    return optuna.load_study(study_name=name, storage=SETTINGS().storage).trials


def folders(name="toy"):
    return Journal(SETTINGS().study_folder(name)).trials()


def epochs_of(name="toy"):
    return {folder.number: [(e.number, dict(e.metrics)) for e in folder.history().epochs] for folder in folders(name)}


def test_it_ends_with_exactly_the_trials_asked_for_variants_first(toy):
    progress = list(search(toy, 7))
    assert [p.variant for p in progress if isinstance(p, TrialStarted)] == ["zero", "right"] + [None] * 5
    trials = optuna_trials()
    assert len(trials) == 7
    assert all(trial.state in {TrialState.COMPLETE, TrialState.PRUNED} for trial in trials)
    for folder, trial in zip(folders(), trials, strict=True):
        history = folder.history()
        assert trial.intermediate_values == {e.number: e.metrics["score"] for e in history.epochs}
        assert trial.value == history.ended.value == history.epochs[-1].metrics["score"]
    assert trials[1].params == {"x": 0.3}


def test_run_again_when_done_it_says_so_and_does_nothing(toy):
    list(search(toy, 3))
    before = epochs_of()
    told = [each for each in search(toy, 3) if not isinstance(each, Preparing)]
    assert told == [SearchStarted("toy", 3, 3, 0, 0, None)]
    assert epochs_of() == before


def test_a_higher_number_goes_on_from_there(toy):
    assert [len(optuna_trials()) for trials in (3, 5) if list(search(toy, trials))] == [3, 5]


def test_the_same_seed_makes_the_same_trials_in_one_go_or_in_many(toy):
    list(search(toy, 8))
    at_once = epochs_of()
    other = replace(toy, name="other")
    for trials in range(1, 9):
        list(search(other, trials))
    assert epochs_of("other") == at_once


def test_another_seed_makes_other_trials(toy):
    list(search(toy, 4))
    list(search(replace(toy, name="other"), 4, seed=1))
    assert epochs_of()[3] != epochs_of("other")[3]


@pytest.mark.parametrize(("given", "trained", "kept"), [({}, 7, 0), ({"seed": 0}, 0, 0), ({"seed": 3}, 3, 3)])
def test_a_seed_that_is_given_is_that_of_the_trainings_also_0(given, trained, kept):
    recipe = Recipe(dataset="digits", model="logistic", train_size=100, epochs=1, seed=7)
    list(search(Study(name="seeded", recipe=recipe, variants={"baseline": {}}), 1, **given))
    assert folders("seeded")[0].recipe()["seed"] == trained
    assert Journal(SETTINGS().study_folder("seeded")).definition()["seed"] == kept
    list(search(Study(name="seeded", recipe=recipe, variants={"baseline": {}}), 1))  # and is that of the next call


@pytest.mark.parametrize("how", [{}, {"executor": "local", "workers": 2}])
def test_a_diverged_training_is_pruned_with_the_reason_and_counts(toy, how):
    """Its worker is busy until it has heard that it is to stop, and tells so: also after the last trial."""
    study = toy.fix({"kind": "diverges"})
    list(search(study, 5, **how))
    assert [trial.state for trial in optuna_trials()] == [TrialState.PRUNED] * 5
    ended = folders()[0].history().ended
    assert (ended.state, ended.reason) == ("pruned", "diverged in epoch 2: score is inf")
    assert ended.value == optuna_trials()[0].value == folders()[0].history().epochs[0].metrics["score"]


def test_killed_between_a_diverged_epoch_and_the_end_it_ends_the_same(toy):
    study = toy.fix({"kind": "nan"})
    list(search(study, 1))
    log = folders()[0].path / "log.jsonl"
    whole = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(whole[:-1]))
    Path(SETTINGS().storage.removeprefix("sqlite:///")).unlink()
    list(search(study, 1))
    assert len(epochs_of()[0]) == 2
    assert folders()[0].history().ended.reason == "diverged in epoch 2: score is nan"


def test_a_training_that_raises_fails_with_the_reason_and_is_replaced(toy):
    study = replace(toy, variants={"bad": {"kind": "raises"}, "good": {}})
    list(search(study, 2))
    states = [trial.state for trial in optuna_trials()]
    assert states == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    assert folders()[0].history().ended.reason == "ValueError: boom"


def test_a_study_in_which_all_fails_gives_up_with_the_reason(toy):
    with pytest.raises(StudyError, match="5 trials in a row failed, the last one with: ValueError: boom"):
        list(search(toy.fix({"kind": "raises"}), 100))
    assert len(optuna_trials()) == 5


def test_a_metric_that_the_training_does_not_give_is_said(toy):
    with pytest.raises(StudyError, match="has no metric 'accuracy', by which the study judges; it has score"):
        list(search(replace(toy, metric="accuracy"), 1))


def test_the_median_pruner_stops_bad_trials_but_never_variants(toy):
    study = replace(toy, variants={f"v{x}": {"x": x / 10} for x in (3, 2, 1, 4, 5, -10)})
    list(search(study, 20))
    trials = optuna_trials()
    assert all(trial.state == TrialState.COMPLETE for trial in trials[:6])
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert pruned
    assert all(1 < trial.last_step < 4 for trial in pruned)


def test_stopped_it_raises_interrupted_and_the_same_trial_goes_on_from_its_epoch(toy):
    with pytest.raises(Interrupted, match="stopped with 0 of 2 trials finished, everything saved"):
        stop_after_an_epoch(toy, 2)
    assert [trial.state for trial in optuna_trials()] == [TrialState.RUNNING]
    done = len(epochs_of()[0])
    list(search(toy, 2))
    assert [trial.state for trial in optuna_trials()] == [TrialState.COMPLETE] * 2
    first_epochs = [metrics["first"] for _, metrics in epochs_of()[0]]
    assert first_epochs == [1.0] * done + [done + 1.0] * (4 - done)


def test_time_is_up_ends_it_without_an_error_and_the_same_command_goes_on(toy):
    progress = list(search(toy, 50, timeout=0.05))
    assert any(isinstance(p, Notice) and "time is up" in p.text for p in progress)
    assert len(optuna_trials()) < 50


def test_a_changed_definition_stops_it_before_anything_is_written(toy):
    list(search(toy, 2))
    with pytest.raises(DefinitionChanged, match="recipe epochs: 4 stored, 9 now"):
        list(search(toy.fix({"epochs": 9}), 3))
    assert len(optuna_trials()) == 2
    list(search(toy.fix({"epochs": 9}), 3, accept=True))
    assert len(epochs_of()[2]) == 9


@pytest.mark.parametrize("bad", [{"sampler": "tpo"}, {"pruner": "x"}, {"workers": 0}, {"trials": 0}])
def test_bad_options_are_refused_before_anything_is_written(toy, bad):
    with pytest.raises(InputError):
        list(search(toy, **{"trials": 1, **bad}))
    assert not SETTINGS().home.exists()


def test_a_trial_enqueued_by_optunas_own_means_is_run_with_its_parameters(toy):
    list(search(toy, 3))
    optuna.load_study(study_name="toy", storage=SETTINGS().storage).enqueue_trial({"x": 0.125})
    list(search(toy, 5))
    trials = optuna_trials()
    assert len(trials) == 5
    assert trials[3].params == {"x": 0.125}
    assert folders()[3].recipe()["x"] == 0.125


def test_an_end_that_only_the_folder_knows_is_told_to_optuna(toy):
    list(search(toy, 2))
    Path(SETTINGS().storage.removeprefix("sqlite:///")).unlink()
    list(search(toy, 3))
    assert [trial.state for trial in optuna_trials()] == [TrialState.COMPLETE] * 3


def test_a_worker_that_dies_goes_on_from_its_checkpoint(toy, monkeypatch):
    monkeypatch.setenv("DEATHS", "2")
    progress = list(search(toy.fix({"kind": "dies"}), 1, executor="local", workers=1))
    notices = [p.text for p in progress if isinstance(p, Notice)]
    assert notices == [
        f"trial 0: the worker was ended by SIGKILL (out of memory?); retry {n} of 3 from epoch 2" for n in (1, 2)
    ]
    assert [metrics["first"] for _, metrics in epochs_of()[0]] == [1.0, 1.0, 3.0, 3.0]
    assert optuna_trials()[0].state == TrialState.COMPLETE


def test_two_workers_end_with_exactly_the_trials_asked_for(toy):
    progress = list(search(toy.fix({"seconds": 0.01}), 9, executor="local", workers=2))
    assert len(optuna_trials()) == 9
    assert sorted(p.trial for p in progress if isinstance(p, TrialEnded)) == list(range(9))


def test_a_database_that_goes_away_is_said_and_said_again_when_it_is_back_and_is_caught_up(toy, postgres, monkeypatch):
    monkeypatch.setattr(telling, "SAY_AFTER", 2.0)  # so soon that a slow renewal of the lease may be said, too
    url = postgres()
    name = sqlalchemy.make_url(url).database
    import psycopg

    def rename(old, new):
        with psycopg.connect(url.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (old,))
            connection.execute(f"ALTER DATABASE {old} RENAME TO {new}")

    settings = places.resolve(storage=url)
    notices, ended, slow = [], 0, toy.fix({"seconds": 0.5})
    for progress in run(slow, settings, Options(trials=14, executor="inline", track=False), threading.Event()):
        if isinstance(progress, TrialEnded):
            ended += 1
            if ended == 2:
                rename(name, f"{name}_away")
            if ended == 7:
                rename(f"{name}_away", name)
        if isinstance(progress, Notice):
            notices.append(progress.text)
    away = next(each for each in notices if each.startswith("Optuna's storage does not answer"))
    assert away.endswith("; the search goes on and tells it later")
    assert "Optuna's storage answers again" in notices[notices.index(away) :]
    with storage.opened(url) as database:
        trials = optuna.load_study(study_name="toy", storage=database).trials
    assert [trial.state.is_finished() for trial in trials] == [True] * 14


def test_a_folder_that_does_not_repeat_stops_the_study_with_both_values(tmp_path):
    from study import Recipe, Study

    recipe = Recipe(dataset="digits", model="logistic", epochs=2, train_size=200)
    study = Study(name="real", recipe=recipe, variants={"a": {}})
    with pytest.raises(Interrupted):
        stop_after_an_epoch(study, 1)
    folder = folders("real")[0]
    folder.checkpoint.unlink()
    log = folder.path / "log.jsonl"
    log.unlink()
    folder.append("epoch", number=1, metrics={"val_accuracy": 0.123}, seconds=1.0)
    with pytest.raises(StudyError, match=r"trial 0: not the same training: epoch 1 was {'val_accuracy': 0.123}"):
        list(search(study, 1))


FEW = Study(
    name="few",
    recipe=Recipe(dataset="digits", model="mlp", hidden=(8,), train_size=200, epochs=3),
    space=lambda trial: {"lr": trial.suggest_categorical("lr", [0.001, 0.01])},
)


def trained(name="few"):
    """Numbers of the trials that a worker was started for."""
    return [folder.number for folder in folders(name) if folder.history().devices]


def same_results(trial, twin):
    """Whether two trials hold the same epochs, end and weights."""
    ours, theirs = trial.history(), twin.history()
    assert [dict(each.metrics) for each in ours.epochs] == [dict(each.metrics) for each in theirs.epochs]
    assert (ours.ended.value, ours.ended.evaluation) == (theirs.ended.value, theirs.ended.evaluation)
    assert trial.best.read_bytes() == twin.best.read_bytes()
    assert trial.last.exists() == twin.last.exists()
    assert not trial.checkpoint.exists()


def test_a_recipe_that_was_trained_before_is_not_trained_again():
    list(search(FEW, 8, pruner="none", sampler="random"))
    assert len(trained()) == 2
    first = {folder.recipe()["lr"]: folder for folder in folders("few") if folder.number in trained()}
    for folder in folders("few"):
        twin = first[folder.recipe()["lr"]]
        same_results(folder, twin)
        assert folder.history().ended.repeats == (None if folder.number == twin.number else twin.number)
    assert [trial.state for trial in optuna_trials("few")] == [TrialState.COMPLETE] * 8
    assert [trial.value for trial in optuna_trials("few")] == [
        folder.history().ended.value for folder in folders("few")
    ]
    assert all(len(trial.intermediate_values) == 3 for trial in optuna_trials("few"))


def test_killed_while_it_takes_over_the_figures_of_another_trial_it_ends_the_same():
    list(search(FEW, 8, pruner="none", sampler="random"))
    last = next(folder for folder in reversed(folders("few")) if folder.number not in trained())
    whole = last.path.joinpath("log.jsonl").read_bytes().splitlines(keepends=True)
    last.path.joinpath("log.jsonl").write_bytes(whole[0])  # as after its first epoch
    last.best.unlink()
    Path(SETTINGS().home, "optuna.db").unlink()
    list(search(FEW, 8, pruner="none", sampler="random"))
    assert len(trained()) == 2
    same_results(last, Journal(last.path.parents[1]).trial(last.history().ended.repeats))


@pytest.mark.parametrize("changed", [{"environment": {"torch": "1.0"}}, {"data": {"name": "digits", "sha256": "0"}}])
def test_what_other_versions_or_other_data_have_given_is_trained_again(changed):
    list(search(FEW, 2, pruner="none", sampler="random"))
    for folder in folders("few"):
        folder.path.joinpath("trial.json").write_text(json.dumps({**folder.about(), **changed}))
    before = trained()
    list(search(FEW, 6, pruner="none", sampler="random"))
    assert len(trained()) > len(before)


NETS = """
from torch import nn
def flat(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))
"""


def test_a_network_of_ones_own_may_have_changed_and_is_always_trained():
    Path("nets.py").write_text(NETS)
    recipe = Recipe(dataset="digits", model="nets.py:flat", train_size=100, epochs=1)
    own = Study(name="own", recipe=recipe, space=lambda trial: {"lr": trial.suggest_categorical("lr", [0.01])})
    list(search(own, 3))
    assert trained("own") == [0, 1, 2]


def test_a_training_of_ones_own_may_not_repeat_itself_and_is_always_run(toy):
    few = replace(toy, name="often", space=lambda trial: {"x": trial.suggest_categorical("x", [0.0])})
    list(search(few, 5, pruner="none"))
    assert trained("often") == [0, 1, 2, 3, 4]
