"""Who may use which route: every one of them is tried as nobody, as each role, and with a token that was revoked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from study.errors import StudyError
from study.service import app, client, commands
from tests.service.conftest import SERVER, bearer

ROLE_OF = """
anyone  GET /healthz, GET /readyz, GET /assets/{name}, GET /login, POST /login, GET /invitation/{secret}
anyone  POST /invitation/{secret}, POST /api/v1/login, GET /sso, GET /sso/callback
viewer  GET /metrics, GET /api/v1/openapi.json, GET /, GET /parts/home, GET /queue, GET /parts/queue, GET /runs/{run}
viewer  GET /parts/runs/{run}, GET /parts/studies/{study}/remarks
viewer  GET /studies, GET /studies/{study}, GET /parts/studies/{study}, GET /studies/{study}/trials/{trial}, GET /me
viewer  POST /me/tokens, POST /me/tokens/{token}/revoke, POST /me/password, POST /me/email, POST /logout
viewer  GET /api/v1/runs, GET /api/v1/queue, GET /api/v1/runs/{run}, GET /api/v1/runs/{run}/messages
viewer  GET /api/v1/runs/{run}/events, GET /api/v1/events, GET /api/v1/studies, GET /api/v1/studies/{study}
viewer  GET /api/v1/studies/{study}/trials, GET /api/v1/studies/{study}/trials/{trial}
viewer  GET /api/v1/studies/{study}/trials/{trial}/epochs, GET /api/v1/studies/{study}/standing
viewer  GET /api/v1/studies/{study}/best, GET /api/v1/studies/{study}/importance, GET /api/v1/studies/{study}/pruning
viewer  GET /api/v1/studies/{study}/trials.csv, GET /api/v1/studies/{study}/report
viewer  GET /api/v1/me, GET /api/v1/tokens, POST /api/v1/tokens, DELETE /api/v1/tokens/{token}, GET /api/v1/usage
viewer  GET /models, GET /parts/models, GET /compare, GET /machines, GET /api/v1/models
viewer  GET /api/v1/studies/{study}/notes
viewer  GET /optuna, GET /dashboard, GET /dashboard/{path:path}, GET /static/{path:path}, GET /favicon.ico
viewer  GET /api/meta, GET /api/studies, GET /api/studies/{path:path}, GET /csv/{path:path}
viewer  GET /studies/{study}/optuna, GET /studies/{study}/mlflow, GET /mlflow, GET /mlflow/{path:path}
viewer  GET /mlflow/ajax-api/2.0/mlflow/gateway-proxy
viewer  POST /mlflow/graphql, POST /mlflow/{api}/{version}/mlflow/{kind}/search
viewer  POST /mlflow/{api}/{version}/mlflow/experiments/search-datasets
runner  POST /studies/{study}/register, POST /models/{model}/promote, POST /models/{model}/rollback
runner  POST /studies/{study}/notes, POST /studies/{study}/trials/{trial}/notes, PUT /api/v1/studies/{study}/notes
runner  POST /api/v1/models, POST /api/v1/models/{model}/promote, POST /api/v1/models/{model}/rollback
runner  GET /start, POST /start/check, POST /start, POST /queue/{run}/{verb}
runner  POST /api/v1/runs, PUT /api/v1/runs/{run}/priority, POST /api/v1/runs/{run}/stop
runner  POST /api/v1/runs/{run}/resume, POST /api/v1/runs/{run}/cancel
admin   GET /people, POST /people, POST /people/{name}
admin   POST /api/studies, PUT /api/studies, PATCH /api/studies, DELETE /api/studies
admin   POST /api/studies/{path:path}, PUT /api/studies/{path:path}, PATCH /api/studies/{path:path}
admin   DELETE /api/studies/{path:path}, POST /api/trials/{path:path}, PUT /api/trials/{path:path}
admin   PATCH /api/trials/{path:path}, DELETE /api/trials/{path:path}, POST /mlflow/{path:path}
admin   PUT /mlflow/{path:path}, PATCH /mlflow/{path:path}, DELETE /mlflow/{path:path}
admin   POST /groups, GET /api/v1/groups, PUT /api/v1/groups/{name}
admin   GET /api/v1/people, POST /api/v1/people, PATCH /api/v1/people/{name}, GET /api/v1/audit
"""
WHO = ["nobody", "revoked", "viewer", "runner", "author", "admin"]
RANK = {"anyone": 0, "viewer": 2, "runner": 3, "author": 4, "admin": 5}
STREAMS = {"/api/v1/events"}


def table():
    lines = (line.split(maxsplit=1) for line in ROLE_OF.strip().splitlines())
    return {route: role for role, routes in lines for route in routes.split(", ")}


def routes_of(here):
    application = here.app._app.app.app
    return {f"{method} {each.path}": each for each in app.guarded_routes(application) for method in each.methods}


def test_every_route_is_in_the_table_and_says_so_itself(here):
    found = {name: (each.openapi_extra or {}).get("x-role") for name, each in routes_of(here).items()}
    silent = [name for name, least in found.items() if least is None]
    assert not silent, f"no openapi_extra=role(...), so that it refuses everybody: {silent}"
    lacking = {name: least for name, least in found.items() if table().get(name) != least}
    assert not lacking, f"not so in ROLE_OF, the table of tests/service/test_access.py: {lacking}"
    assert not table().keys() - found, f"in ROLE_OF, and no route: {table().keys() - found}"


def test_every_file_of_routes_is_part_of_the_application(here):
    files = {file.stem for file in Path(app.__file__).parent.glob("*.py") if " = router(" in file.read_text()}
    used = {each.endpoint.__module__.removeprefix("study.service.") for each in routes_of(here).values()}
    assert not files - used, f"add its routes to those that `make` of service/app.py includes: {files - used}"


@pytest.mark.parametrize("who", WHO)
def test_every_route_refuses_whom_it_has_to(here, who):
    identity = here.client.post("/api/v1/tokens", headers=bearer(here.tokens["admin"]), json={}).json()
    here.client.delete(f"/api/v1/tokens/{identity['id']}", headers=bearer(here.tokens["admin"]))
    token = {"nobody": None, "revoked": identity["token"]}.get(who, here.tokens.get(who))
    headers = bearer(token) if token else {}
    before = here.client.get("/api/v1/audit", headers=bearer(here.tokens["admin"])).json()["items"][0]["id"]
    wrong = {}
    for name, role in table().items():
        method, path = name.split()
        may = WHO.index(who) >= RANK[role]
        if path in STREAMS and may:
            continue  # it does not end; tests/service/test_whole.py follows one
        known = re.sub(r"\{trial\}", "0", path)
        answer = here.client.request(method, re.sub(r"\{\w+(:path)?\}", "none", known), headers=headers)
        refused = answer.status_code == (401 if token is None or who == "revoked" else 403)
        opened = role == "anyone"
        if answer.status_code >= 500 or (not opened and refused == may):
            wrong[name] = answer.status_code
    assert wrong == {}
    if who in {"nobody", "revoked"}:
        after = here.client.get("/api/v1/audit", headers=bearer(here.tokens["admin"])).json()["items"][0]["id"]
        assert after == before


def test_a_route_that_names_no_role_refuses_an_admin(here):
    from study.service.web import router

    application, bare = here.app._app.app.app, router()
    bare.get("/forgotten")(lambda: "a secret")
    application.include_router(bare)
    answer = here.client.get("/forgotten", headers=bearer(here.tokens["admin"]))
    assert (answer.status_code, "a secret" in answer.text) == (403, False)


def test_a_runner_moves_only_their_own_runs_and_an_admin_everybodys(here):
    asked = {"study": "mnist_cnn", "trials": 1}
    run = here.client.post("/api/v1/runs", headers=bearer(here.tokens["author"]), json=asked).json()["id"]
    for verb in ("stop", "cancel"):
        answer = here.client.post(f"/api/v1/runs/{run}/{verb}", headers=bearer(here.tokens["runner"]))
        assert answer.status_code == 403
    assert (
        here.client.post(f"/api/v1/runs/{run}/stop", headers=bearer(here.tokens["admin"])).json()["status"] == "paused"
    )
    high = {"priority": 5}
    answer = here.client.put(f"/api/v1/runs/{run}/priority", headers=bearer(here.tokens["author"]), json=high)
    assert answer.status_code == 403


OWN = ("/tmp/evil.py:f-", "/tmp/a b.py:f", "/tmp/x+y.py:f", "anymodule:x-")
CODE = [
    {"study": "mnist_cnn", "fixed": {"loss": "os:system"}},
    {"study": "mnist_cnn", "fixed": {"model_args": {"a": ["evil/file.py:run"]}}},
    *({"study": "mnist_cnn", "fixed": {"loss": path}} for path in OWN),
    {"study": "mine", "file": {"name": "mine", "content": "import os"}},
]


@pytest.mark.parametrize("asked", CODE)
def test_code_is_taken_of_an_author_alone(here, asked):
    answers = {
        role: here.client.post("/api/v1/runs", headers=bearer(here.tokens[role]), json=asked).status_code
        for role in ("runner", "author")
    }
    assert answers == {"runner": 403, "author": 201}


@pytest.mark.parametrize(
    "asked",
    [
        {"study": "--help"}, {"study": "../../etc/passwd"}, {"study": "nothing_here"}, {"study": "mnist_cnn", "top": 3},
        {"study": "mnist_cnn", "trials": 0}, {"study": "mnist_cnn", "sampler": "magic"}, {"study": "mnist_cnn", "x": 1},
        {"study": "mnist_cnn", "data": "a,b"}, {"study": "mnist_cnn", "question": "compare", "data": "a,,b"},
        {"study": "mnist_cnn", "question": "compare", "data": "a,b", "until_sure": True},
        {"study": "mnist_cnn", "fixed": {"--storage": "x"}}, {"study": "mnist_cnn", "data": "--home=x"}, {},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_it_is_queued(here, asked):
    answer = here.client.post("/api/v1/runs", headers=bearer(here.tokens["author"]), json=asked)
    assert answer.status_code == 400
    assert answer.json()["what"]
    assert here.client.get("/api/v1/runs", headers=bearer(here.tokens["viewer"])).json()["items"] == []


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
@pytest.mark.parametrize("option", ["timeout", "hang", "smallest", "target"])
def test_what_is_no_number_is_refused_before_it_is_queued(here, option, number):
    headers = {**bearer(here.tokens["author"]), "Content-Type": "application/json"}
    asked = f'{{"study": "mnist_cnn", "question": "compare", "{option}": {number}}}'
    answer = here.client.post("/api/v1/runs", headers=headers, content=asked)
    assert answer.status_code == 400
    assert option in answer.text


def test_the_client_ends_as_the_command_would_by_the_kind_of_the_refusal_not_by_its_status(here, monkeypatch):
    def refusal(method, path, **more):
        answer = here.client.request(method, path, headers=bearer(here.tokens["admin"]), **more)
        with pytest.raises(StudyError) as caught:
            client._require_fine(SERVER, answer.status_code, answer.content)
        return answer.status_code, answer.json()["kind"], caught.value.exit_code

    asked = {"study": "mnist_cnn", "trials": 1, "key": "once"}
    run = here.client.post("/api/v1/runs", headers=bearer(here.tokens["admin"]), json=asked).json()["id"]
    here.client.post(f"/api/v1/runs/{run}/cancel", headers=bearer(here.tokens["admin"]))
    assert refusal("POST", f"/api/v1/runs/{run}/stop") == (409, "mistake", 2)
    assert refusal("POST", "/api/v1/runs", json=asked | {"trials": 2}) == (409, "mistake", 2)
    assert refusal("GET", "/api/v1/runs/none") == (404, "mistake", 2)
    monkeypatch.setattr(commands, "PATIENCE", 0.01)
    with commands._one:  # another command about models is under way
        assert refusal("POST", "/api/v1/models/none/rollback") == (409, "refused", 1)


def test_a_runner_may_choose_a_network_of_torchvision(here):
    """It looks like an import path, and names no code of a person's own."""
    asked = {"study": "mnist_cnn", "fixed": {"model": "torchvision:resnet18"}}
    answer = here.client.post("/api/v1/runs", headers=bearer(here.tokens["runner"]), json=asked)
    assert answer.status_code == 201, answer.text
