"""Events: every one once, in order, also after a restart; a stream ends when its token is revoked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from starlette.requests import Request

from study.record import log_lines
from study.schemas.service import Submitted
from study.service import hub, people, queue, web
from study.service.following import Follower
from tests.service.conftest import ADMIN, RUNNER, bearer


def kinds(database):
    return [(event.trial, event.kind) for event in hub.read(database, 0, ["made"])]


def test_every_line_of_a_log_is_an_event_once_whoever_begins_anew(here, made):
    home = Path("mlruns").absolute()
    assert Follower(here.database, home).follow("made") > 0
    told = kinds(here.database)
    trial = made.trial(6)
    trial.append("epoch", number=3, metrics={"val_accuracy": float("nan")}, seconds=0.5)
    with trial.log.open("ab") as log:
        log.write(log_lines.encode({"kind": "epoch", "time": 1.0})[:-9])  # torn
    assert Follower(here.database, home).follow("made") == 1
    assert Follower(here.database, home).follow("made") == 0
    trial.repair()
    trial.append("died", reason="of a kill")
    assert Follower(here.database, home).follow("made") == 1
    assert kinds(here.database) == [*told, (6, "epoch"), (6, "died")]
    for number in range(7):
        lines = [record["kind"] for record in made.trial(number).records()]
        assert [kind for trial, kind in kinds(here.database) if trial == number] == ["created", *lines]


def test_a_stream_begins_after_the_last_event_and_ends_when_the_token_is_revoked(here, monkeypatch):
    run, _ = queue.submit(here.database, RUNNER, Submitted(study="mnist_cnn"))
    queue.wish(here.database, RUNNER, run.id, "stop")
    identity, token = people.make_token(here.database, "viewer", "x")
    monkeypatch.setattr(web, "RECHECK", -1.0)
    got = []

    async def read(after):
        scope = {"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())], "app": here.app._app.app}
        admission = web.Admission(Request(scope), "viewer")
        async for event in here.service.hub.follow(after, (), run.id):
            if not await admission.holds():
                return
            got.append((event.id, event.data["status"]))
            if len(got) == 1:
                people.revoke(here.database, ADMIN, identity)

    asyncio.run(asyncio.wait_for(read(0), 10))
    assert [status for _, status in got] == ["queued"]
    assert here.client.get(f"/api/v1/runs/{run.id}/events", headers=bearer(token)).status_code == 401
    later = hub.read(here.database, got[0][0], run=run.id)
    assert [json.loads(each.to_json())["data"]["status"] for each in later] == ["paused"]
