"""What is registered: the very weights whose score is told, usable without this package, once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from hashlib import sha256
from http.client import HTTPConnection

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from study import tracking
from study.data import packed
from study.engine.sources import ensure
from study.errors import DataError, InputError, PlaceError, StudyError
from study.questions import confirmation
from study.record.family import Family
from study.record.journal import Journal
from study.registry import registration

CLEAN = """
import json, sys

class NoStudy:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "study":
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, NoStudy())
import mlflow, numpy
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
found = model.predict(numpy.load(sys.argv[3]))
print(json.dumps({"labels": found["label"].tolist(), "first": found.iloc[0, 1:].tolist(), "columns": list(found)}))
"""


@pytest.fixture
def trained_model(registry_home):
    """The confirmed winner of `little`."""
    return registration.confirmed(Family("little", registry_home.home).as_confirmed(), registry_home)


def unconfirmed(settings, name="little", number=2):
    return registration.unconfirmed(Journal(settings.study_folder(name)), number)


def test_images():
    """The raw test images of digits and their classes."""
    pack = ensure("digits")
    arrays = packed.read(pack)
    return arrays["test_x"][..., 0], [pack.classes[number] for number in arrays["test_y"]]


test_images.__test__ = False  # its name says what it gives


def test_the_confirmed_winner_is_registered_with_what_is_known_of_it(trained_model, registry_home):
    version, is_new = registration.register(trained_model, registry_home, "little")
    found = confirmation.read(Family("little", registry_home.home).as_confirmed(), registry_home)
    folder = Journal(registry_home.study_folder("little-final")).trial(found.score.trials[0])
    assert is_new
    assert (version.model, version.number) == ("little", 1)
    tags = version.tags
    assert tags["study.made_by"] == f"little-final trial {folder.number}"
    assert tags["study.uid"] == folder.about()["uid"]
    assert json.loads(tags["study.recipe"]) == folder.recipe()
    assert float(tags["study.score"]) == found.score.mean.value
    assert float(tags["study.score_low"]) == found.score.mean.interval.low
    assert tags["study.score_seeds"] == "2"
    assert float(tags["study.own_score"]) == found.score.values[0]
    assert float(tags["study.search_score"]) == found.winner.search_value
    assert (tags["study"], tags["study.trial"], tags["study.confirmed"]) == ("little", str(found.winner.trial), "true")
    assert (tags["study.data"], tags["study.data_sha256"]) == ("digits", ensure("digits").sha256)
    assert {"study.with.torch", "study.with.study", "study.weights_sha256"} <= set(tags)


def test_mlflow_shows_the_model_with_its_run_its_card_and_its_signature(trained_model, registry_home):
    from mlflow import MlflowClient
    from mlflow.models import Model

    registration.register(trained_model, registry_home, "little")
    client = MlflowClient(registry_home.tracking_uri)
    made = client.get_model_version("little", "1")
    run = client.get_run(made.run_id)
    assert run.data.tags["study.uid"] == made.tags["study.uid"]
    assert [output.model_id for output in run.outputs.model_outputs]
    for words in ("on the test split, mean of 2 fresh seeds", "models:/little@champion", "sha256", "lr=0.01"):
        assert words in made.description
    info = Model.load(made.source.removeprefix("file://"))
    assert info.signature.inputs.inputs[0].shape == (-1, 8, 8)
    assert info.signature.outputs.input_names()[:2] == ["label", "probability_0"]
    files = {path.path for path in client.list_logged_model_artifacts(run.outputs.model_outputs[0].model_id)}
    assert {"MLmodel", "requirements.txt", "input_example.json", "code", "data"} <= files


@pytest.mark.slow  # a process that loads torch and MLflow
def test_it_predicts_in_a_clean_process_without_this_package_what_the_training_s_evaluation_saw(
    trained_model, registry_home, tmp_path
):
    registration.register(trained_model, registry_home, "little")
    images, true = test_images()
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "elsewhere").mkdir()
    command = [sys.executable, "-I", "-c", CLEAN, registry_home.tracking_uri, "models:/little/1"]
    done = subprocess.run(
        [*command, str(tmp_path / "images.npy")],
        cwd=tmp_path / "elsewhere",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    evaluation = trained_model.training.history.evaluation["test"]
    classes = evaluation["classes"]
    assert confusion_matrix(true, found["labels"], labels=classes).tolist() == evaluation["confusion"]
    assert found["columns"] == ["label", *(f"probability_{name}" for name in classes)]
    here = tracking.open_registry(registry_home)
    again = here.load(here.versions("little")[0]).predict(images)
    assert found["first"] == again.iloc[0, 1:].tolist()


@pytest.mark.slow
def test_mlflow_serves_it_over_http(trained_model, registry_home, tmp_path):
    version, _ = registration.register(trained_model, registry_home, "little")
    images, _ = test_images()
    expected = tracking.open_registry(registry_home).load(version).predict(images[:3])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", version.source, "--env-manager", "local"]
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--host", "127.0.0.1"], cwd=tmp_path, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        answer = ask(port, {"inputs": images[:3].tolist()}, server)
    finally:
        os.killpg(server.pid, 9)
        server.wait()
    assert answer["predictions"] == expected.to_dict("records")


def ask(port, body, server, patience=120):
    deadline = time.monotonic() + patience
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", "/invocations", json.dumps(body), {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        except ConnectionError:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.3)
        finally:
            connection.close()


def test_the_same_training_is_one_version_and_another_is_the_next(trained_model, registry_home):
    first, _ = registration.register(trained_model, registry_home, "little")
    again, is_new = registration.register(trained_model, registry_home, "little")
    assert (again.number, is_new) == (first.number, False)
    other, is_new = registration.register(unconfirmed(registry_home), registry_home, "little")
    assert (other.number, is_new, other.tags["study.confirmed"]) == (2, True, "false")
    assert "study.score" not in other.tags


def test_the_weights_are_those_of_the_last_epoch_whatever_epoch_was_the_best(registry_home):
    trained_model = unconfirmed(registry_home)
    folder = trained_model.training.folder
    folder.best.rename(folder.last)  # as it would be, were it not the best one
    folder.best.write_bytes(b"of another epoch")
    version, _ = registration.register(trained_model, registry_home, "little")
    assert version.tags["study.weights_sha256"] == sha256(folder.last.read_bytes()).hexdigest()
    folder.last.unlink()
    folder.best.unlink()
    with pytest.raises(StudyError, match="were not kept"):
        registration.register(trained_model, registry_home, "little")


def test_a_table_is_registered_with_its_raw_columns(registry_home):
    version, _ = registration.register(unconfirmed(registry_home, "cells", 0), registry_home, "cells")
    model = tracking.open_registry(registry_home).load(version)
    assert (model.shape, len(model.columns), model.columns[0]) == (None, 30, "mean radius")
    assert not model.text


def test_what_cannot_be_registered_is_said(registry_home, monkeypatch):
    little = Journal(registry_home.study_folder("little"))
    with pytest.raises(InputError, match="no trial 99"):
        registration.unconfirmed(little, 99)
    with pytest.raises(InputError, match="not confirmed yet"):
        registration.confirmed(Family("cells", registry_home.home).as_confirmed(), registry_home)
    with pytest.raises(InputError, match="not a name for a model"):
        registration.checked_name("little@home")
    little.store_definition({**little.definition(), "train": "mine:train"})
    with pytest.raises(InputError, match="a training of its own"):
        registration.register(registration.unconfirmed(little, 0), registry_home, "little")


def test_a_trial_that_has_not_ended_well_is_refused(made):
    for number, word in ((3, "pruned"), (4, "failed"), (6, "not finished")):
        with pytest.raises(InputError, match=f"trial {number} is {word}"):
            registration.unconfirmed(made, number)


def test_another_data_set_of_the_same_name_is_refused(registry_home):
    training = unconfirmed(registry_home).training
    about = {**training.about, "data": {**training.about["data"], "sha256": "0" * 64}}
    (training.folder.path / "trial.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match="differs from the one that it was trained on"):
        registration.register(unconfirmed(registry_home), registry_home, "little")


def test_a_registry_that_is_away_is_one_line(trained_model, registry_home, monkeypatch):
    from study.settings import resolve

    away = resolve(registry_home.home, None, "http://127.0.0.1:9")
    with pytest.raises(PlaceError, match="nothing answers there"):
        registration.register(trained_model, away, "little")
