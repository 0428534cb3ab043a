"""Trial folders as a search writes them, real MLflow databases and servers to mirror them to."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

import pytest
import torch

from study.engine import checkpoint
from study.recipe import Recipe, to_json
from study.record.journal import Journal
from study.settings import resolve
from tests.conftest import free_port

RECIPE = Recipe(dataset="digits", model="mlp", hidden=(8,), epochs=4)
DATA = {"name": "digits", "sha256": "d1" * 32, "source": "scikit-learn", "imported": False}
DEFINITION = {
    "study": "tiny",
    "metric": "val_accuracy",
    "direction": "maximize",
    "train": "study.engine:train",
    "recipe_type": "study.recipe:Recipe",
    "recipe": RECIPE.model_dump(mode="json"),
    "space": {"lr": '{"name": "FloatDistribution", "attributes": {"low": 0.0001, "high": 0.1, "log": true}}'},
    "variants": {"baseline": {}},
    "fixed": {},
    "sampler": "tpe",
    "pruner": "median",
    "seed": 0,
    "data": DATA,
    "about": "What a small network makes of digits.",
}
EVALUATION = {
    "accuracy": 0.7,
    "loss": 0.9,
    "classes": ["cat", "dog"],
    "confusion": [[40, 10], [20, 30]],
    "per_class": [
        {"class": "cat", "precision": 0.6, "recall": 0.8, "f1": 0.7, "support": 50},
        {"class": "dog", "precision": 0.8, "recall": 0.6, "f1": 0.5, "support": 50},
    ],
}


REASONS = {"complete": "", "pruned": "median pruner", "failed": "RuntimeError: no memory"}


class Folders:
    """Writes the folders of one study, step by step as a search does, and says what they hold."""

    def __init__(self, home, name="tiny", **definition):
        self.journal = Journal(home / "studies" / name)
        self.journal.store_definition({**DEFINITION, "study": name, **definition})
        self._numbers = count()

    def trial(self, *, epochs=0, end=None, **about):
        """A trial with so many epochs, ended in the state `end` if one is given."""
        number = next(self._numbers)
        known = {
            "number": number,
            "uid": uuid.uuid4().hex,
            "created": time.time(),
            "study": self.journal.folder.name,
            "variant": None,
            "overrides": {},
            "params": {},
            "distributions": {},
            "metric": "val_accuracy",
            "direction": "maximize",
            "environment": {"python": "3.11.7", "torch": "2.15.0"},
            "git": {"commit": "c0ffee", "dirty": False},
            "data": DATA,
            **about,
        }
        recipe = RECIPE.model_copy(update=known["overrides"])
        trial = self.journal.create(number, to_json(recipe), known)
        trial.append("started", device="cpu")
        for epoch in range(1, epochs + 1):
            self.epoch(trial, epoch)
        if end is not None:
            self.end(trial, end)
        return trial

    def epoch(self, trial, number, **metrics):
        """One more epoch, with values that no rounding leaves as they are."""
        values = {"val_loss": 2 / 3 / number, "val_accuracy": 1 - 1 / (number + 3 + trial.number / 7)}
        trial.append("epoch", number=number, metrics={**values, **metrics}, seconds=0.1 + number / 3)

    def end(self, trial, state, reason=""):
        epochs = trial.history().epochs
        if state == "complete":
            checkpoint.save_weights(trial.best, {"w": torch.ones(2)}, {"epoch": str(len(epochs))})
        trial.append(
            "ended",
            state=state,
            value=epochs[-1].metrics["val_accuracy"] if epochs else None,
            reason=reason or REASONS[state],
            evaluation=EVALUATION if state == "complete" else None,
        )

    def points(self):
        """By uid: what MLflow has to hold of every epoch, as (metric, step, value, milliseconds)."""
        return {
            trial.about()["uid"]: sorted(
                (name, record["number"], value, round(1000 * record["time"]))
                for record in trial.records()
                if record["kind"] == "epoch"
                for name, value in {**record["metrics"], "seconds": record["seconds"]}.items()
            )
            for trial in self.journal.trials()
        }


class Seen:
    """What MLflow shows of one study to whoever looks at it with MLflow's own client."""

    def __init__(self, uri, study="tiny"):
        from mlflow import MlflowClient

        self.client, self.study = MlflowClient(uri), study

    def runs(self):
        experiment = self.client.get_experiment_by_name(self.study)
        return list(self.client.search_runs([experiment.experiment_id])) if experiment else []

    def parent(self):
        """The study's run; there is one."""
        (parent,) = [run for run in self.runs() if "mlflow.parentRunId" not in run.data.tags]
        return parent

    def children(self):
        """By uid, the trials' runs; no two of one uid."""
        runs = [run for run in self.runs() if "mlflow.parentRunId" in run.data.tags]
        uids = [run.data.tags["study.uid"] for run in runs]
        assert len(set(uids)) == len(uids)
        return dict(zip(uids, runs, strict=True))

    def of(self, trial):
        """The run of a trial's folder."""
        return self.children()[trial.about()["uid"]]

    def points(self):
        """By uid: every point of every metric that epochs have, doubles included."""
        return {uid: self.history(run) for uid, run in self.children().items()}

    def history(self, run):
        names = [name for name in run.data.metrics if not name.endswith("_macro")]
        points = [point for name in names for point in self.client.get_metric_history(run.info.run_id, name)]
        return sorted((point.key, point.step, point.value, point.timestamp) for point in points)

    def artifacts(self, run):
        """Names and contents of a run's artifacts."""
        names = [file.path for file in self.client.list_artifacts(run.info.run_id)]
        return {name: Path(self.client.download_artifacts(run.info.run_id, name)).read_bytes() for name in names}


@pytest.fixture
def settings(tmp_path, database):
    """A home with an MLflow database of its own."""
    home = tmp_path / "mlruns"
    home.mkdir(exist_ok=True)
    shutil.copy(database, home / "mlflow.db")
    return resolve(home)


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / "mlruns")


@pytest.fixture
def study_folders(tmp_path):
    """Folders of a study of any name, in the home of `settings`."""
    return lambda name, **definition: Folders(tmp_path / "mlruns", name, **definition)


@pytest.fixture
def seen(settings):
    return Seen(settings.tracking_uri)


@pytest.fixture
def look():
    """Look at a study on any MLflow."""
    return Seen


class MlflowServer:
    """A real MLflow server over HTTP that can be killed and started again on the same port and database."""

    def __init__(self, folder, database):
        self.folder, self.port, self.process = folder, free_port(), None
        shutil.copy(database, folder / "server.db")
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}"]
        command += ["--artifacts-destination", (self.folder / "artifacts").as_uri()]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 120
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def kill(self):
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _answers(self):
        connection = HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@pytest.fixture(scope="session")
def lasting_server(tmp_path_factory, database):
    """A server for all tests that only want one to be there; studies need names of their own."""
    server = MlflowServer(tmp_path_factory.mktemp("lasting"), database)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def server(tmp_path, database):
    """A server that runs, for one test to kill."""
    server = MlflowServer(tmp_path, database)
    server.start()
    yield server
    server.kill()
