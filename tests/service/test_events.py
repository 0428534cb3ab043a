"""Events: every one once, in order, also after a restart; a stream ends when its token is revoked."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

from study import api
from study.record import log_lines
from study.record.trial import STATES
from study.schemas.service import Submitted
from study.service import hub, people, queue, store, study_queries, tables, web
from study.service.following import Follower, progressed_since
from tests.service.conftest import ADMIN, RUNNER, away, bearer


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
        headers = [(b"authorization", f"Bearer {token}".encode())]
        scope = {"type": "http", "headers": headers, "app": here.app._app.app.app}
        admission = web.Admission(Request(scope), "viewer")
        async for batch in here.service.hub.follow(after, (), run.id):
            if not await admission.holds():
                return
            got.extend((event.id, event.data["status"]) for event, _ in batch)
            people.revoke(here.database, ADMIN, identity)
            queue.wish(here.database, RUNNER, run.id, "cancel")  # another event

    async def both():
        looking = asyncio.create_task(here.service.hub.run())
        await asyncio.wait_for(read(0), 10)
        looking.cancel()

    asyncio.run(both())
    assert [status for _, status in got] == ["queued", "paused"]
    assert here.client.get(f"/api/v1/runs/{run.id}/events", headers=bearer(token)).status_code == 401
    later = hub.read(here.database, got[0][0], run=run.id)
    assert [json.loads(each.to_json())["data"]["status"] for each in later] == ["paused", "cancelled"]


def test_pages_show_of_a_study_what_its_folders_tell(here, made):
    home = Path("mlruns").absolute()
    Follower(here.database, home).follow("made")
    told, shown = api.show("made").record(), study_queries.overview(here.database, home, "made")
    assert [json.loads(each.to_json()) for each in told.trials] == shown["trials"]
    assert shown["best"]["trial"] == told.best.trial
    assert shown["counts"] == {state: getattr(told, state) for state in STATES}
    assert round(shown["seconds"], 3) == told.seconds
    assert shown["curves"][0] == [0.5, 0.6, 0.7]
    made.trial(6).append("paused", epochs=2)
    Follower(here.database, home).follow("made")
    shown = study_queries.overview(here.database, home, "made")
    assert (shown["paused"], shown["counts"]["running"], shown["trials"][-1]["paused"]) == (1, 1, True)
    made.trial(6).append("ended", state="complete", value=0.99, reason="", evaluation={})
    follower = Follower(here.database, home)  # of the next server
    assert follower.follow("made") == 1
    assert (study_queries.finished(here.database, "made"), follower.follow("made", whole=True)) == (6, 0)
    assert study_queries.overview(here.database, home, "made")["best"]["trial"] == 6


def test_a_trial_that_grows_after_its_end_is_seen_when_its_study_is_read_whole(here, made):
    follower = Follower(here.database, Path("mlruns").absolute())
    follower.follow("made")
    made.trial(2).append("restarted", epochs=2, reason="")
    assert [follower.follow("made"), follower.follow("made", whole=True)] == [0, 1]


def test_who_waits_gets_new_events_from_memory_and_a_study_of_a_run_from_its_first_trial(here, made):
    run, _ = queue.submit(here.database, RUNNER, Submitted(study="made"))
    ((row,), _) = queue.claim(here.database, 1)
    follower, got = Follower(here.database, Path("mlruns").absolute()), []

    async def read():
        async for batch in here.service.hub.follow(0, (), run.id):
            got.extend((event.kind, event.trial) for event, _ in batch)
            if len(got) == 2:
                queue.note(here.database, run.id, row["lease_token"], studies='["made"]')
                follower.follow("made")
            if got.count(("epoch", 6)) == 2:
                return

    async def both():
        looking = asyncio.create_task(here.service.hub.run())
        await asyncio.wait_for(read(), 20)
        looking.cancel()

    asyncio.run(both())
    assert got == [("run", None)] * 2 + [(kind, trial) for trial, kind in kinds(here.database)]


def test_a_database_of_the_first_version_keeps_its_events_and_learns_what_pages_show(made, tmp_path):
    url, home = f"sqlite:///{tmp_path}/old.db", Path("mlruns").absolute()
    database = store.opened(url)
    Follower(database, home).follow("made")
    told = kinds(database)
    with database.write() as connection:
        connection.execute(sa.text("DROP INDEX service_cursors_shown"))
        connection.execute(sa.text("DROP TABLE service_notes"))
        for column in ("state", "value", "seconds", "row", "curve"):
            connection.execute(sa.text(f"ALTER TABLE service_cursors DROP COLUMN {column}"))
        connection.execute(sa.text("DROP TABLE service_groups"))
        connection.execute(sa.text("DROP TABLE service_use"))
        old = "person VARCHAR(64), month VARCHAR(7), slot_seconds FLOAT NOT NULL, PRIMARY KEY (person, month)"
        connection.execute(sa.text(f"CREATE TABLE service_usage ({old})"))
        connection.execute(sa.text("INSERT INTO service_usage VALUES ('ann', '2026-10', 7200)"))
        for column in ("people DROP COLUMN team", "people DROP COLUMN max_trials", "runs DROP COLUMN reserved"):
            connection.execute(sa.text(f"ALTER TABLE service_{column}"))
        connection.execute(sa.text("UPDATE service_version SET version_num='0001'"))
    database.close()
    assert store.upgrade(url, tmp_path)[:2] == ("0001", store.newest_version())
    database = store.opened(url)
    assert study_queries.finished(database, "made") == 0
    assert Follower(database, home).follow("made") == 0
    assert (study_queries.finished(database, "made"), kinds(database)) == (5, told)
    with database.read() as connection:
        assert connection.execute(sa.select(tables.usage)).all() == [("ann", "2026-10", "", 7200.0, 0)]
        assert connection.execute(sa.select(tables.runs.c.reserved)).all() == []
    database.close()


def test_what_a_transaction_did_not_take_is_told_by_the_next_look(here, made):
    follower = Follower(here.database, Path("mlruns").absolute())
    with away(here.database, "INSERT ON service_events WHEN NEW.trial = 5"), pytest.raises(SQLAlchemyError):
        follower.follow("made")
    assert kinds(here.database) == []
    follower.follow("made")
    for number in range(7):
        lines = [record["kind"] for record in made.trial(number).records()]
        assert [kind for trial, kind in kinds(here.database) if trial == number] == ["created", *lines]


@pytest.mark.parametrize("seen", ["removed", "begun again", "by the next server"])
def test_a_study_that_is_removed_and_searched_again_shows_no_trial_of_before(here, made, seen):
    follower = Follower(here.database, Path("mlruns").absolute())
    follower.follow("made")
    kept = Path("kept")  # its files stay, so that what is made anew has other inodes
    made.folder.rename(kept)
    if seen == "by the next server":
        follower = Follower(here.database, Path("mlruns").absolute())
    if seen != "begun again":
        for name in follower.studies(whole=True):
            follower.follow(name)
        assert (study_queries.counts(here.database), kinds(here.database)) == ({}, [])
        assert follower.studies(whole=True) == []
    for number in (0, 2):
        shutil.copytree(kept / "trials" / f"{number:05}", made.folder / "trials" / f"{number:05}")
    shutil.copy(kept / "study.json", made.folder)
    follower.follow("made")
    assert study_queries.finished(here.database, "made") == 2
    assert {trial for trial, _ in kinds(here.database)} == {0, 2}
    shutil.rmtree(made.folder / "trials" / "00002")  # of which the folder of all trials tells
    follower.follow("made")
    assert {trial for trial, _ in kinds(here.database)} == {0}


def test_what_was_read_stays_while_all_results_are_away(here, made):
    follower = Follower(here.database, Path("mlruns").absolute())
    follower.follow("made")
    made.folder.parent.rename("away")  # as a file system that is not mounted
    for name in follower.studies(whole=True):
        follower.follow(name)
    assert study_queries.finished(here.database, "made") == 5


@pytest.mark.parametrize(
    ("kind", "values", "counts"),
    [
        ("paused", {"epochs": 3}, True),
        ("ended", {"state": "pruned", "value": 0.5, "reason": "", "evaluation": None}, True),
        ("ended", {"state": "failed", "value": None, "reason": "x", "evaluation": None}, False),
        ("epoch", {"number": 3, "metrics": {}, "seconds": 0.1}, False),
    ],
)
def test_a_trial_that_pauses_or_ends_is_progress_and_one_that_fails_is_none(here, made, kind, values, counts):
    """A search by promotion may pause all trials of an attempt and end none."""
    follower = Follower(here.database, Path("mlruns").absolute())
    follower.follow("made")
    since = time.time()
    made.trial(6).append(kind, **values)
    follower.follow("made")
    assert progressed_since(here.database, ["made"], since) == counts
