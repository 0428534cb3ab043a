"""What MLflow shows: the layout, number by number, on SQLite and over HTTP."""

import json
import math
import os
import re
import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from study import tracking
from study.errors import PlaceError
from study.knobs import ALWAYS_WRITTEN
from study.recipe import Recipe
from study.record import note
from study.record.journal import Journal
from study.settings import resolve


@pytest.fixture
def four(folders):
    """A variant and a better trial complete, one pruned, one failed."""
    return {
        "variant": folders.trial(epochs=4, end="complete", variant="baseline"),
        "pruned": folders.trial(epochs=2, end="pruned", overrides={"lr": 0.03}),
        "complete": folders.trial(epochs=4, end="complete"),
        "failed": folders.trial(epochs=1, end="failed"),
    }


def test_every_point_of_every_epoch_is_in_mlflow_with_its_time(settings, folders, seen, four):
    (report,) = tracking.sync_studies(settings)
    assert (report.study, report.sent, report.pending, report.error) == ("tiny", 4, 0, None)
    assert seen.points() == folders.points()
    assert report.points == sum(map(len, folders.points().values()))


def test_a_trial_is_a_child_run_with_its_recipe_as_parameters(settings, seen, four):
    tracking.sync_studies(settings)
    run = seen.of(four["pruned"])
    assert run.data.tags["mlflow.parentRunId"] == seen.parent().info.run_id
    assert set(run.data.params) == ALWAYS_WRITTEN  # as in recipe.json: younger knobs only where they are set
    assert run.data.params["hidden"] == "[8]"


def test_the_state_of_a_trial_is_seen_in_status_and_tags(settings, seen, four):
    tracking.sync_studies(settings)
    found = {name: seen.of(trial) for name, trial in four.items()}
    shown = {name: (run.info.status, run.data.tags["study.state"], run.info.run_name) for name, run in found.items()}
    assert shown == {
        "variant": ("FINISHED", "COMPLETE", "baseline (trial 0)"),
        "pruned": ("KILLED", "PRUNED", "trial 1"),
        "complete": ("FINISHED", "COMPLETE", "trial 2"),
        "failed": ("FAILED", "FAIL", "trial 3"),
    }
    assert found["pruned"].data.tags["study.pruned_at"] == "2"
    assert found["failed"].data.tags["study.reason"] == "RuntimeError: no memory"


def test_a_trial_carries_where_and_of_what_it_was_made(settings, seen, four):
    tracking.sync_studies(settings)
    expected = {
        "study": "tiny",
        "study.trial": "1",
        "study.uid": four["pruned"].about()["uid"],
        "study.overrides": '{"lr": 0.03}',
        "study.device": "cpu",
        "study.git_commit": "c0ffee",
        "study.data": "digits",
        "study.data_sha256": "d1" * 32,
        "study.data_imported": "False",
        "study.with.torch": "2.15.0",
    }
    assert expected.items() <= seen.of(four["pruned"]).data.tags.items()


def test_a_run_begins_and_ends_when_the_trial_did(settings, seen, four):
    tracking.sync_studies(settings)
    trial, run = four["complete"], seen.of(four["complete"])
    assert run.info.start_time == round(1000 * trial.about()["created"])
    assert run.info.end_time == round(1000 * trial.history().ended.time)


def test_a_complete_trial_has_its_evaluation_pictures_recipe_and_weights(settings, seen, four):
    tracking.sync_studies(settings)
    run = seen.of(four["complete"])
    kept = seen.artifacts(run)
    assert set(kept) == {"recipe.json", "best.safetensors", "confusion.png", "curves.png", "evaluation.json"}
    assert json.loads(kept["recipe.json"]) == four["complete"].recipe()
    assert kept["best.safetensors"] == four["complete"].best.read_bytes()
    assert round(run.data.metrics["val_f1_macro"], 6) == 0.6


def test_artifacts_of_the_default_database_lie_beside_it(settings, four):
    tracking.sync_studies(settings)
    assert len(list(settings.artifacts.glob("*/artifacts/recipe.json"))) == 4


def test_a_home_may_have_spaces_and_signs_in_its_name(tmp_path, database, look, folders):
    places = resolve(tmp_path / "my results (100% ü)")
    shutil.copytree(folders.journal.folder.parents[1], places.home)
    shutil.copy(database, places.home / "mlflow.db")
    trial = type(folders)(places.home).trial(epochs=1, end="complete")
    tracking.sync_studies(places)
    seen = look(places.tracking_uri)
    assert seen.artifacts(seen.of(trial))["best.safetensors"] == trial.best.read_bytes()
    assert {path.name for path in places.home.iterdir()} >= {"artifacts", "mlflow.db"}


def test_the_parent_run_sums_the_study_up(settings, seen, four):
    tracking.sync_studies(settings)
    parent = seen.parent()
    assert parent.info.status == "FINISHED"
    assert parent.info.end_time == round(1000 * four["failed"].history().ended.time)
    best = four["complete"].history().ended.value
    assert {
        "study.direction": "maximize",
        "study.metric": "val_accuracy",
        "study.data_sha256": "d1" * 32,
        "study.complete": "2",
        "study.pruned": "1",
        "study.failed": "1",
        "study.running": "0",
        "study.best_trial": "2",
        "study.best_value": str(best),
        "mlflow.source.name": "tiny",
    }.items() <= parent.data.tags.items()
    said = parent.data.tags["mlflow.note.content"]
    assert said.startswith("What a small network makes of digits.\n\nMaximize `val_accuracy` on digits.")
    assert f"**Best trial: 2** (the study's recipe as it is), val_accuracy {100 * best:.2f} % on one seed." in said
    assert (parent.data.metrics["best_value"], parent.data.metrics["best_trial"]) == (best, 2)
    assert json.loads(seen.artifacts(parent)["best.json"])["recipe"] == four["complete"].recipe()


def test_the_experiment_says_what_is_asked_and_that_it_trains_models(settings, seen, four):
    tracking.sync_studies(settings)
    experiment = seen.client.get_experiment_by_name("tiny")
    assert experiment.tags["mlflow.note.content"] == seen.parent().data.tags["mlflow.note.content"]
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_study_made_by_a_question_names_the_command_instead_of_a_best_trial(settings, study_folders, folders, four):
    study_folders("tiny-final").trial(epochs=1, end="complete")
    text = note.of_study(Journal(settings.study_folder("tiny-final")), 0, 0.9)
    assert "Trainings of `study confirm tiny`" in text
    assert "Best trial" not in text
    assert "Not confirmed: `study confirm tiny`" in note.of_study(folders.journal, 2, 0.9)


def test_a_run_names_its_data_its_source_and_its_user_and_says_how_it_ended(settings, seen, four):
    for _ in range(2):  # once more adds nothing
        tracking.sync_studies(settings)
        (four["pruned"].path.parents[1] / "mirror.json").unlink()  # else nothing is sent again
    run = seen.of(four["pruned"])
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("digits", "d1d1d1d1")
    assert {tag.key: tag.value for tag in given.tags} == {"mlflow.data.context": "training"}
    assert run.data.tags["mlflow.user"] == four["pruned"].path.owner()
    assert run.data.tags["mlflow.source.name"] == "tiny"
    said = run.data.tags["mlflow.note.content"]
    assert said.startswith("`lr=0.03`: pruned after 2 epochs (median pruner), val_accuracy 0.")


def test_a_new_database_has_no_empty_default_experiment(tmp_path, folders):
    folders.trial(epochs=1, end="complete")
    places = resolve(tmp_path / "mlruns")
    tracking.sync_studies(places)
    from mlflow import MlflowClient

    assert [each.name for each in MlflowClient(places.tracking_uri).search_experiments()] == ["tiny"]


def test_a_study_that_goes_on_is_running_again(settings, folders, seen, four):
    tracking.sync_studies(settings)
    trial = folders.trial(epochs=1)
    tracking.sync_studies(settings)
    assert [run.info.status for run in (seen.parent(), seen.of(trial))] == ["RUNNING", "RUNNING"]
    folders.end(trial, "complete")
    tracking.sync_studies(settings)
    assert [run.info.status for run in (seen.parent(), seen.of(trial))] == ["FINISHED", "FINISHED"]


def test_a_changed_definition_is_kept_although_parameters_cannot_change(settings, folders, seen, four):
    tracking.sync_studies(settings)
    folders.journal.store_definition(
        {**folders.journal.definition(), "recipe": Recipe(epochs=9).model_dump(mode="json")}
    )
    (report,) = tracking.sync_studies(settings)
    assert report.error is None
    assert json.loads(seen.artifacts(seen.parent())["study.json"])["recipe"]["epochs"] == 9


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("way", ["sqlite", "http"])
def test_a_value_that_is_not_finite_does_not_hold_up_the_others(request, settings, study_folders, look, way, value):
    if way == "http":
        settings = replace(settings, tracking_uri=request.getfixturevalue("lasting_server").uri)
    folders = study_folders(f"diverged {value}")
    trial = folders.trial(epochs=1)
    folders.epoch(trial, 2, val_loss=value)
    (report,) = tracking.sync_studies(settings)
    points = look(settings.tracking_uri, f"diverged {value}").points()[trial.about()["uid"]]
    assert (report.error, report.pending, len(points)) == (None, 0, 6)
    (shown,) = [each for name, step, each, _ in points if (name, step) == ("val_loss", 2)]
    assert math.isnan(shown) if math.isnan(value) else shown == math.copysign(sys.float_info.max, value)


def test_over_http_mlflow_has_the_same(settings, lasting_server, study_folders, look):
    settings = replace(settings, tracking_uri=lasting_server.uri)
    folders = study_folders("over http")
    trial = folders.trial(epochs=4, end="complete")
    tracking.sync_studies(settings)
    (report,) = tracking.sync_studies(settings)
    (folders.journal.folder / "mirror.json").unlink()
    tracking.sync_studies(settings)
    there = look(lasting_server.uri, "over http")
    assert (report.sent, there.points()) == (0, folders.points())
    assert there.artifacts(there.of(trial))["best.safetensors"] == trial.best.read_bytes()


@pytest.mark.parametrize("variant", ["don't", 'the "wide" one', 'it\'s "both"'])
def test_a_comparison_whose_variant_has_quotes_in_its_name_is_sent(settings, folders, seen, variant):
    trial = folders.trial(epochs=2, variant=variant, grouped=True)
    for _ in range(2):
        (report,) = tracking.sync_studies(settings)
        assert (report.error, report.pending) == (None, 0)
    parent = seen.client.get_run(seen.of(trial).data.tags["mlflow.parentRunId"])
    assert (parent.info.run_name, parent.data.tags["study.variant"]) == (variant, variant)


def test_trials_sent_at_once_over_http_are_as_those_sent_step_by_step(settings, lasting_server, study_folders, look):
    settings = replace(settings, tracking_uri=lasting_server.uri)
    at_once, in_steps = study_folders("at once"), study_folders("in steps")
    ends = ["complete", "pruned", "failed", "complete"]
    for end in ends:
        at_once.trial(epochs=3, end=end, variant="wide" if end == "pruned" else None, grouped=end == "pruned")
        trial = in_steps.trial(epochs=1, variant="wide" if end == "pruned" else None, grouped=end == "pruned")
        tracking.sync_studies(settings, ["in steps"])
        for epoch in (2, 3):
            in_steps.epoch(trial, epoch)
        in_steps.end(trial, end)
    reports = tracking.sync_studies(settings)
    assert [(report.error, report.pending, report.refused) for report in reports] == [(None, 0, ())] * 2
    shown = [[_seen(look(lasting_server.uri, name), trial) for trial in folders.journal.trials()]
             for name, folders in (("at once", at_once), ("in steps", in_steps))]  # fmt: skip
    assert shown[0] == shown[1]
    assert len(shown[0]) == len(ends)


def _seen(there, trial):
    """What MLflow shows of a trial, without what differs between two studies."""
    run = there.of(trial)
    tags = {
        name: text for name, text in run.data.tags.items() if name not in {"study", "study.uid", "mlflow.source.name"}
    }
    parent = there.client.get_run(tags.pop("mlflow.parentRunId"))
    kept = {name: len(content) for name, content in there.artifacts(run).items() if not name.endswith(".png")}
    points = [point[:3] for point in there.history(run)]
    return run.info.run_name, run.info.status, parent.info.run_name == there.study, tags, run.data.params, points, kept


@pytest.mark.slow
def test_in_a_database_on_postgresql_mlflow_has_the_same(settings, postgres, study_folders, look):
    settings = replace(settings, tracking_uri=postgres().replace("postgresql://", "postgresql+psycopg://"))
    folders = study_folders("tiny")
    trial = folders.trial(epochs=4)
    folders.epoch(trial, 5, val_loss=math.inf)
    folders.end(trial, "complete")
    tracking.sync_studies(settings)
    (folders.journal.folder / "mirror.json").unlink()
    (report,) = tracking.sync_studies(settings)
    shown, (expected,) = look(settings.tracking_uri).points()[trial.about()["uid"]], folders.points().values()
    assert (report.error, len(shown)) == (None, len(expected))
    assert [point for point in shown if point[2] < 1e300] == [point for point in expected if point[2] < 1e300]
    assert (settings.artifacts / look(settings.tracking_uri).of(trial).info.run_id / "artifacts/curves.png").exists()


def test_more_knobs_and_metrics_than_one_request_takes_are_all_there(settings, folders, seen):
    many = {f"knob {number}": "x" * 7000 if number == 7 else number for number in range(230)}
    trial = folders.trial(environment={f"package {number}": "1.0" for number in range(150)})
    (trial.path / "recipe.json").write_text(json.dumps(many))
    for epoch in range(1, 13):
        folders.epoch(trial, epoch, **{f"metric {number}": number / epoch for number in range(130)})
    (report,) = tracking.sync_studies(settings)
    run = seen.of(trial)
    assert report.error is None
    assert len(run.data.params) == 230
    assert len(run.data.params["knob 7"]) == 6000
    assert sum(tag.startswith("study.with.") for tag in run.data.tags) == 150
    assert seen.points() == folders.points()


def test_the_experiment_can_be_named_by_mlflows_own_variable(monkeypatch, settings, folders, look, four):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "everything")
    tracking.sync_studies(settings)
    assert len(look(settings.tracking_uri, "everything").children()) == 4


def test_a_persons_time_limits_are_left_alone(monkeypatch, settings, four):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    tracking.sync_studies(settings)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert int(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]) <= 2


def test_nothing_of_mlflows_talk_reaches_the_terminal(capfd, tmp_path, study_folders):
    study_folders("quiet").trial(epochs=1, end="complete")
    tracking.sync_studies(resolve(tmp_path / "mlruns"))  # with the database's first migration
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("mlruns", "plain folder.*migrate-filestore"),
        ("file:///tmp/mlruns", "plain folder"),
        ("nonsense://x", "nonsense"),
        ("sqlite:////proc/nowhere/mlflow.db", "No such file|Permission|Read-only"),
        ("http://127.0.0.1:9", "nothing answers there"),
        ("postgresql+psycopg://me:secret@127.0.0.1:9/mlflow", "nothing answers there"),
    ],
)
def test_an_mlflow_that_cannot_be_used_is_one_line_with_the_cure(tmp_path, uri, words):
    with pytest.raises(PlaceError, match=words) as raised:
        tracking.connect(resolve(tmp_path / "mlruns", None, uri))
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_an_out_of_date_database_is_named_with_mlflows_own_cure(settings):
    with closing(sqlite3.connect(settings.home / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    with pytest.raises(PlaceError, match="mlflow db upgrade"):
        tracking.check(settings)


def test_the_check_says_what_answers_and_makes_nothing(tmp_path, settings):
    assert re.fullmatch(r"MLflow 3[.]\d+[.]\d+, sqlite:///.*mlflow.db answers", tracking.check(settings))
    other = resolve(tmp_path / "other")
    assert tracking.check(other).endswith("is made by the first run")
    assert not other.home.exists()


def test_a_password_is_not_kept_and_not_shown(tmp_path):
    shown = tracking.server_name(resolve(tmp_path, None, "https://me:se:cr@t@example.com:5000/mlflow"))
    assert shown == "https://me:***@example.com:5000/mlflow"
