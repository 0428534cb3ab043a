"""Removing a study: all of it, nothing of others, nothing while it is run; what folders alone cannot tell is said."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import optuna
import pytest
from mlflow import MlflowClient

from study import Study, settings, tracking
from study.errors import InputError, PlaceError, StudyLocked
from study.options import Options
from study.progress import Notice, SearchStarted
from study.questions import search
from study.recipe import Recipe
from study.running import removal
from study.sampling import storage

SMALL = Recipe(dataset="digits", model="logistic", train_size=100, epochs=1)
HERE = Options(trials=2, executor="inline", sampler="random", pruner="none", track=False)


def run(name, places, options=HERE):
    study = Study(name=name, recipe=SMALL, space=lambda trial: {"lr": trial.suggest_float("lr", 0.001, 0.1)})
    return list(search.run(study, places, options, Event()))


@pytest.fixture
def places(tmp_path, database):
    """Two studies and what was made for the first, in folders, Optuna and MLflow."""
    home = tmp_path / "home_of_results"
    home.mkdir()
    shutil.copy(database, home / "mlflow.db")
    found = settings.resolve(home)
    for name in ("one", "one-confirm", "other"):
        run(name, found)
    assert [report.error for report in tracking.sync_studies(found)] == [None, None, None]
    return found


def living_runs(places):
    client = MlflowClient(places.tracking_uri)
    experiments = {each.experiment_id: each.name for each in client.search_experiments()}
    return sorted(experiments[run.info.experiment_id] for run in client.search_runs([*experiments]))


def in_optuna(places):
    with storage.opened(places.storage) as database:
        return storage.count_by_study(database)


def test_all_of_a_study_is_removed_and_nothing_of_another(places):
    found = removal.plan("one", places)
    assert dict(found.trials) == {"one": 2, "one-confirm": 2}
    assert found.size > 1000
    removal.remove(found, places)
    assert [path.name for path in (places.home / "studies").iterdir()] == ["other"]
    assert in_optuna(places) == {"other": 2}
    assert living_runs(places) == ["other"] * 3


def test_it_can_be_searched_anew_afterwards(places):
    removal.remove(removal.plan("one", places), places)
    run("one", places)
    (report,) = tracking.sync_studies(places, ["one"])
    assert (report.sent, report.error) == (2, None)
    assert living_runs(places) == ["one"] * 3 + ["other"] * 3


def test_a_study_whose_folders_were_deleted_is_still_removed(places):
    shutil.rmtree(places.home / "studies" / "one")
    removal.remove(removal.plan("one", places), places)
    assert in_optuna(places) == {"other": 2}


def test_what_a_removal_that_was_killed_has_left_is_removed_by_the_same_name(places):
    shutil.rmtree(places.study_folder("one"))
    with storage.opened(places.storage) as database:
        storage.forget(database, "one")
    removal.remove(removal.plan("one", places), places)
    assert [path.name for path in (places.home / "studies").iterdir()] == ["other"]
    assert in_optuna(places) == {"other": 2}


@pytest.mark.parametrize("name", ["", ".", "..", "../studies/other", "one/trials"])
def test_what_is_no_study_is_never_removed(places, name):
    with pytest.raises(InputError):
        removal.plan(name, places)


def test_a_study_that_is_run_now_is_left_as_it_is(places):
    folder = places.study_folder("one")
    with storage.opened(places.storage) as database, storage.held("one", folder, database), pytest.raises(StudyLocked):
        removal.remove(removal.plan("one", places), places)
    assert in_optuna(places) == {"one": 2, "one-confirm": 2, "other": 2}
    assert len(living_runs(places)) == 9


def test_nothing_is_removed_while_mlflow_is_away(places):
    away = settings.Settings(places.home, places.storage, "http://127.0.0.1:9")
    with pytest.raises(PlaceError):
        removal.remove(removal.plan("one", away), away)
    assert in_optuna(places) == {"one": 2, "one-confirm": 2, "other": 2}


def test_an_unknown_name_is_refused_with_the_nearest(places):
    with pytest.raises(InputError, match=r"Did you mean 'other'\?"):
        removal.plan("othre", places)


def test_a_search_says_which_finished_trials_have_no_folder(places):
    shutil.rmtree(places.home / "studies" / "one" / "trials" / "00001")
    told = run("one", places, Options(trials=3, executor="inline", sampler="random", pruner="none", track=False))
    notice = next(each for each in told if isinstance(each, Notice))
    assert notice.text.startswith("1 finished trial has no folder here")
    assert next(each for each in told if isinstance(each, SearchStarted)).finished == 2


def test_trials_that_somebody_added_to_the_database_count_and_are_named(places):
    with storage.opened(places.storage) as database:
        optuna.load_study(study_name="one", storage=database).add_trial(optuna.trial.create_trial(value=0.5))
    told = run("one", places, Options(trials=4, executor="inline", sampler="random", pruner="none", track=False))
    assert next(each for each in told if isinstance(each, Notice)).text.startswith(
        "1 finished trial has no folder here"
    )
    assert in_optuna(places)["one"] == 4


@pytest.mark.slow
def test_trials_in_postgresql_are_removed_too(tmp_path, postgres):
    found = settings.resolve(tmp_path / "results", postgres())
    run("one", found)
    run("other", found)
    removal.remove(removal.plan("one", found), found)
    assert in_optuna(found) == {"other": 2}
    run("one", found)
    assert in_optuna(found) == {"one": 2, "other": 2}


def test_files_that_vanish_while_they_are_counted_are_no_fault(places):
    folder, over = places.study_folder("one"), Event()

    def write():
        while not over.is_set():
            for number in range(200):
                (folder / f".study.json.{number}").write_bytes(b"")
            for number in range(200):
                (folder / f".study.json.{number}").unlink()

    with ThreadPoolExecutor() as threads:
        writing = threads.submit(write)
        try:
            sizes = {removal.plan("one", places).size for _ in range(20)}
        finally:
            over.set()
        writing.result()
    assert sizes == {removal.plan("one", places).size}
