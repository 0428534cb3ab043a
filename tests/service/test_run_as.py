"""Commands as a user of their own: an author's code reads nothing of the server's; what cannot run so is refused."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import httpx2
import pytest

import study
from tests.service.conftest import PASSWORD, bearer
from tests.waiting import until

ROOT = os.geteuid() == 0
SYSTEM = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"  # that every user may run
SPY = """
import os
from pathlib import Path
from pydantic import BaseModel, ConfigDict
from study import Epoch, Study

class Toy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    seed: int = 0

def train(recipe, resume):
    home = Path(os.environ["STUDY_HOME"])
    for forbidden in (lambda: (home / "service.db").read_bytes(), lambda: (home / "service.db").unlink()):
        try:
            forbidden()
            raise SystemExit("it is open")
        except PermissionError:
            pass
    yield Epoch(1, {"uid": float(os.getuid())}, last=True)

study = Study(name="spy", recipe=Toy(), space=lambda trial: {}, train=train, metric="uid", direction="minimize",
              variants={"one": {}})
"""


def refused(*words):
    command = [sys.executable, "-m", "study", "serve", "--port", "0", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert not Path("mlruns", "service.db").exists()
    return done.stderr


@pytest.mark.skipif(not ROOT, reason="only root may name another user")
def test_a_user_who_is_not_there_or_cannot_run_commands_is_refused_in_one_line():
    assert "no user 'nothing' on this machine" in refused("--run-as", "nothing")
    assert "root is the user that commands should not be" in refused("--run-as", "root")
    Path("mlruns/studies/old").mkdir(parents=True)
    said = refused("--run-as", "nobody")
    assert re.search(r"mlruns/studies: is not nobody's\. `chown -R nobody: \S+mlruns/studies`\.", said)
    assert len(said.splitlines()) == 1


@pytest.mark.skipif(ROOT, reason="root may name another user")
def test_whoever_is_not_root_is_refused_in_one_line():
    assert "only root starts commands as another user" in refused("--run-as", "nobody")


@pytest.fixture
def open_folder():
    """A folder into which every user comes, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "cache").mkdir()
        shutil.chown(folder / "cache", "nobody")
        yield folder


@pytest.mark.slow
@pytest.mark.skipif(not ROOT or not Path(SYSTEM).exists(), reason="needs root, and a Python that every user may run")
def test_a_study_file_runs_as_the_user_and_cannot_read_the_servers_database(open_folder, database):
    home = open_folder / "mlruns"
    home.mkdir()
    shutil.chown(shutil.copy(database, home / "mlflow.db"), "nobody")
    paths = f"{Path(study.__file__).parents[1]}:{sysconfig.get_path('purelib')}"
    environment = {**os.environ, "PYTHONPATH": paths, "STUDY_CACHE": str(open_folder / "cache")}
    server = subprocess.Popen(
        [SYSTEM, "-m", "study", "serve", "--port", "0", "--slots", "1", "--run-as", "nobody"],
        stdout=subprocess.PIPE, text=True, cwd=open_folder, env=environment,
    )  # fmt: skip
    try:
        address = re.search(r"at (http://localhost:\d+),", server.stdout.readline()).group(1)
        link = re.search(r"/invitation/\S+", server.stdout.readline()).group()
        with httpx2.Client(base_url=address, timeout=60) as client:
            chosen = {"name": "ann", "password": PASSWORD}
            client.headers["Origin"] = address
            client.post(link, data=chosen)
            client.headers.update(bearer(client.post("/api/v1/login", json=chosen).json()["token"]))
            asked = {"study": "spy", "file": {"name": "spy", "content": SPY}, "trials": 1, "workers": 1}
            run = client.post("/api/v1/runs", json=asked).json()["id"]
            done = until(lambda: (got := client.get(f"/api/v1/runs/{run}").json())["ended"] and got, 180)
            assert done["status"] == "done", client.get(f"/api/v1/runs/{run}/messages").text
            assert done["answer"]["best"]["value"] == pwd.getpwnam("nobody").pw_uid
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate()
    assert {each.owner() for each in (home / "studies").rglob("*")} == {"nobody"}
    assert (home / "service.db").stat().st_mode & 0o077 == 0
