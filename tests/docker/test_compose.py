"""compose.yaml as far as it can be proven without containers: what it says, and its programs run as it says."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import psycopg
import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "docker"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
PASSWORD = "correct/horse battery@staple"
STUDY = """
from study import Recipe, Study

def space(trial):
    return {"lr": trial.suggest_float("lr", 1e-3, 1e-1, log=True)}

study = Study(
    name="tiny",
    recipe=Recipe(dataset="digits", model="mlp", hidden=(8,), batch_size=128, epochs=2),
    space=space,
    variants={"baseline": {}},
)
"""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_published_on_loopback_only(name):
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))
    assert "network_mode" not in SERVICES[name]


def test_there_is_no_default_password():
    passwords = re.findall(r"PASSWORD: (.*)", (FOLDER / "compose.yaml").read_text())
    assert set(passwords) == {"${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}"}
    assert re.findall(r"^POSTGRES_PASSWORD=(.*)$", (FOLDER / ".env.example").read_text(), re.MULTILINE) == [""]


def test_no_address_and_no_command_line_holds_a_password():
    assert "@postgres" in json.dumps(SERVICES)
    assert re.findall(r"study:[^@\"]*@postgres", json.dumps(SERVICES)) == []


@pytest.mark.parametrize("name", ["postgres", "mlflow", "dashboard"])
def test_what_stays_up_is_watched_and_started_again(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_what_must_last_lies_in_volumes():
    mounts = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    assert {mount for mount in mounts if not mount.startswith(".")} == set(COMPOSE["volumes"])
    assert all((FOLDER / mount).exists() for mount in mounts if mount.startswith("."))


def test_services_wait_for_what_they_need():
    needs = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    assert needs == {
        "postgres": set(),
        "mlflow": {"postgres"},
        "tables": {"postgres"},
        "dashboard": {"tables"},
        "study": {"tables", "mlflow"},
    }


def test_the_image_runs_as_no_root_and_copies_what_is_there():
    steps = [line.split() for line in DOCKERFILE.splitlines() if line and line[0].isupper()]
    assert [step[1] for step in steps if step[0] == "USER"] == ["study"]
    copied = [name for step in steps if step[0] == "COPY" for name in step[1:-1]]
    assert all((FOLDER.parent / name).exists() for name in copied)
    let_in = {
        line[1:] for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")
    }
    assert let_in == set(copied)
    assert not re.search(r"(PASSWORD|TOKEN|SECRET)\s*=", DOCKERFILE)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Machine:
    """Runs the services as compose.yaml says, with hosts, ports and folders of this machine in place of theirs."""

    def __init__(self, folder, sockets):
        self.folder = folder
        self.ports = {"mlflow": free_port(), "dashboard": free_port()}
        self._here = [
            (r"@postgres/(\w+)", rf"@/\1?host={sockets}"),
            (r"0\.0\.0\.0", "127.0.0.1"),
            (r"mlflow:5000", f"127.0.0.1:{self.ports['mlflow']}"),
            (r"\b5000\b", str(self.ports["mlflow"])),
            (r"\b8080\b", str(self.ports["dashboard"])),
            (r"/artifacts\b", str(folder / "artifacts")),
            (r"\$\{POSTGRES_PASSWORD:\?[^}]*\}", PASSWORD),
        ]
        self._running = []

    def here(self, text):
        for theirs, ours in self._here:
            text = re.sub(theirs, lambda match, ours=ours: match.expand(ours), text)
        return text

    def command(self, name, *instead):
        """The service's command and environment; `instead` takes the place of its arguments."""
        service = SERVICES[name]
        words = [*service.get("entrypoint", ["study"]), *(instead or service["command"])]
        image = dict(re.findall(r"(STUDY_\w+)=(\S+)", DOCKERFILE))
        environment = {
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            **{name: f"{self.folder}{path}" for name, path in image.items()},
            **{name: self.here(value) for name, value in service["environment"].items()},
        }
        return [self.here(word) for word in words], environment

    def run(self, name, *instead):
        words, environment = self.command(name, *instead)
        done = subprocess.run(words, env=environment, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, name):
        """Start a service and wait until its health check says that it is well."""
        words, environment = self.command(name)
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                words, env=environment, cwd=self.folder, stdout=output, stderr=output, start_new_session=True
            )
        self._running.append(process)
        check = [self.here(word) for word in SERVICES[name]["healthcheck"]["test"][1:]]
        deadline = time.monotonic() + 180
        while subprocess.run([sys.executable, *check[1:]], capture_output=True, check=False).returncode:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()

    def ask(self, name, path, body=None):
        address = f"http://127.0.0.1:{self.ports[name]}{path}"
        request = Request(address, json.dumps(body).encode() if body else None, {"Content-Type": "application/json"})
        with build_opener(ProxyHandler({})).open(request, timeout=30) as answer:
            return json.loads(answer.read())

    def end(self):
        for process in self._running:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def machine(tmp_path, postgres):
    """PostgreSQL with the role and databases that its image would make, and the services to run on it."""
    url = postgres()
    with psycopg.connect(url, autocommit=True) as connection:
        known = SERVICES["postgres"]["environment"]
        connection.execute(f"CREATE ROLE {known['POSTGRES_USER']} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        connection.execute(f"CREATE DATABASE {known['POSTGRES_DB']} OWNER {known['POSTGRES_USER']}")
        connection.execute((FOLDER / "databases.sql").read_text())
        sockets = connection.info.host
    machine = Machine(tmp_path, sockets)
    yield machine
    machine.end()


@pytest.mark.slow
def test_a_search_on_the_programs_of_compose_is_in_postgresql_and_on_both_pages(machine):
    machine.start("mlflow")
    machine.run("tables")
    machine.start("dashboard")
    (machine.folder / "tiny.py").write_text(STUDY)
    done = machine.run("study", "run", "tiny.py", "--trials", "3", "--workers", "1", "--json")
    summary = json.loads(done.stdout.splitlines()[-1])

    (shown,) = machine.ask("dashboard", "/api/studies")["study_summaries"]
    trials = machine.ask("dashboard", f"/api/studies/{shown['study_id']}?after=0")["trials"]
    assert [trial["state"] in {"Complete", "Pruned"} for trial in trials] == [True] * 3

    experiment = machine.ask("mlflow", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=tiny")["experiment"]
    assert experiment["artifact_location"].startswith("mlflow-artifacts:/")
    search = {"experiment_ids": [experiment["experiment_id"]]}
    runs = machine.ask("mlflow", "/api/2.0/mlflow/runs/search", search)["runs"]
    assert len(runs) == 4
    assert len(list((machine.folder / "artifacts").rglob("best.safetensors"))) == 3
    assert json.loads(next((machine.folder / "artifacts").rglob("best.json")).read_text())["value"] == best_of(summary)

    again = machine.run("study", "sync", "--json")
    assert [line["mlflow"] for line in json.loads(again.stdout)] == [0]
    assert PASSWORD not in done.stdout + done.stderr + again.stdout + again.stderr


def best_of(summary):
    return summary["best"]["value"]


def test_the_readmes_commands_name_services_that_are_there():
    text = (FOLDER / "README.md").read_text()
    used = [shlex.split(line)[4] for line in re.findall(r"docker compose run --rm \w+ [\w ]+", text)]
    assert used
    assert set(used) <= set(SERVICES)
