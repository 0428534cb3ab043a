"""The mirror: whatever happens to the server, a training is not slowed and nothing is lost or doubled."""

import socket
import time
from dataclasses import replace

import pytest

from study import tracking
from study.errors import PlaceError
from study.formatting import storable
from study.record import checked
from study.tracking import cursor, mirror
from study.tracking.mirror import Mirror
from tests.waiting import until


@pytest.fixture
def running(settings, folders):
    """Start mirrors; what they warn of is in `warnings`. All are closed at the end."""
    started = []

    def start(places=settings):
        warnings = []
        each = Mirror(folders.journal, tracking.server_name(places), lambda: tracking.connect(places), warnings.append)
        started.append(each)
        return each, warnings

    yield start
    for each in started:
        each.close(0.1)


@pytest.fixture
def deaf_server():
    """Connections to it are made, by the kernel, and never answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_second_sync_finds_nothing_to_send(settings, folders, seen):
    folders.trial(epochs=3, end="complete")
    folders.trial(epochs=1)
    tracking.sync_studies(settings)
    (again,) = tracking.sync_studies(settings)
    assert (again.sent, again.points, again.pending) == (0, 0, 0)
    assert seen.points() == folders.points()


def test_without_its_cursor_a_sync_doubles_nothing(settings, folders, seen):
    folders.trial(epochs=3, end="complete")
    folders.trial(epochs=2, end="pruned")
    folders.trial(epochs=1)
    tracking.sync_studies(settings)
    before = {run.info.run_id: seen.history(run) for run in seen.runs()}
    (folders.journal.folder / "mirror.json").unlink()
    (report,) = tracking.sync_studies(settings)
    assert (report.sent, report.pending) == (3, 0)
    assert {run.info.run_id: seen.history(run) for run in seen.runs()} == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"x": 1}'])
def test_a_damaged_cursor_is_as_good_as_none(settings, folders, seen, content):
    folders.trial(epochs=2, end="complete")
    tracking.sync_studies(settings)
    (folders.journal.folder / "mirror.json").write_bytes(content)
    tracking.sync_studies(settings)
    assert seen.points() == folders.points()


def test_when_mlflows_database_is_lost_all_of_it_is_told_again(settings, folders, seen, look, tmp_path, database):
    folders.trial(epochs=2, end="complete")
    tracking.sync_studies(settings)
    other = replace(settings, tracking_uri=f"sqlite:///{tmp_path / 'new.db'}")
    (tmp_path / "new.db").write_bytes(database.read_bytes())
    cursors = folders.journal.folder / "mirror.json"
    checked.write(cursors, {other.tracking_uri: checked.read(cursors)[settings.tracking_uri]})
    tracking.sync_studies(other)
    assert look(other.tracking_uri).points() == folders.points()


def test_every_server_has_a_cursor_of_its_own(settings, folders, look, tmp_path, database):
    folders.trial(epochs=2, end="complete")
    (tmp_path / "new.db").write_bytes(database.read_bytes())
    both = [settings, replace(settings, tracking_uri=f"sqlite:///{tmp_path / 'new.db'}")]
    sent = [tracking.sync_studies(places)[0].sent for places in [*both, *both]]
    assert sent == [1, 1, 0, 0]
    assert [look(places.tracking_uri).points() for places in both] == [folders.points()] * 2


def test_epochs_appear_while_the_trial_runs(folders, seen, running):
    live, warnings = running()
    trial = folders.trial(epochs=1)
    live.wake()
    until(lambda: folders.points() == seen.points())
    assert seen.of(trial).info.status == "RUNNING"
    folders.epoch(trial, 2)
    live.wake()
    until(lambda: folders.points() == seen.points())
    folders.end(trial, "complete")
    live.wake()
    assert live.close(60) == 0
    assert seen.of(trial).info.status == "FINISHED"
    assert warnings == []


@pytest.mark.slow
def test_a_server_killed_and_started_again_catches_up_by_itself(settings, folders, look, running, server):
    live, warnings = running(replace(settings, tracking_uri=server.uri))
    trial = folders.trial(epochs=2)
    live.wake()
    there = look(server.uri)
    until(lambda: there.points() == folders.points())
    server.kill()
    for epoch in (3, 4, 5):
        folders.epoch(trial, epoch)
        live.wake()
    until(lambda: warnings)
    folders.end(trial, "complete")
    folders.trial(epochs=2, end="pruned")
    live.wake()
    server.start()
    until(lambda: mirror.pending(folders.journal, server.uri) == 0)
    assert live.close(60) == 0
    assert there.points() == folders.points()
    assert len(warnings) == 1


def test_a_server_that_never_answers_delays_nothing(settings, folders, running, deaf_server):
    live, _ = running(replace(settings, tracking_uri=deaf_server))
    began = time.monotonic()
    trial = folders.trial()
    for epoch in range(1, 101):
        folders.epoch(trial, epoch)
        live.wake()
    folders.end(trial, "complete")
    assert time.monotonic() - began < 60  # and not once an epoch until the server is given up
    began = time.monotonic()
    assert live.close(2) == 1
    assert 1.9 < time.monotonic() - began < 60


def test_a_read_only_database_is_one_warning(settings, folders, running):
    places = replace(settings, tracking_uri=f"sqlite:///file:{settings.home / 'mlflow.db'}?mode=ro&uri=true")
    live, warnings = running(places)
    trial = folders.trial(epochs=1, end="complete")
    for _ in range(3):
        live.wake()
        time.sleep(0.2)
    assert live.close(30) == 1
    assert len(warnings) == 1
    assert "readonly database" in warnings[0]
    assert trial.history().ended is not None


def test_where_nothing_listens_the_warning_names_the_place_without_its_password(settings, folders, running):
    live, warnings = running(replace(settings, tracking_uri="http://me:secret@127.0.0.1:9"))
    folders.trial(epochs=1)
    live.wake()
    assert live.close(30) == 1
    assert warnings == ["MLflow at http://me:***@127.0.0.1:9: nothing answers there"]


def test_a_mirror_that_is_never_woken_sends_what_was_left_when_it_is_closed(folders, seen, running):
    folders.trial(epochs=1, end="complete")
    live, _ = running()
    assert live.close(60) == 0
    assert seen.points() == folders.points()


def test_a_training_gone_on_otherwise_gets_a_run_of_its_own(settings, folders, seen):
    trial = folders.trial(epochs=3)
    tracking.sync_studies(settings)
    first = seen.of(trial).info.run_id
    trial.append("restarted", epochs=1)
    folders.epoch(trial, 2, val_loss=0.123)
    folders.epoch(trial, 3)
    folders.end(trial, "complete")
    tracking.sync_studies(settings)
    assert seen.of(trial).info.run_id != first
    steps = [(step, value) for name, step, value, _ in seen.history(seen.of(trial)) if name == "val_loss"]
    assert sorted(steps) == [(1, 2 / 3), (2, 0.123), (3, 2 / 9)]


def test_a_damaged_folder_does_not_keep_the_others_back(settings, folders, seen):
    trials = [folders.trial(epochs=2) for _ in range(3)]
    log = trials[1].path / "log.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"number": 1', b'"number": 7'))
    (report,) = tracking.sync_studies(settings)
    assert (report.sent, report.pending, report.error) == (2, 0, None)
    assert set(seen.children()) == {trial.about()["uid"] for trial in (trials[0], trials[2])}


def test_a_piece_that_mlflow_refuses_is_named_and_keeps_nothing_else_back(settings, folders, seen):
    first = folders.trial(epochs=1)
    tracking.sync_studies(settings)
    recipe = first.path / "recipe.json"
    checked.write(recipe, {**checked.read(recipe), "model": "logistic"})
    (folders.journal.folder / "mirror.json").unlink()
    second = folders.trial(epochs=1)
    (report,) = tracking.sync_studies(settings)
    assert (report.sent, report.pending, report.error) == (2, 0, None)
    (line,) = report.refused
    assert line.startswith("MLflow refuses the parameter 'model' of run ")
    assert "Changing param values" in line
    assert second.about()["uid"] in seen.children()
    assert seen.points() == folders.points()


@pytest.mark.parametrize("text", ["x\udcff", "x\0y", "x" * 9000], ids=["a lone surrogate", "NUL", "too long"])
def test_any_text_of_a_trial_reaches_mlflow(settings, folders, seen, text):
    trial = folders.trial(epochs=1, variant=text, overrides={"note": text})
    trial.append("ended", state="failed", value=None, reason=text, evaluation=None)
    after = folders.trial(epochs=1, end="complete")
    (report,) = tracking.sync_studies(settings)
    assert (report.error, report.refused, report.pending) == (None, (), 0)
    assert seen.of(trial).info.status == "FAILED"
    assert seen.of(trial).data.tags["study.reason"] == storable(text)[:8000]
    assert seen.of(after).info.status == "FINISHED"


def test_numbers_that_are_no_metric_keep_nothing_back(settings, folders, seen):
    trial = folders.trial()
    folders.epoch(trial, 1, val_loss=float("nan"), other=float("inf"))
    folders.end(trial, "complete")
    (report,) = tracking.sync_studies(settings)
    assert (report.error, report.pending) == (None, 0)
    assert seen.of(trial).info.status == "FINISHED"


def test_where_the_clock_was_set_back_no_run_ends_before_it_starts(settings, folders, seen):
    folders.trial(epochs=1, end="complete", created=time.time() + 3600)
    tracking.sync_studies(settings)
    assert len(seen.runs()) == 2
    assert all(run.info.end_time >= run.info.start_time for run in seen.runs())


def test_a_study_that_is_told_is_known_from_the_files_alone(settings, folders):
    folders.trial(epochs=1, end="complete")
    assert not mirror.is_told(folders.journal, settings.tracking_uri)
    tracking.sync_studies(settings)
    assert mirror.is_told(folders.journal, settings.tracking_uri)
    folders.trial(epochs=1)
    assert not mirror.is_told(folders.journal, settings.tracking_uri)


def test_a_trial_whose_folder_was_made_anew_is_told_anew(settings, folders, seen):
    trial = folders.trial(epochs=2, end="complete")
    tracking.sync_studies(settings)
    about = trial.path / "trial.json"
    checked.write(about, {**trial.about(), "uid": "0123456789abcdef"})
    (report,) = tracking.sync_studies(settings)
    assert report.sent == 1
    assert seen.of(trial).data.tags["study.uid"] == "0123456789abcdef"


def test_a_run_that_a_person_deleted_while_its_trial_runs_comes_back(settings, folders, seen):
    trial = folders.trial(epochs=1)
    tracking.sync_studies(settings)
    seen.client.delete_run(seen.of(trial).info.run_id)
    folders.epoch(trial, 2)
    first, second = (tracking.sync_studies(settings)[0] for _ in range(2))
    assert "deleted" in first.error
    assert second.error is None
    assert seen.points() == folders.points()


def test_when_the_parent_run_was_deleted_the_study_gets_another(settings, folders, seen):
    trials = [folders.trial(epochs=1, end="complete"), folders.trial(epochs=1)]
    tracking.sync_studies(settings)
    seen.client.delete_run(seen.parent().info.run_id)
    tracking.sync_studies(settings)
    parents = {seen.of(trial).data.tags["mlflow.parentRunId"] for trial in trials}
    assert parents == {seen.parent().info.run_id}
    assert seen.points() == folders.points()


def test_an_experiment_that_a_person_deleted_is_not_brought_back(settings, folders, seen):
    folders.trial(epochs=1)
    tracking.sync_studies(settings)
    seen.client.delete_experiment(seen.parent().info.experiment_id)
    (report,) = tracking.sync_studies(settings)
    assert "experiment 'tiny' was deleted" in report.error


def test_the_best_value_rises_by_trial_number_whatever_ends_first(settings, folders, seen):
    slow, middle, fast = (folders.trial(epochs=number) for number in (2, 3, 1))
    for trial in (fast, middle, slow):
        folders.end(trial, "complete")
        tracking.sync_studies(settings)
    rise = seen.client.get_metric_history(seen.parent().info.run_id, "best_trial")
    assert sorted((point.step, point.value) for point in rise) == [(0, 0), (1, 1)]


def test_a_paused_trial_keeps_no_best_value_back_and_may_be_the_best_later(
    settings, study_folders, look, tmp_path, database
):
    (tmp_path / "new.db").write_bytes(database.read_bytes())
    later = replace(settings, tracking_uri=f"sqlite:///{tmp_path / 'new.db'}")
    folders = study_folders("promoted", pruner="promotion")
    paused, other = folders.trial(epochs=1), folders.trial(epochs=2, end="complete")
    paused.append("paused", epochs=1)
    tracking.sync_studies(settings)

    def rise(places):
        seen = look(places.tracking_uri, "promoted")
        points = seen.client.get_metric_history(seen.parent().info.run_id, "best_trial")
        return sorted((point.timestamp, point.step, point.value) for point in points)

    assert [value for *_, value in rise(settings)] == [other.number]
    sent = cursor.load(folders.journal, settings.tracking_uri)
    early = mirror.summarize(folders.journal, folders.journal.definition(), sent, folders.journal.trials(), 0.0)
    assert early.new_bests == []  # a trial that ended before it may not have been read yet
    for epoch in (2, 3, 4):
        folders.epoch(paused, epoch)
    folders.end(paused, "complete")
    for places in (settings, later):
        tracking.sync_studies(places)
        metrics = look(places.tracking_uri, "promoted").parent().data.metrics
        assert (metrics["best_trial"], metrics["best_value"]) == (0, paused.history().ended.value)
    assert [(step, value) for _, step, value in rise(settings)] == [(1, 1), (1, 0)]
    assert rise(later) == rise(settings)


@pytest.mark.parametrize(("direction", "best"), [("maximize", "2"), ("minimize", "0")])
def test_the_best_is_the_best_in_the_studys_direction(settings, study_folders, look, direction, best):
    folders = study_folders("directed", direction=direction)
    for epochs in (1, 2, 3):
        folders.trial(epochs=epochs, end="complete")
    tracking.sync_studies(settings)
    assert look(settings.tracking_uri, "directed").parent().data.tags["study.best_trial"] == best


def test_all_studies_are_synced_when_none_is_named(settings, study_folders):
    for name in ("one", "two@digits"):
        study_folders(name).trial(epochs=1, end="complete")
    reports = tracking.sync_studies(settings)
    assert [(report.study, report.sent) for report in reports] == [("one", 1), ("two@digits", 1)]


def test_a_study_without_results_is_named(settings):
    with pytest.raises(PlaceError, match="no results of a study 'tinny'"):
        tracking.sync_studies(settings, ["tinny"])
