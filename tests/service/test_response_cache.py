"""Answers that are given again: fresh after every write, to whoever may have them, for a second, and no errors."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path

import pytest

from study.service import authentication, people, response_cache, store
from study.service.machines import Here
from study.service.people import Person
from tests.service.conftest import ADMIN, PASSWORD, bearer


@pytest.fixture
def forever(here, monkeypatch):
    """The service, whose answers do not grow old by themselves."""
    monkeypatch.setattr(response_cache, "AGE", math.inf)
    return here


def seen(here, path, who):
    answer = here.client.get(path, headers=bearer(here.tokens.get(who, who)))
    assert answer.status_code == 200, answer.text
    return answer.text


def is_given_again(here, path, who):
    """Whether the number of slots, which is in no database, is that of the answer before."""
    more = here.service.conductor.machines.slots + 1
    here.service.conductor.machines = Here(more)
    return f"All {more} slots" not in seen(here, path, who)


def test_an_answer_is_given_again_for_a_second_and_no_longer(here, monkeypatch):
    assert response_cache.AGE == 1
    assert not is_given_again(here, "/parts/home", "viewer")
    monkeypatch.setattr(response_cache, "AGE", math.inf)
    assert is_given_again(here, "/parts/home", "viewer")
    headers = here.client.get("/parts/home", headers=bearer(here.tokens["viewer"])).headers
    assert (headers["cache-control"], headers["x-frame-options"]) == ("no-store", "DENY")
    monkeypatch.setattr(response_cache, "AGE", 0.0)
    assert not is_given_again(here, "/parts/home", "viewer")


def test_whoever_changes_something_and_everybody_else_sees_it_in_the_next_request(forever):
    def ids(who):
        return [each["id"] for each in json.loads(seen(forever, "/api/v1/queue", who))["items"]]

    assert (ids("viewer"), ids("runner")) == ([], [])
    asked = {"study": "mnist_cnn", "trials": 1}
    run = forever.client.post("/api/v1/runs", headers=bearer(forever.tokens["runner"]), json=asked).json()["id"]
    assert (ids("viewer"), ids("runner")) == ([run], [run])
    assert run in seen(forever, "/queue", "viewer")
    forever.client.post(f"/queue/{run}/cancel", headers=bearer(forever.tokens["runner"]), data={})
    assert (ids("viewer"), run in seen(forever, "/queue", "viewer")) == ([], False)
    assert not is_given_again(forever, "/parts/home", "viewer")
    forever.client.post("/start/check", headers=bearer(forever.tokens["runner"]), data={"study": "mnist_cnn"})
    assert not is_given_again(forever, "/parts/home", "viewer")  # whatever is asked for by POST may have changed it


def test_what_names_the_reader_is_theirs_alone_and_the_rest_is_that_of_a_role(forever):
    people.accept(forever.database, people.invite(forever.database, "admin", "bob"), "bob", PASSWORD)
    bob = people.make_token(forever.database, "bob", "x")[1]
    for path in ("/", "/me", "/queue"):
        assert ">viewer</a>" in seen(forever, path, "viewer")
        assert ">bob</a>" in seen(forever, path, bob)
    assert json.loads(seen(forever, "/api/v1/me", "viewer"))["name"] == "viewer"
    assert json.loads(seen(forever, "/api/v1/me", bob))["name"] == "bob"
    assert not is_given_again(forever, "/parts/home", "viewer")
    assert is_given_again(forever, "/parts/home", bob)
    assert not is_given_again(forever, "/parts/home", "runner")
    assert is_given_again(forever, "/", bob)


def test_a_role_that_is_changed_and_a_token_that_is_revoked_count_at_once(forever):
    assert "/start" in seen(forever, "/parts/home", "runner")
    assert seen(forever, "/start?study=mnist_cnn", "runner")
    elsewhere = store.opened(forever.database.url)  # as of another process
    people.change(elsewhere, ADMIN, "runner", role="viewer")
    assert "/start" not in seen(forever, "/parts/home", "runner")
    runners = bearer(forever.tokens["runner"])
    assert forever.client.get("/start?study=mnist_cnn", headers=runners).status_code == 403
    (token,) = people.list_tokens(elsewhere, "runner")
    people.revoke(elsewhere, ADMIN, token["id"])
    assert forever.client.get("/parts/home", headers=runners).status_code == 401
    identity = people.list_tokens(elsewhere, "viewer")[0]["id"]
    assert seen(forever, "/parts/home", "viewer")
    people.revoke(elsewhere, Person("viewer", "viewer"), identity)
    elsewhere.close()
    assert forever.client.get("/parts/home", headers=bearer(forever.tokens["viewer"])).status_code == 401


def test_a_token_ends_in_its_time_although_it_is_known(forever, monkeypatch):
    token = people.make_token(forever.database, "viewer", "short", days=1)[1]
    assert seen(forever, "/parts/home", token)
    later = authentication.time.time() + 1.01 * people.DAY
    monkeypatch.setattr(authentication.time, "time", lambda: later)
    assert forever.client.get("/parts/home", headers=bearer(token)).status_code == 401


def test_an_error_is_not_kept(forever, made):
    home = Path("mlruns/studies")
    home.rename("elsewhere")
    answer = forever.client.get("/api/v1/studies/made", headers=bearer(forever.tokens["viewer"]))
    assert answer.status_code == 404
    Path("elsewhere").rename(home)
    assert json.loads(seen(forever, "/api/v1/studies/made", "viewer"))["study"] == made.folder.name


def test_what_was_read_before_a_write_is_not_kept_after_it(forever):
    """A page that is being made while somebody writes may be of the time before."""
    times = []

    async def slow(scope, receive, send):
        scope["state"]["person"] = Person("viewer", "viewer")
        times.append(len(times))
        if len(times) == 1:
            with forever.database.write():
                pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"%d" % times[-1]})

    wrapped = response_cache.ResponseCache(slow, forever.service)
    headers = [(b"authorization", f"Bearer {forever.tokens['viewer']}".encode())]
    scope = {"type": "http", "method": "GET", "scheme": "http", "path": "/", "query_string": b"", "headers": headers}
    got = []

    async def send(message):
        got.append(message.get("body"))

    for _ in range(3):
        asyncio.run(wrapped({**scope}, None, send))
    assert [body for body in got if body] == [b"0", b"1", b"1"]


@pytest.mark.parametrize(("path", "accept"), [("/api/v1/queue", "application/json"), ("/queue", "text/html")])
def test_that_the_database_is_away_is_said_to_who_is_logged_in(here, path, accept):
    with here.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE service_tokens RENAME TO away")
    answer = here.client.get(path, headers=bearer(here.tokens["viewer"]) | {"Accept": accept})
    assert (answer.status_code, "the database does not answer" in answer.text) == (503, True)
