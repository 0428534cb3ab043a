"""The client against a service on a port: runs by id and by a study's name, and connections that are lost."""

from __future__ import annotations

import io
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa
import uvicorn

from study.errors import InputError, PlaceError
from study.schemas.service import Submitted
from study.service import client as client_module
from study.service import hub, queue, tables
from study.service.client import Client
from tests.service.conftest import PASSWORD, RUNNER, bearer, service_at
from tests.waiting import until

PATIENCE = 4.0  # seconds


@contextmanager
def listening(at, port=0):
    """Serve on a port of this machine; gives it."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = uvicorn.Server(uvicorn.Config(at.app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started)
            yield listener.getsockname()[1]
        finally:
            at.service.hub.close()
            server.should_exit = True
            thread.join()


@pytest.fixture
def swift(monkeypatch):
    """A service that tells soon that there is no event."""
    monkeypatch.setattr(hub, "SILENCE", 0.1)
    monkeypatch.setattr(hub, "PING", 0.2)


def test_who_waits_by_name_or_for_what_has_ended_or_is_not_there_gets_an_answer(here, swift):
    run, _ = queue.submit(here.database, RUNNER, Submitted(study="mnist_cnn"))
    with listening(here) as port, ThreadPoolExecutor() as threads:
        client = Client(f"http://localhost:{port}", here.tokens["viewer"])
        waiting = threads.submit(client.wait, "mnist_cnn")
        until(lambda: here.service.hub._clients)
        queue.wish(here.database, RUNNER, run.id, "cancel")
        assert waiting.result(30).status == "cancelled"
        followed = threads.submit(lambda: [event.data["status"] for event in client.events("mnist_cnn")])
        assert followed.result(30) == ["queued", "cancelled"]
        with here.database.write() as connection:  # as `study gc` does
            connection.execute(sa.delete(tables.events).where(tables.events.c.run == run.id))
        assert threads.submit(client.wait, run.id).result(30).status == "cancelled"
        assert threads.submit(lambda: list(client.events(run.id))).result(30) == []
        for ask in (client.wait, lambda name: next(client.events(name))):
            with pytest.raises(InputError, match="no run 'nothing'"):
                threads.submit(ask, "nothing").result(30)
        refused = here.client.get("/api/v1/runs/nothing/events", headers=bearer(here.tokens["viewer"]))
        assert refused.status_code == 404


def test_connections_that_are_lost_far_apart_do_not_end_a_watch_although_nothing_happened_between(here, swift):
    run, _ = queue.submit(here.database, RUNNER, Submitted(study="mnist_cnn"))
    told = []

    def follow(client):
        for event in client.events(run.id):
            told.append(event.data["status"])  # noqa: PERF401 - one after the other

    with ThreadPoolExecutor() as threads:
        with listening(here) as port:
            client = Client(f"http://localhost:{port}", here.tokens["viewer"], patience=PATIENCE)
            following = threads.submit(follow, client)
            until(lambda: told)
        for after in (PATIENCE, 0):
            time.sleep(1)  # it finds nobody there
            again = service_at(here.database, here.home)
            with listening(again, port):
                until(lambda again=again: following.done() or again.service.hub._clients)
                time.sleep(after)
                if not after:
                    queue.wish(here.database, RUNNER, run.id, "cancel")
                    following.result(30)
            again.client.close()
    assert told == ["queued", "cancelled"]


def test_a_token_that_cannot_be_kept_is_one_line(study, here, monkeypatch):
    Path("file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(Path("file").absolute()))
    with listening(here) as port:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
        answer = study("login", f"http://localhost:{port}", "--name", "viewer")
    assert (answer.code, answer.err.count("\n")) == (2, 1), answer.err
    assert "servers.json: cannot be written: " in answer.err


def test_a_study_is_shown_in_the_form_that_was_asked_for(study, here, made, monkeypatch):
    monkeypatch.setenv("STUDY_TOKEN", here.tokens["viewer"])
    with listening(here) as port:
        there = ("--server", f"http://localhost:{port}")
        for words in (["table"], ["json"], ["csv"], ["csv", "--trial", "1"], ["csv", "--trial", "5"]):
            asked = ("show", "made", "--format", *words)
            assert study(*asked, *there).out == study(*asked, "--home", here.home).out, asked
        written = study("report", "made", "-o", "page.html", "--json", *there).json
    assert (written["html"], written["markdown"], written["pictures"]) == ("page.html", None, [])
    assert written["bytes"] == Path("page.html").stat().st_size > 10_000


def test_what_is_asked_in_two_forms_is_refused(study):
    for words in (["compare", "a", "b", "--json", "--csv"], ["show", "a", "--json", "--format", "csv"]):
        answer = study(*words)
        assert (answer.code, answer.out) == (2, "")
        assert "exclude each other. Give one of them.\n" in answer.err


@pytest.mark.parametrize("silent", [True, False])
def test_a_server_that_answers_and_tells_nothing_is_given_up(here, monkeypatch, silent):
    """It holds connections without a word, or ends each of them at once."""
    monkeypatch.setattr(client_module._connect, "__defaults__", (0.5,))  # seconds
    run, _ = queue.submit(here.database, RUNNER, Submitted(study="mnist_cnn"))
    after = hub.newest_id(here.database)
    with listening(here) as port:
        client = Client(f"http://localhost:{port}", here.tokens["viewer"], patience=1.5)
        if not silent:
            here.service.hub.close()
        with pytest.raises(PlaceError, match="timed out" if silent else "without a word"):
            list(client.events(run.id, after))


def test_who_follows_is_told_what_happens_after_the_database_was_away(here, swift, monkeypatch):
    monkeypatch.setattr(hub, "AGAIN", 0.1)
    run, _ = queue.submit(here.database, RUNNER, Submitted(study="mnist_cnn"))
    told = []
    with listening(here) as port, ThreadPoolExecutor() as threads:
        client = Client(f"http://localhost:{port}", here.tokens["viewer"], patience=30)
        following = threads.submit(lambda: [told.append(each.data["status"]) for each in client.events(run.id)])
        until(lambda: told)
        for was, becomes in (("service_events", "away"), ("away", "service_events")):
            with here.database.write() as connection:
                connection.exec_driver_sql(f"ALTER TABLE {was} RENAME TO {becomes}")
            time.sleep(0.6)
        queue.wish(here.database, RUNNER, run.id, "cancel")
        following.result(30)
    assert told == ["queued", "cancelled"]


@contextmanager
def another(status, *headers, body=b"<html>"):
    """Serve something else than `study serve` does: the same answer to all requests; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - as the standard library calls it

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("location", ["https://study.example.org/api/v1/login", "https://study.example.org/"])
def test_a_server_that_leads_to_another_address_says_which(study, monkeypatch, location):
    """Our own proxy leads to https."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("a password\n"))
    with another(308, ("Location", location), body=b"") as address:
        answer = study("login", address, "--name", "viewer")
        assert (answer.code, "redirects to https://study.example.org" in answer.err) == (2, True), answer.err
        assert "Use that address." in answer.err
        for ask in (lambda client: client.show("made"), lambda client: list(client._stream("/events", 0))):
            with pytest.raises(InputError, match="redirects to https://study\\.example"):
                ask(Client(address, "token"))


def test_what_is_no_server_of_ours_is_said_so(study, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a password\n"))
    with another(200, ("Content-Type", "text/html")) as address:
        answer = study("login", address, "--name", "viewer")
        assert (answer.code, "does not answer as `study serve` does" in answer.err) == (2, True), answer.err
        for ask in (Client.queue, Client.rollback, lambda client, _: list(client._stream("/events", 0))):
            with pytest.raises(PlaceError, match="does not answer as `study serve` does"):
                ask(Client(address, "token"), *(["model"] if ask is not Client.queue else []))
