"""Single sign-on: by a header of a proxy that knows the secret, and at a provider that runs as a program of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from urllib.parse import urlencode

import httpx2
import pytest
from starlette.testclient import TestClient

from study.errors import InputError
from study.service import app, identities, people
from study.service.sign_on import SECRET_HEADER, Provider, SignOn
from tests.service import provider as program
from tests.service.conftest import ADMIN, SERVER, bearer

SECRET = "what only the proxy knows"


@pytest.fixture
def signing(here):
    """The service `here`, with another way to sign on."""
    made = []

    def make(sign_on):
        sign_on.check()
        here.service = replace(here.service, sign_on=sign_on)
        client = TestClient(
            app.make(here.service, {"localhost"}, logins=100, header=sign_on.header),
            base_url=SERVER,
            follow_redirects=False,
        )
        made.append(client)
        return client

    yield make
    for each in made:
        each.close()


@pytest.fixture
def issuer():
    process = subprocess.Popen([sys.executable, program.__file__], stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().strip()
    process.kill()
    process.communicate()


def proxied(who, secret=SECRET, **more):
    return {"X-Forwarded-Email": who, SECRET_HEADER: secret, **more}


def test_a_proxys_header_is_believed_with_its_secret_alone_and_for_known_people_alone(here, signing):
    people.change(here.database, ADMIN, "author", identity="Ann@Example.org")
    client = signing(SignOn("X-Forwarded-Email", SECRET))
    assert client.get("/api/v1/me", headers=proxied("ann@example.org")).json()["name"] == "author"
    for secret in ("", "guessed", SECRET + "x"):
        assert client.get("/api/v1/me", headers=proxied("ann@example.org", secret)).status_code == 401
    stranger = client.get("/api/v1/me", headers=proxied("eve@example.org"))
    assert (stranger.status_code, stranger.json()["what"]) == (403, "nobody here is known as eve@example.org")
    assert client.get("/login", headers=proxied("eve@example.org")).status_code == 200
    people.change(here.database, ADMIN, "author", disabled=True)
    assert client.get("/api/v1/me", headers=proxied("ann@example.org")).status_code == 403
    assert here.client.get("/api/v1/me", headers=bearer(here.tokens["viewer"])).status_code == 200


def test_a_name_that_nobody_knows_becomes_a_person_only_where_a_role_is_set_and_takes_over_nobodys_name(here, signing):
    client = signing(SignOn("X-Forwarded-Email", SECRET, role="viewer"))
    got = client.get("/api/v1/me", headers=proxied("admin@elsewhere.org")).json()
    assert (got["name"], got["role"], got["identity"]) == ("admin-2", "viewer", "admin@elsewhere.org")
    assert client.get("/api/v1/me", headers=proxied("ADMIN@elsewhere.org")).json() == got
    with pytest.raises(InputError, match="has the identity"):
        people.change(here.database, ADMIN, "viewer", identity="admin@elsewhere.org")


def test_another_site_changes_nothing_through_the_proxy(here, signing):
    people.change(here.database, ADMIN, "viewer", identity="ann")
    client = signing(SignOn("X-Forwarded-Email", SECRET))
    statuses = [
        client.post("/me/tokens", data={"label": "x"}, headers=proxied("ann", **more)).status_code
        for more in ({}, {"Origin": "http://evil.example"}, {"Origin": SERVER})
    ]
    assert statuses == [403, 403, 200]


@pytest.mark.parametrize("wrong", [SignOn("X-User", "short"), SignOn("X-User"), SignOn(role="king")])
def test_settings_that_would_let_strangers_in_are_refused(wrong):
    with pytest.raises(InputError):
        wrong.check()
    with pytest.raises(InputError):
        Provider.of("example.org", "study", "secret")


def at_the_provider(client, who, wrong="", to="/queue"):
    """Log in as a browser does: to the provider, and back."""
    begun = client.get("/sso", params={"to": to})
    assert begun.status_code == 303
    sent = httpx2.get(f"{begun.headers['location']}&{urlencode({'who': who, 'wrong': wrong})}")
    return client.get(sent.headers["location"].removeprefix(SERVER))


def test_who_logs_in_at_the_provider_has_a_session_and_lies_of_it_are_refused(here, signing, issuer):
    people.change(here.database, ADMIN, "runner", identity="ann@example.org")
    client = signing(SignOn(provider=Provider.of(issuer, program.CLIENT, program.SECRET)))
    assert "/sso?to=" in client.get("/login").text
    for wrong in ("nonce", "aud", "iss", "exp", "signature", "email_verified"):
        answer = at_the_provider(client, "ann@example.org", wrong)
        assert (wrong, answer.status_code, "study_session" in client.cookies) == (wrong, 403, False)
    assert at_the_provider(client, "eve@example.org").status_code == 403
    answer = at_the_provider(client, "ann@example.org")
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue")
    assert client.get("/api/v1/me").json()["name"] == "runner"
    assert at_the_provider(client, "ann@example.org", to="https://evil.example").headers["location"] == "/"


def test_a_login_that_another_browser_has_begun_is_refused(here, signing, issuer):
    people.change(here.database, ADMIN, "runner", identity="ann@example.org")
    client = signing(SignOn(provider=Provider.of(issuer, program.CLIENT, program.SECRET)))
    begun = client.get("/sso")
    sent = httpx2.get(f"{begun.headers['location']}&who=ann@example.org")
    client.cookies.clear()
    assert client.get(sent.headers["location"].removeprefix(SERVER)).status_code == 403
    client.get("/sso")
    assert client.get(sent.headers["location"].removeprefix(SERVER)).status_code == 403


def test_a_wrong_secret_of_ours_is_said_and_no_secret_is_in_the_log(here, signing, issuer, caplog):
    caplog.set_level(0)
    client = signing(SignOn(provider=Provider.of(issuer, program.CLIENT, "planted secret")))
    assert at_the_provider(client, "ann@example.org").status_code == 403
    assert "planted secret" not in caplog.text
    assert signing(SignOn(provider=Provider.of("http://127.0.0.1:1", "a", "b"))).get("/sso").status_code == 403


def test_two_first_visits_at_once_make_one_person(here):
    """Both have looked for the identity before either has made it."""
    for _ in range(2):
        identities.make(here.database, "eve", "viewer", "eve@example.org")
    assert identities.find(here.database, "eve@example.org").name == "eve"
    assert "eve-2" not in [row["name"] for row in people.list_people(here.database)]
