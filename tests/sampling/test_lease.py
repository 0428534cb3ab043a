"""One coordinator a study, on SQLite and PostgreSQL: a lease that others respect, a fence against a late writer."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time

import optuna
import pytest
import sqlalchemy

from study.errors import StudyLocked
from study.questions import replicates
from study.record import owner
from study.record.journal import LOCK
from study.sampling import lease, storage
from study.sampling.lease import LEASES, LeaseLost
from tests.waiting import until


@pytest.fixture
def swift(monkeypatch):
    """Times of a lease that a test need not wait for."""
    monkeypatch.setattr(lease, "RENEW", 0.05)
    monkeypatch.setattr(lease, "GRACE", 0.5)
    monkeypatch.setattr(lease, "LEASE", 2.0)


FAR = {"pid": 7, "host": "far.example", "since": 1.7e9, "command": "study run s", "machine": "another", "started": "1"}


def change(database, **values):
    with database.engine.begin() as connection:
        connection.execute(LEASES.update().values(**values))


def row(database):
    with database.engine.connect() as connection:
        return connection.execute(sqlalchemy.select(LEASES)).one()


def now(database):
    with database.engine.connect() as connection:
        return connection.exec_driver_sql(f"SELECT {lease.NOW[database.engine.dialect.name]}").scalar_one()


def leave_behind(database, folder, age):
    """Leave the lease of a process on another machine, renewed `age` seconds ago."""
    with storage.held("s", folder, database):
        pass
    change(database, renewed=now(database) - round(1000 * age), holder=json.dumps(FAR))


def test_no_password_of_the_command_line_is_kept(database, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/bin/study", "run", "s", "--storage", "postgresql://me:se@cr/et@db/optuna"])
    with storage.held("s", tmp_path, database):
        kept = [row(database).holder, (tmp_path / LOCK).read_text()]
    kept.append(json.dumps(replicates.opening("s", [], 2)))
    said = "study run s --storage postgresql://me:***@db/optuna"
    assert [json.loads(each)["command"] for each in kept] == [said] * 3


def test_a_second_folder_is_told_who_runs_the_study_where_and_since_when(url, database, tmp_path):
    with storage.held("s", tmp_path / "one", database), storage.opened(url) as other:  # noqa: SIM117
        with pytest.raises(StudyLocked, match=r"s: process \d+ on .* runs it since 20.*heard from"), storage.held("s", tmp_path / "two", other):  # fmt: skip  # noqa: E501
            pass
    with storage.held("s", tmp_path / "two", database):
        assert json.loads(row(database).holder)["pid"]


def test_other_studies_of_the_database_are_free(database, tmp_path):
    with storage.held("s", tmp_path / "s", database), storage.held("t", tmp_path / "t", database):
        pass


def test_a_restart_of_postgresql_ends_no_lease(postgres, tmp_path):
    url = postgres()
    with storage.opened(url) as first, storage.opened(url) as second, storage.held("s", tmp_path / "one", first):
        with second.engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        with pytest.raises(StudyLocked), storage.held("s", tmp_path / "two", second):
            pass


def test_whoever_has_lost_the_study_commits_nothing_more(database, url, tmp_path):
    study = storage.study_id(database, "s", "maximize")
    with storage.held("s", tmp_path / "one", database) as mine, storage.opened(url) as other:
        change(other, fence=mine._fence + 1, holder=json.dumps(FAR))
        with pytest.raises(LeaseLost, match=r"another process has taken the study: process 7 on far\.example"):
            database.create_new_trial(study)
        with pytest.raises(LeaseLost):
            mine.require()
        assert storage.count_trials(other, study) == 0
        other.create_new_trial(study)
    assert row(database).holder == json.dumps(FAR)  # nor is it released for the other


def test_a_holder_learns_within_a_renewal_that_it_has_lost_the_study(swift, database, url, tmp_path):
    with storage.held("s", tmp_path / "one", database) as mine, storage.opened(url) as other:
        change(other, fence=mine._fence + 1, holder=json.dumps(FAR))
        until(lambda: mine.lost)


def test_a_lease_that_comes_when_nobody_waits_for_it_any_more_is_nobodys(database, tmp_path):
    """For a moment it was held: a search of the same process that began then was refused."""
    with storage.held("toy", tmp_path / "one", database) as first:
        pass
    late = lease.Lease(database.engine, "toy", owner.this_process("study run toy"))
    late._ending.set()
    held = lease.HELD.copy()
    assert late._taken(late._read())
    assert held == lease.HELD
    assert late._fence > first._fence
    assert (row(database).renewed, row(database).holder) == (0, "")


def test_a_holder_on_another_machine_is_refused_while_its_lease_is_fresh(database, tmp_path):
    leave_behind(database, tmp_path / "s", 2)
    with pytest.raises(StudyLocked, match=r"far.example.* heard from . s ago.* free in 5. s"), storage.held("s", tmp_path / "s", database):  # fmt: skip  # noqa: E501
        pass


@pytest.mark.parametrize("age", [3600, 1, -3600], ids=["long ago", "half the lease ago", "with the clock set back"])
def test_a_silent_holder_on_another_machine_is_waited_for_with_a_line(swift, monkeypatch, database, tmp_path, caplog, age):  # fmt: skip  # noqa: E501
    leave_behind(database, tmp_path / "s", age)
    before, began = row(database).fence, time.monotonic()
    with caplog.at_level(logging.WARNING), storage.held("s", tmp_path / "s", database):
        assert row(database).fence > before
    assert time.monotonic() - began >= 0.5
    assert "s: process 7 on far.example" in caplog.text
    assert "in case it is still there" in caplog.text


def test_a_holder_whose_database_has_just_come_back_keeps_the_study(swift, database, url, tmp_path):
    leave_behind(database, tmp_path / "s", 3600)
    with storage.opened(url) as other:
        late = threading.Timer(0.2, lambda: change(other, renewed=now(other)))
        late.start()
        with pytest.raises(StudyLocked, match=r"far.example"), storage.held("s", tmp_path / "s", database):
            pass
        late.join()


def test_a_lease_that_expired_while_the_database_was_away_is_renewed_if_nobody_took_it(swift, database, tmp_path):
    with storage.held("s", tmp_path / "s", database) as mine:
        change(database, renewed=1)
        until(lambda: row(database).renewed > 1)
        assert not mine.lost


def test_a_lease_that_is_gone_with_a_restored_database_is_entered_again(swift, database, tmp_path):
    with storage.held("s", tmp_path / "s", database) as mine:
        with database.engine.begin() as connection:
            connection.execute(LEASES.delete())
        until(lambda: storage_has_a_lease(database))
        assert not mine.lost


def storage_has_a_lease(database):
    with database.engine.connect() as connection:
        return connection.execute(sqlalchemy.select(LEASES)).one_or_none() is not None


def test_optuna_still_reads_and_upgrades_a_database_that_has_leases(url, database, tmp_path):
    with storage.held("s", tmp_path / "s", database):
        pass
    database.upgrade()
    study = optuna.create_study(study_name="u", storage=storage._with_driver(url))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert len(study.trials) == 1
    assert row(database).study == "s"
    study._storage._backend.engine.dispose()


def test_a_process_is_known_by_its_machine_its_number_and_its_start():
    me = owner.this_process("study run s")
    assert not owner.is_dead(me)
    assert owner.is_dead({**me, "started": "1"})
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert owner.is_dead({**me, "pid": child.pid})
    assert not owner.is_dead({**me, "pid": child.pid, "machine": "another"})
    assert not owner.is_dead({})
