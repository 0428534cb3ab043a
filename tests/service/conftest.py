"""A service in this process, with a person of each role; and one that is a command of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient

from study.service import app, people, store
from study.service.conductor import Conductor
from study.service.hub import Hub
from study.service.machines import Here
from study.service.people import ROLES, Person
from study.service.web import Service
from study.settings import Settings

PASSWORD = "correct horse battery"
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
SERVER = "http://localhost"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def with_people(url):
    """A database with a person of each role."""
    stored = store.opened(url)
    people.accept(stored, people.invite(stored, "serve"), "admin", PASSWORD)
    for role in ROLES[:-1]:
        people.accept(stored, people.invite(stored, "admin", role, role), role, PASSWORD)
    return stored


@pytest.fixture(scope="session")
def peopled(tmp_path_factory):
    """The file of a database with a person of each role, made once: its migrations and their passwords take long."""
    file = tmp_path_factory.mktemp("service") / "service.db"
    with_people(f"sqlite:///{file}").close()
    return file


def service_at(stored, home):
    """A service whose queue nobody looks at, and a token of a person of each role."""
    places = Settings(home, f"sqlite:///{home}/optuna.db", f"sqlite:///{home}/mlflow.db")
    given = Service(stored, places, Conductor(stored, places, Here(4)), Hub(stored), SERVER)
    tokens = {role: people.make_token(stored, role, "test")[1] for role in ROLES}
    made = app.make(given, {"localhost"}, per_second=10_000)
    client = TestClient(made, base_url=SERVER, raise_server_exceptions=False, follow_redirects=False)
    return SimpleNamespace(service=given, database=stored, tokens=tokens, client=client, app=made, home=home)


@pytest.fixture
def here(tmp_path, peopled):
    """A service on SQLite."""
    stored = store.opened(f"sqlite:///{shutil.copy(peopled, tmp_path / 'service.db')}")
    made = service_at(stored, Path("mlruns").absolute())
    yield made
    made.client.close()
    made.database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def stored(request, tmp_path):
    """The service's database, on either."""
    if request.param == "sqlite":
        made = store.opened(f"sqlite:///{shutil.copy(request.getfixturevalue('peopled'), tmp_path / 'q.db')}")
    else:
        made = with_people(request.getfixturevalue("postgres")())
    yield made
    made.close()


RUNNER, ADMIN, AUTHOR = Person("runner", "runner"), Person("admin", "admin"), Person("author", "author")


class Serving:
    """`study serve` as a process of its own, which can be killed and started again on the same port."""

    def __init__(self, slots=2):
        self.slots, self.port, self.said = slots, 0, ""
        self.start()

    def start(self):
        command = [sys.executable, "-m", "study", "serve", "--port", str(self.port), "--slots", str(self.slots)]
        with Path("serve.err").open("ab") as err:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True)
        line = self.process.stdout.readline()
        self.said += line
        self.address = re.search(r"at (http://localhost:(\d+)),", line).group(1)
        if not self.port:
            self.said += self.process.stdout.readline()
            self.port = int(self.address.rpartition(":")[2])

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        return self.process.returncode

    def children(self):
        """The commands of runs, by the home folder in their environment."""
        found = []
        for each in Path("/proc").glob("[0-9]*"):
            try:
                words = (each / "cmdline").read_bytes().split(b"\0")
                home = f"STUDY_HOME={Path('mlruns').absolute()}".encode()
                if b"--no-progress" in words and home in (each / "environ").read_bytes().split(b"\0"):
                    found.append(int(each.name))
            except OSError:
                continue
        return found


@pytest.fixture
def serving(database):
    """It runs in the working folder, with MLflow's database made before: its migrations take long."""
    Path("mlruns").mkdir(exist_ok=True)
    shutil.copy(database, "mlruns/mlflow.db")
    made = Serving()
    yield made
    if made.process.poll() is None:
        made.kill()
    for pid in made.children():
        os.kill(pid, signal.SIGKILL)


@contextmanager
def away(database, what="UPDATE ON service_runs"):
    """SQLite takes nothing of a kind meanwhile, as a database that has gone for a moment takes nothing."""
    with database.write() as connection:
        connection.exec_driver_sql(f"CREATE TRIGGER away BEFORE {what} BEGIN SELECT RAISE(ABORT, 'away'); END")
    try:
        yield
    finally:
        with database.write() as connection:
            connection.exec_driver_sql("DROP TRIGGER away")
