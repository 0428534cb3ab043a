"""What every request passes: Host, origin, size, rate; cookies; and that secrets are nowhere in clear."""

from __future__ import annotations

import html
import json
import re
import sqlite3

import pytest
from starlette.testclient import TestClient

from study.service import app, people, server
from tests.service.conftest import PASSWORD, SERVER, bearer


def log_in(here, **headers):
    data = {"name": "viewer", "password": PASSWORD, "to": "/queue"}
    return here.client.post("/login", data=data, headers={"Origin": SERVER, **headers})


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "evil@localhost", "localhost:80:80", ""])
def test_another_name_than_the_services_is_refused(here, host):
    assert here.client.get("/healthz", headers={"Host": host}).status_code == 400


def test_a_session_is_a_cookie_that_no_script_reads(here):
    answer = log_in(here)
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue")
    assert re.fullmatch(r"study_session=[\w-]{43}; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax",
                        answer.headers["set-cookie"])  # fmt: skip
    assert here.client.get("/queue").status_code == 200
    here.client.post("/logout", headers={"Origin": SERVER})
    assert here.client.get("/queue", headers={"Accept": "text/html"}).headers["location"] == "/login?to=%2Fqueue"


def test_over_tls_the_cookie_is_one_that_no_other_host_can_set(here):
    with TestClient(here.app, base_url="https://localhost", follow_redirects=False) as client:
        data = {"name": "viewer", "password": PASSWORD}
        answer = client.post("/login", data=data, headers={"Origin": "https://localhost"})
        assert answer.headers["set-cookie"].startswith("__Host-study=")
        assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("method", "path", "leads"),
    [
        ("GET", "/compare?trial=made:1&trial=made:2", "/compare?trial=made:1&trial=made:2"),
        ("GET", "/studies/a%3Fb%C3%A9", "/studies/a%3Fb%C3%A9"),
        ("POST", "/queue/none/cancel", "/"),
        ("GET", "/parts/home", "/"),
        ("GET", f"/compare?study={'x' * 600}", "/"),
    ],
)
def test_a_login_leads_back_to_the_page_that_asked_for_it(here, method, path, leads):
    """A session may end while somebody fills in a form, whose address is no page."""
    here.client.cookies.clear()
    refused = here.client.request(method, path, headers={"Accept": "text/html", "Origin": SERVER})
    assert refused.status_code == 303
    asked = here.client.get(refused.headers["location"])
    to = html.unescape(re.search(r'name="to" value="([^"]*)"', asked.text).group(1))
    data = {"name": "viewer", "password": PASSWORD, "to": to}
    assert here.client.post("/login", data=data, headers={"Origin": SERVER}).headers["location"] == leads


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_a_login_leads_nowhere_else(here, to):
    data = {"name": "viewer", "password": PASSWORD, "to": to}
    assert here.client.post("/login", data=data, headers={"Origin": SERVER}).headers["location"] == "/"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": SERVER}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({}, 403),
    ],
)
def test_another_site_changes_nothing_with_our_cookie(here, headers, status):
    log_in(here)
    before = len(people.list_tokens(here.database, "viewer"))
    answer = here.client.post("/me/tokens", data={"label": "stolen"}, headers=headers)
    assert answer.status_code == status
    assert (len(people.list_tokens(here.database, "viewer")) > before) == (status == 200)


def test_no_page_runs_a_script_of_its_own(here):
    for path in ("/login", "/", "/queue", "/studies", "/start", "/people", "/me"):
        answer = here.client.get(path, headers=bearer(here.tokens["admin"]))
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?! src=)|\son\w+=|\sstyle=|javascript:", answer.text), path


def test_what_people_write_is_no_html(here):
    name = "<script>alert(1)</script>"
    answer = here.client.post("/me/tokens", data={"label": name}, headers=bearer(here.tokens["viewer"]))
    assert name not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_a_body_that_is_too_large_is_refused(here):
    body = json.dumps({"study": "mine", "file": {"name": "mine", "content": "x" * 1_100_000}}).encode()
    headers = bearer(here.tokens["author"]) | {"Content-Type": "application/json"}
    for content in (
        body,
        (body[start : start + 50_000] for start in range(0, len(body), 50_000)),
    ):  # with its length, and without
        answer = here.client.post("/api/v1/runs", content=content, headers=headers)
        assert (answer.status_code, answer.json()["kind"]) == (413, "mistake")


def test_passwords_cannot_be_tried_one_after_the_other(here):
    client = TestClient(app.make(here.service, {"localhost"}, logins=3), base_url=SERVER)
    tries = [client.post("/api/v1/login", json={"name": "admin", "password": f"{n}"}).status_code for n in range(5)]
    assert tries == [401, 401, 401, 429, 429]


def test_requests_are_limited(here):
    client = TestClient(app.make(here.service, {"localhost"}, per_second=3), base_url=SERVER)
    assert 429 in [client.get("/healthz").status_code for _ in range(10)]


def test_no_secret_is_in_the_database_or_in_what_is_said(here, caplog):
    caplog.set_level(0)
    cookie = log_in(here).cookies["study_session"]
    here.client.cookies.clear()
    answer = here.client.post("/api/v1/login", json={"name": "admin", "password": PASSWORD, "label": "x"}).json()
    link = here.client.post("/api/v1/people", json={"name": "eve"}, headers=bearer(here.tokens["admin"])).json()["link"]
    here.client.get(link.removeprefix(SERVER))
    here.client.get("/api/v1/me", headers=bearer("study_planted"))
    with here.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    stored = "\n".join(sqlite3.connect(here.database.url.removeprefix("sqlite:///")).iterdump())
    assert "argon2id" in stored
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith(("study", "uvicorn")))
    for secret in (PASSWORD, cookie, answer["token"], link.rpartition("/")[2], *here.tokens.values()):
        assert secret not in stored
        assert secret not in ours
    listed = here.client.get("/api/v1/tokens", headers=bearer(answer["token"])).text
    assert answer["token"] not in listed


@pytest.mark.parametrize(
    ("host", "names", "public", "sent"),
    [
        ("0.0.0.0", ["Study.Example.org"], "", "study.example.org"),
        ("0.0.0.0", [], "https://Study.Example.org", "study.example.org"),
        ("0.0.0.0", [], "https://study.example.org:8443/below", "Study.example.org:8443"),
        ("Study.local", [], "", "study.local:8765"),
        ("2001:db8::5", [], "", "[2001:db8::5]:8765"),
        ("2001:DB8:0:0::5", [], "", "[2001:db8::5]"),
        ("::", [], "https://[2001:db8::5]:8443", "[2001:db8::5]:8443"),
        ("::", ["[2001:db8::5]"], "", "[2001:db8::5]"),
        ("127.0.0.1", [], "", "[::1]:8765"),
    ],
)
def test_a_server_is_found_by_its_names_however_they_were_written(here, host, names, public, sent):
    client = TestClient(app.make(here.service, server._hosts(host, names, public)), base_url=SERVER)
    assert client.get("/healthz", headers={"Host": sent}).status_code == 200
    assert client.get("/healthz", headers={"Host": "another.example.org"}).status_code == 400
