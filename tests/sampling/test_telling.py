"""A database that is frozen, locked, away or lost while a search goes on: training waits for none of it."""

from __future__ import annotations

import gc
import json
import os
import signal
import threading
from contextlib import contextmanager
from pathlib import Path

import optuna
import psycopg
import pytest
import sqlalchemy

from study import settings as places
from study import waiting
from study.errors import PlaceError
from study.options import Options
from study.progress import Notice, TrialEnded
from study.questions.search import run
from study.record import owner
from study.record.journal import Journal
from study.running.sync import sync
from study.sampling import lease, storage, telling
from study.sampling.lease import LEASES, LeaseLost
from study.study_files import load

# nobody can close a connection to a suspended server; it is collected some time after the server goes on
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
TOY = Path(__file__).parents[1] / "toy.py"


@pytest.fixture
def swift(monkeypatch):
    monkeypatch.setattr(lease, "RENEW", 0.1)
    monkeypatch.setattr(lease, "RELEASE", 0.5)
    monkeypatch.setattr(telling, "SAY_AFTER", 0.5)
    monkeypatch.setattr(telling, "LAST_TRY", 0.5)


@contextmanager
def frozen(url):
    """Hold SQLite's lock, or suspend PostgreSQL's server and all of the database's connections."""
    engine, before = sqlalchemy.make_url(url), set(threading.enumerate())
    if engine.drivername == "sqlite":
        holder = sqlalchemy.create_engine(url)
        with holder.connect() as connection:
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
            yield
            connection.exec_driver_sql("ROLLBACK")
        holder.dispose()
        return
    with psycopg.connect(url.replace(f"/{engine.database}?", "/postgres?"), autocommit=True) as connection:
        asked = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", (engine.database,))
        found = [pid for (pid,) in asked]
        me = connection.info.backend_pid
        server = int(Path(f"/proc/{me}/stat").read_text().rpartition(")")[2].split()[1])  # while `me` is there
    for pid in (server, *found):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in (*found, server):
            os.kill(pid, signal.SIGCONT)
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
        gc.collect()  # what they had open, in this test and not in a later one


def search(url, trials, **more):
    how = Options(trials=trials, executor="inline", track=False, accept=True)
    return run(load(str(TOY)).fix(more), places.resolve(storage=url), how, threading.Event())


def trained():
    folders = Journal(places.resolve().study_folder("toy")).trials()
    return [folder.number for folder in folders if folder.history().ended]


def stored(url):
    return optuna.load_study(study_name="toy", storage=storage._with_driver(url))


def test_a_frozen_database_stops_no_training_and_one_line_says_so(swift, url):
    progress, said = search(url, 6, seconds=0.1), []
    for each in progress:
        if isinstance(each, TrialEnded):
            break
    with frozen(url):
        said = [each.text for each in progress if isinstance(each, Notice)]
    assert trained() == [0, 1, 2, 3, 4, 5]
    assert said[0].startswith("Optuna's storage does not answer")
    assert said[-1].endswith("yet: `study sync toy` sends the rest")
    assert len(said) == 2
    sync(places.resolve(storage=url, tracking_uri=f"sqlite:///{Path.cwd()}/m.db"), ["toy"])
    assert len({trial.user_attrs["uid"] for trial in stored(url).trials}) == len(stored(url).trials) == 6
    assert {trial.state.name for trial in stored(url).trials} <= {"COMPLETE", "PRUNED"}


def test_a_database_that_comes_back_is_said_to_be_back_and_has_everything(swift, url):
    said = []
    for each in search(url, 12, seconds=0.1):
        if isinstance(each, TrialEnded) and each.trial == 0:
            cold = frozen(url)
            cold.__enter__()
        if isinstance(each, Notice):
            said.append(each.text)
            if len(said) == 1:
                cold.__exit__(None, None, None)
    assert [text[:32] for text in said] == ["Optuna's storage does not answer", "Optuna's storage answers again"]
    assert len(stored(url).trials) == 12
    assert {trial.state.name for trial in stored(url).trials} <= {"COMPLETE", "PRUNED"}


def test_a_database_that_stays_away_ends_the_search_which_then_goes_on(swift, monkeypatch, url):
    progress = search(url, 200, seconds=0.1)
    for each in progress:
        if isinstance(each, TrialEnded):
            break
    with frozen(url), monkeypatch.context() as patch:
        patch.setattr(telling, "LIMIT", 1.5)
        with pytest.raises(PlaceError, match=r"toy: Optuna's storage has not answered for .* goes on"):
            list(progress)
    done = len(trained())
    assert 1 <= done < 200
    list(search(url, done + 2, seconds=0.0))
    assert len(stored(url).trials) == done + 2
    assert {trial.state.name for trial in stored(url).trials} <= {"COMPLETE", "PRUNED"}


def test_a_search_whose_study_was_taken_ends_and_writes_nothing_more(swift, url):
    taker = json.dumps({**owner.this_process("study run toy"), "host": "far.example"})
    said, seen = [], None
    with storage.opened(url) as other, pytest.raises(LeaseLost, match=r"process \d+ on far\.example") as caught:  # noqa: PT012
        for each in search(url, 200, seconds=0.1):
            if isinstance(each, TrialEnded) and seen is None:
                with other.engine.begin() as connection:
                    connection.execute(LEASES.update().values(fence=LEASES.c.fence + 1, holder=taker))
                seen = len(stored(url).trials)
            if isinstance(each, Notice):
                said.append(each.text)
    assert len(stored(url).trials) == seen
    assert len(trained()) < 200
    assert "the same command goes on later" in str(caught.value)
    assert said[0].endswith("running trials stop after the current epoch")


def test_a_database_that_is_frozen_at_the_start_is_said_and_given_up_in_the_end(monkeypatch, url, caplog):
    list(search(url, 1))
    with frozen(url), monkeypatch.context() as patch:
        patch.setattr(waiting, "SAY_AFTER", 0.2)
        patch.setattr(waiting, "LIMIT", 1.0)
        with pytest.raises(PlaceError, match="no answer for"):
            list(search(url, 3))
    assert "no answer yet" in caplog.text
    list(search(url, 3))
    assert trained() == [0, 1, 2]


def test_a_database_that_thaws_during_the_start_is_used(monkeypatch, url, caplog):
    list(search(url, 1))
    monkeypatch.setattr(waiting, "SAY_AFTER", 0.1)
    with frozen(url):
        thread = threading.Thread(target=lambda: list(search(url, 3)))
        thread.start()
        while "no answer yet" not in caplog.text:
            thread.join(0.05)
            assert thread.is_alive()
    thread.join()
    assert trained() == [0, 1, 2]
