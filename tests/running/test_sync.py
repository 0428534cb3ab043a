"""`sync`: Optuna and MLflow are made equal to the folders, a study that runs is left to its search."""

from __future__ import annotations

import shutil

import optuna

from study.running.sync import pending, sync
from study.sampling import storage
from study.settings import resolve


def test_lost_databases_are_made_again_and_a_second_time_nothing_is_told(made, database):
    places = resolve()
    shutil.copy(database, places.home / "mlflow.db")
    assert [(each.study, each.pending) for each in pending(places, ["made"])] == [("made", 7)]
    first, second = (sync(places, ["made"])[0] for _ in range(2))
    assert (first.optuna, first.mlflow, first.pending, first.trouble) == (7, 7, 0, None)
    assert (second.optuna, second.mlflow) == (0, 0)
    assert len(optuna.load_study(study_name="made", storage=places.storage).trials) == 7


def test_a_study_that_runs_tells_optuna_itself(made, database):
    places = resolve()
    shutil.copy(database, places.home / "mlflow.db")
    with storage.opened(places.storage) as opened, storage.held("made", made.folder, opened):
        (found,) = sync(places, ["made"])
    assert (found.optuna, found.mlflow) == (None, 7)


def test_without_names_nothing_is_reached():
    assert list(sync(resolve(), [])) == []


def test_a_damaged_trial_is_left_out_and_named(made, database):
    places = resolve()
    shutil.copy(database, places.home / "mlflow.db")
    file = made.trial(2).path / "trial.json"
    file.write_bytes(file.read_bytes().replace(b"uid", b"uie"))
    done = sync(places, ["made"])
    assert not done.ok
    assert (done[0].optuna, done[0].mlflow, done[0].trouble) == (6, 6, "damaged: trial 2; see `study doctor`")
