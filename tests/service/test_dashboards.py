"""Optuna dashboard and MLflow behind the login, as the server starts them: who reads, who writes, and how they end."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx2
import optuna
import pytest

from study.service import people, store
from study.service.dashboards import Program
from study.settings import resolve
from tests.service.conftest import PASSWORD, bearer
from tests.waiting import until

pytestmark = pytest.mark.slow
MLFLOW = "/mlflow/ajax-api/2.0/mlflow"


@pytest.fixture
def beside(serving):
    """A server with a study in Optuna's database, an experiment with a page as artifact in MLflow's, and clients."""
    optuna.create_study(storage="sqlite:///mlruns/optuna.db", study_name="made")
    database = store.opened("sqlite:///mlruns/service.db")
    admin = people.accept(database, re.search(r"invitation/([\w-]+)", serving.said).group(1), "ann", PASSWORD)
    people.accept(database, people.invite(database, "ann", "ben"), "ben", PASSWORD)
    tokens = {name: people.make_token(database, name, "test")[1] for name in ("ann", "ben")}
    assert people.change(database, admin, "ben", role="viewer")
    database.close()
    clients = {
        name: httpx2.Client(base_url=serving.address, headers=bearer(token), timeout=60)
        for name, token in tokens.items()
    }
    clients["nobody"] = httpx2.Client(base_url=serving.address, timeout=60)
    yield clients
    for each in clients.values():
        each.close()


def rows(path):
    """Every row of every table of a database, the tables of who made it aside."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}


def routes_of_mlflow():
    from mlflow.server import handlers

    found = {(path, method) for path, _, methods in handlers.get_endpoints() for method in methods}
    return sorted((re.sub(r"<[^>]*>|\{[^}]*\}", "1", path), method) for path, method in found)


def programs(serving):
    """The processes beside a server: those whose parents it is, and all of their groups."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            words = (each / "cmdline").read_bytes().split(b"\0")
            home = f"STUDY_HOME={Path('mlruns').absolute()}".encode()
            if home in (each / "environ").read_bytes().split(b"\0") and b"--no-progress" not in words:
                found.append(int(each.name))
        except OSError:
            continue
    return found


def test_the_folder_of_a_server_that_was_killed_goes_when_the_next_begins(tmp_path, monkeypatch):
    begin = "from study.service.dashboards import Program; from study.settings import resolve; "
    begin += "print(Program('Optuna', 'optuna', '/', resolve()).socket.parent, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", begin], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        folder = Path(server.stdout.readline().strip())
        server.kill()
    assert folder.is_dir()
    after = Program("Optuna", "optuna", "/", resolve())
    assert (folder.exists(), after.socket.parent.stat().st_mode & 0o777) == (False, 0o700)
    after.stop()
    assert not after.socket.parent.exists()


def test_both_are_read_behind_the_login_written_by_admins_alone_and_end_with_the_server(serving, beside):
    ann, ben, nobody = beside["ann"], beside["ben"], beside["nobody"]
    pages = ("/dashboard", "/mlflow/")
    assert [nobody.get(path).status_code for path in pages] == [401, 401]
    first = ben.get("/mlflow/", headers={"Accept": "text/html"})
    assert (first.status_code, first.headers["refresh"], "MLflow is starting" in first.text) == (503, "2", True)
    for path in pages:
        until(lambda path=path: ben.get(path).status_code == 200)

    shown = ben.get("/dashboard")
    assert "Optuna Dashboard" in shown.text
    assert "script-src 'self' 'unsafe-eval'" in shown.headers["content-security-policy"]
    assert "unsafe-eval" not in ben.get("/login").headers["content-security-policy"]
    (study,) = ben.get("/api/studies").json()["study_summaries"]
    assert ben.get("/studies/made/optuna").headers["location"] == f"/dashboard/studies/{study['study_id']}"
    before = rows("mlruns/optuna.db")
    number = study["study_id"]
    for method, path in (
        ("DELETE", f"/api/studies/{number}"), ("POST", "/api/studies"), ("PUT", f"/api/studies/{number}/note"),
        ("POST", f"/api/studies/{number}/rename"), ("POST", "/api/trials/0/tell"),
    ):  # fmt: skip
        assert ben.request(method, path, json={"study_name": "x", "directions": ["minimize"]}).status_code == 403
        assert nobody.request(method, path, json={}).status_code == 401
    assert rows("mlruns/optuna.db") == before
    assert ann.put(f"/api/studies/{number}/note", json={"body": "seen", "version": 1}).status_code == 204
    assert rows("mlruns/optuna.db") != before

    made = ann.post(f"{MLFLOW}/experiments/create", json={"name": "made"}).json()["experiment_id"]
    assert ben.get("/studies/made/mlflow").headers["location"].startswith(f"/mlflow/#/experiments/{made}/runs")
    run = ann.post(f"{MLFLOW}/runs/create", json={"experiment_id": made}).json()["run"]["info"]
    folder = Path("mlruns/artifacts") / run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    folder.mkdir(parents=True)
    (folder / "page.html").write_text("<script>alert(1)</script>")
    asked = {"run_uuid": run["run_id"], "path": "page.html"}
    page = ben.get("/mlflow/get-artifact", params=asked)
    assert (page.status_code, page.text) == (200, "<script>alert(1)</script>")
    assert page.headers["content-security-policy"] == "default-src 'none'; sandbox"
    found = ben.post(f"{MLFLOW}/runs/search", json={"experiment_ids": [made]}).json()["runs"]
    assert [each["info"]["run_id"] for each in found] == [run["run_id"]]

    before, passed = rows("mlruns/mlflow.db"), set()
    for path, method in routes_of_mlflow():
        sent = None if method == "GET" else {"name": "x"}
        while (answer := ben.request(method, f"/mlflow{path}", json=sent)).status_code == 429:
            time.sleep(0.5)
        if method != "GET" and answer.status_code != 403:
            passed.add(path.partition("/mlflow/")[2] or path)
    assert passed == {
        "datasets/search", "experiments/search", "issues/search", "logged-models/search", "runs/search",
        "traces/search", "/graphql",
    }  # fmt: skip
    assert rows("mlruns/mlflow.db") == before
    for path in (
        "/mlflow/ajax-api/3.0/mlflow/assistant/status",
        "/mlflow/../api/2.0/mlflow/runs/get",
        "/mlflow/ajax-api/3.0/jobs/1",
    ):
        assert ann.get(path).status_code in {403, 404}
    audit = [line["subject"] for line in ann.get("/api/v1/audit").json()["items"]]
    assert f"POST {MLFLOW}/runs/create" in audit

    assert len(programs(serving)) >= 3
    serving.kill()
    until(lambda: not programs(serving), 10)
