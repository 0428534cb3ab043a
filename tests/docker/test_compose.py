"""compose.yaml as far as it can be proven without containers: what it says, and its programs run as it says."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path

import httpx2
import psycopg
import pytest
import yaml

from tests.conftest import free_port

FOLDER = Path(__file__).parents[2] / "docker"
TEXT, WITH_RAY = ((FOLDER / name).read_text() for name in ("compose.yaml", "compose.ray.yaml"))
COMPOSE, RAY = yaml.safe_load(TEXT), yaml.safe_load(WITH_RAY)


def merged(name):
    """A service of both files, as `docker compose -f compose.yaml -f compose.ray.yaml` merges it."""
    first, second = COMPOSE["services"].get(name, {}), RAY["services"].get(name, {})
    both = {
        "environment": {**first.get("environment", {}), **second.get("environment", {})},
        "networks": list(dict.fromkeys([*first.get("networks", []), *second.get("networks", [])])),
    }
    return {**first, **second, **{key: value for key, value in both.items() if value}}


ALONE = COMPOSE["services"]
SERVICES = {name: merged(name) for name in {**ALONE, **RAY["services"]}}
VOLUMES = COMPOSE["volumes"]
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
PASSWORD = "correct/horse battery@staple"
TOKEN = "6a" * 32
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
def test_the_proxy_alone_is_published_and_nothing_may_do_more_than_it_has_to(name):
    service = SERVICES[name]
    assert bool(service.get("ports")) == (name == "caddy")
    assert "network_mode" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert not {"privileged", "devices", "pid", "ipc"} & set(service)
    assert all(service.get(limit) for limit in ("cpus", "mem_limit", "pids_limit"))


def test_the_files_are_as_the_compose_specification_says(tmp_path):
    check = [f"{sysconfig.get_path('scripts')}/check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    subprocess.run([*check, FOLDER / "compose.yaml", FOLDER / "compose.ray.yaml"], check=True, capture_output=True)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEXT.replace("mem_limit: 256m", "memory_limit: 256m"))
    assert subprocess.run([*check, wrong], check=False, capture_output=True).returncode == 1


def test_every_image_of_others_has_an_exact_version_and_can_be_pinned_by_digest():
    images = dict(re.findall(r"\$\{(\w+_IMAGE):-([^}]+)\}", TEXT + WITH_RAY))
    assert images == dict(re.findall(r"^pin (\w+) (\S+)$", (FOLDER / "pin.sh").read_text(), re.MULTILINE))
    assert all(re.fullmatch(r"\w+:\d+\.\d+(\.\d+)?(-slim)?", image) for image in images.values())
    assert f"ARG PYTHON_IMAGE={images['PYTHON_IMAGE']}\nFROM ${{PYTHON_IMAGE}}" in DOCKERFILE
    others = {service["image"] for service in SERVICES.values()} - {"study"}
    assert {image[2:].partition(":")[0] for image in others} == images.keys() - {"PYTHON_IMAGE"}


def test_the_proxy_leads_to_the_server_and_the_server_believes_its_network_alone():
    assert "reverse_proxy serve:8765" in (FOLDER / "Caddyfile").read_text()
    subnet = COMPOSE["networks"]["front"]["ipam"]["config"][0]["subnet"]
    assert SERVICES["serve"]["environment"]["STUDY_PROXY_ADDRESS"] == subnet
    assert [name for name in SERVICES if "front" in SERVICES[name].get("networks", [])] == ["serve", "caddy"]


def test_there_is_no_default_password():
    secrets = set(re.findall(r"\w*(?:PASSWORD|TOKEN): (.*)", TEXT + WITH_RAY))
    assert secrets == {f"${{{name}:?set {name}}}" for name in ("POSTGRES_PASSWORD", "RAY_AUTH_TOKEN")}
    example = (FOLDER / ".env.example").read_text()
    assert re.findall(r"^\w+_(?:PASSWORD|TOKEN)=(.*)$", example, re.MULTILINE) == ["", ""]


def test_no_address_and_no_command_line_holds_a_password():
    assert "@postgres" in json.dumps(SERVICES)
    assert re.findall(r"study:[^@\"]*@postgres", json.dumps(SERVICES)) == []


@pytest.mark.parametrize("name", ["postgres", "mlflow", "serve", "caddy", "ray-worker"])
def test_what_stays_up_is_watched_and_started_again(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["healthcheck"]["start_period"]
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_what_must_last_lies_in_volumes():
    mounts = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    assert {mount for mount in mounts if not mount.startswith(".")} == set(VOLUMES)
    assert all((FOLDER / mount).exists() for mount in mounts if mount.startswith("."))


def test_services_wait_for_what_they_need():
    needs = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    assert needs == {
        "postgres": set(),
        "mlflow": {"postgres"},
        "tables": {"postgres"},
        "serve": {"tables", "mlflow"},
        "caddy": {"serve"},
        "study": {"tables", "mlflow"},
        "ray-worker": {"serve"},
    }


def test_a_worker_of_ray_sees_no_database_and_no_results():
    worker = SERVICES["ray-worker"]
    assert (worker["networks"], worker["volumes"]) == (["ray"], ["data:/data"])
    assert set(worker["environment"]) == {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}
    assert [name for name in SERVICES if "ray" in SERVICES[name].get("networks", [])] == ["serve", "ray-worker"]
    assert RAY["networks"]["ray"] == {"internal": True}


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


class Machine:
    """Runs the services as compose.yaml says, with hosts, ports and folders of this machine in place of theirs."""

    def __init__(self, folder, sockets):
        self.folder, self.services = folder, ALONE
        self.ports = {name: free_port() for name in ("mlflow", "serve", "ray", "worker")}
        self._here = [
            (r"@postgres/(\w+)", rf"@/\1?host={sockets}"),
            (r"0\.0\.0\.0", "127.0.0.1"),
            (r"mlflow:5000", f"127.0.0.1:{self.ports['mlflow']}"),
            (r"\b5000\b", str(self.ports["mlflow"])),
            (r"\b8765\b", str(self.ports["serve"])),
            (r"172\.30\.8\.0/24", "127.0.0.1"),
            (r"\$\{STUDY_HOST_NAME:\?[^}]*\}", "localhost"),
            (r"/artifacts\b", str(folder / "artifacts")),
            (r"\$\{POSTGRES_PASSWORD:\?[^}]*\}", PASSWORD),
            (r"\$\{RAY_AUTH_TOKEN:\?[^}]*\}", TOKEN),
            (r"\$\{\w+:-([^}]*)\}", r"\1"),
            (r"serve:6379", f"127.0.0.1:{self.ports['ray']}"),
            (r"\b6379\b", str(self.ports["ray"])),
            (r"\b6380\b", str(self.ports["worker"])),
        ]
        self.more = {}  # variables of this machine
        self._running = []

    def here(self, text):
        for theirs, ours in self._here:
            text = re.sub(theirs, lambda match, ours=ours: match.expand(ours), text)
        return text

    def command(self, name, *instead):
        """The service's command and environment; `instead` takes the place of its arguments."""
        service = self.services[name]
        words = [*service.get("entrypoint", ["study"]), *(instead or service["command"])]
        image = dict(re.findall(r"(STUDY_\w+)=(\S+)", DOCKERFILE))
        environment = {
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            **{name: f"{self.folder}{path}" for name, path in image.items()},
            **{name: self.here(value) for name, value in service["environment"].items()},
            **self.more,
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
        check = [self.here(word) for word in self.services[name]["healthcheck"]["test"][1:]]
        deadline = time.monotonic() + 180
        while subprocess.run(check, env=environment, capture_output=True, check=False).returncode:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()

    def end(self):
        while self._running:
            process = self._running.pop()
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
        statements = re.findall(r"^CREATE.*?;", (FOLDER / "databases.sql").read_text(), re.MULTILINE)
        made = [name for each in statements for name in re.findall(r"CREATE DATABASE (\w+)", each)]
        for name in (*made, known["POSTGRES_DB"]):  # left by the test before
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"DROP ROLE IF EXISTS {known['POSTGRES_USER']}")
        connection.execute(f"CREATE ROLE {known['POSTGRES_USER']} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        connection.execute(f"CREATE DATABASE {known['POSTGRES_DB']} OWNER {known['POSTGRES_USER']}")
        for statement in statements:
            connection.execute(statement)
        sockets = connection.info.host
    machine = Machine(tmp_path, sockets)
    yield machine
    machine.end()


@contextlib.contextmanager
def signed_in(machine):
    """A client of the server, through what Caddy sends, as the first admin."""
    address, https = f"http://localhost:{machine.ports['serve']}", {"X-Forwarded-Proto": "https"}
    with httpx2.Client(base_url=address, headers=https, timeout=60) as client:
        chosen = {"name": "ann", "password": "correct horse battery"}
        invited = re.search(r"https://localhost(/invitation/\S+)", (machine.folder / "serve.log").read_text())
        came = client.post(invited[1], data=chosen, headers={"Origin": address})
        assert came.headers["set-cookie"].startswith("__Host-study=")
        token = client.post("/api/v1/login", json=chosen).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.mark.slow
def test_a_search_through_the_programs_of_compose_is_in_postgresql_and_on_all_pages(machine):
    machine.start("mlflow")
    machine.run("tables")
    machine.start("serve")
    with signed_in(machine) as client:
        assert httpx2.get(f"{client.base_url}/mlflow/").status_code == 401
        asked = {"study": "tiny", "file": {"name": "tiny", "content": STUDY}, "trials": 3, "workers": 1}
        run = client.post("/api/v1/runs", json=asked).json()["id"]
        done = wait(lambda: (got := client.get(f"/api/v1/runs/{run}").json())["ended"] and got)
        assert done["status"] == "done", (done, client.get(f"/api/v1/runs/{run}/messages").text)

        wait(lambda: client.get("/dashboard").status_code == 200)
        (shown,) = client.get("/api/studies").json()["study_summaries"]
        trials = client.get(f"/api/studies/{shown['study_id']}?after=0").json()["trials"]
        assert [trial["state"] in {"Complete", "Pruned"} for trial in trials] == [True] * 3

        mlflow = "/mlflow/api/2.0/mlflow"
        by_name = client.get(f"{mlflow}/experiments/get-by-name?experiment_name=tiny").json()["experiment"]
        assert by_name["artifact_location"].startswith("mlflow-artifacts:/")
        runs = client.post(f"{mlflow}/runs/search", json={"experiment_ids": [by_name["experiment_id"]]}).json()["runs"]
        assert len(runs) == 4
    assert len(list((machine.folder / "artifacts").rglob("best.safetensors"))) == 3
    best = json.loads(next((machine.folder / "artifacts").rglob("best.json")).read_text())["value"]
    assert best == done["answer"]["best"]["value"]

    again = machine.run("study", "sync", "--json")
    assert [line["mlflow"] for line in json.loads(again.stdout)] == [0]
    logs = "".join((machine.folder / f"{name}.log").read_text() for name in ("mlflow", "serve"))
    assert PASSWORD not in again.stdout + again.stderr + logs


@pytest.fixture
def short():
    """A folder for Ray, whose sockets have short paths; what `ray start` leaves ends as it would with its container."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        yield folder
        for each in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"{folder}/".encode() in (each / "cmdline").read_bytes():
                    os.kill(int(each.name), signal.SIGKILL)


@pytest.mark.slow
def test_a_run_of_the_server_trains_in_the_worker_of_ray(machine, database, short):
    machine.services = SERVICES
    mlflow = {"STUDY_TRACKING_URI": f"sqlite:///{database}"}  # MLflow's server is in the other test
    machine.more = {"RAY_TMPDIR": short, "RAY_raylet_start_wait_time_s": "120", **mlflow}
    machine.start("serve")
    with signed_in(machine) as client:
        asked = {"study": "tiny", "file": {"name": "tiny", "content": STUDY}, "trials": 4}
        run = client.post("/api/v1/runs", json=asked).json()["id"]
        assert "No nodes" in client.get("/machines").text
        machine.start("ray-worker")
        done = wait(lambda: (got := client.get(f"/api/v1/runs/{run}").json())["ended"] and got)
        assert done["status"] == "done", (done, client.get(f"/api/v1/runs/{run}/messages").text)
        assert done["answer"]["finished"] == 4
        assert "CPUs used" in client.get("/machines").text
    _, environment = machine.command("serve")
    shown = subprocess.run(
        ["study", "show", "tiny", "--trial", "0"], env=environment, cwd=machine.folder, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert "node" in shown.stdout
    machine.end()
    assert TOKEN not in (machine.folder / "serve.log").read_text()


def wait(true, seconds=180):
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return found
