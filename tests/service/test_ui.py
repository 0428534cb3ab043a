"""`study ui` as a person runs it: both pages on this machine alone, started together, ended together."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.waiting import until

pytestmark = pytest.mark.slow


class Ui:
    """A running `study ui`."""

    def __init__(self, folder, *arguments, **environment):
        self.errors = folder / "stderr"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "study", "ui", *arguments],
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def addresses(self):
        """Wait for both addresses, in whatever order they come; give Optuna dashboard's first."""
        lines = sorted((self.process.stdout.readline() for _ in range(2)), reverse=True)
        found = [re.search(r"http://\S+", line) for line in lines]
        assert all(found), self.errors.read_text()
        assert [line.split("  ")[0] for line in lines] == ["Optuna dashboard", "MLflow"]
        return [match.group() for match in found]

    def children(self):
        done = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(pid) for pid in done.stdout.split()]

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def start(tmp_path):
    """Start `study ui`; what a test leaves running is ended."""
    started = []

    def begin(*arguments, **environment):
        started.append(Ui(tmp_path, *arguments, **environment))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.end(signal.SIGTERM)
        each.process.stdout.close()


def ask(address, path="/", method="GET", body=None, **headers):
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_both_pages_answer_on_loopback_without_a_database_before_and_end_with_ctrl_c(start):
    ui = start()
    dashboard, mlflow = ui.addresses()
    assert ask(dashboard, "/api/studies")[0] == 200
    assert (ask(dashboard, "/dashboard")[0], ask(mlflow)[0]) == (200, 200)
    assert "Ctrl-C stops both." in ui.errors.read_text()
    found = ask(mlflow, "/api/2.0/mlflow/experiments/search", "POST", '{"max_results": 5}')
    assert json.loads(found[1]).get("experiments", []) == []
    assert Path("mlruns/optuna.db").exists()
    assert sorted(path.name for path in Path().iterdir()) == ["mlruns"]

    stranger = ask(mlflow, "/api/2.0/mlflow/experiments/search", "POST", '{"max_results": 5}', Host="evil.example")
    assert stranger[0] == 403
    for address in (dashboard, mlflow):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", urlsplit(address).port), timeout=5)

    servers = ui.children()
    assert len(servers) == 2
    assert ui.end(signal.SIGINT) == 0
    assert all(map(is_gone, servers))


@pytest.fixture
def tables(database):
    """MLflow's tables, which take seconds to make."""
    Path("mlruns").mkdir()
    return f"sqlite:///{Path(shutil.copy(database, 'mlruns/mlflow.db')).absolute()}"


def test_mlflow_opens_on_the_newest_runs_and_when_one_of_them_dies_the_other_goes_on(start, tables):
    from mlflow import MlflowClient

    client = MlflowClient(tables)
    older, newer = client.create_experiment("older"), client.create_experiment("newer")
    for second, experiment in ((2, newer), (1, older)):
        client.create_run(experiment, start_time=1000 * second)
    ui = start()
    _, address = ui.addresses()
    assert address.endswith(f"/#/experiments/{newer}/runs?workflowType=machine_learning")
    dashboard, mlflow = sorted(ui.children())
    os.kill(dashboard, signal.SIGKILL)
    until(lambda: "Optuna dashboard ended with exit code -9" in ui.errors.read_text())
    assert ask(address, "/health") == (200, b"OK")
    os.kill(mlflow, signal.SIGKILL)
    assert ui.process.wait(60) == 1
    assert "error: MLflow ended" in ui.errors.read_text().splitlines()[-1]


def test_a_signal_before_they_are_ready_ends_both(start):
    ui = start()
    until(ui.children)
    servers = ui.children()
    assert ui.end(signal.SIGTERM) == 0
    assert all(map(is_gone, servers))


def test_a_tracking_server_that_runs_elsewhere_is_only_named(start):
    ui = start("--tracking-uri", "http://127.0.0.1:9")
    dashboard, mlflow = ui.addresses()
    assert (ask(dashboard, "/dashboard")[0], mlflow) == (200, "http://127.0.0.1:9")
    assert len(ui.children()) == 1


def test_ports_can_be_chosen_and_a_taken_one_is_one_line(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ui = start("--optuna-port", str(port))
        assert ui.process.wait(60) == 2
    assert f"port {port} cannot be used" in ui.errors.read_text().splitlines()[-1]


def test_a_storage_that_does_not_answer_is_one_line_without_its_password_and_mlflow_goes_on(start, tables):
    ui = start("--storage", "postgresql://me:secret@127.0.0.1:9/optuna")
    assert ui.process.stdout.readline().startswith("MLflow  ")
    text = ui.errors.read_text()
    assert "127.0.0.1:9" in text.splitlines()[-1]
    assert "secret" not in text
    assert ui.end() == 0


def test_where_no_database_can_be_used_it_ends_with_2(start):
    away = "postgresql://me:secret@127.0.0.1:9/x"
    ui = start("--storage", away, "--tracking-uri", away)
    assert ui.process.wait(60) == 2
    assert "secret" not in ui.errors.read_text()
