"""Optuna's database: opened and locked; on SQLite and on PostgreSQL."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from study.errors import PlaceError, StudyLocked
from study.record import locks
from study.record.family import held_by
from study.record.journal import Journal
from study.sampling import storage


def test_a_process_that_lives_on_is_not_named_when_its_search_has_ended(database, tmp_path):
    journal = Journal(tmp_path / "s")
    with storage.held("s", journal.folder, database):
        assert held_by(journal)["pid"] == os.getpid()
    assert held_by(journal) is None


HOLD = """
import sys, time
from pathlib import Path
from study.sampling import storage
database = storage.connect(sys.argv[1])
storage.study_id(database, "s", "maximize")
with storage.held("s", Path(sys.argv[2]), database):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("folder", ["same", "another"])
def test_a_second_coordinator_is_told_who_runs_the_study(url, database, tmp_path, folder):
    first = tmp_path / "first"
    with subprocess.Popen([sys.executable, "-c", HOLD, url, str(first)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        second = first if folder == "same" else tmp_path / "second"
        with pytest.raises(StudyLocked, match=f"s: process {child.pid} on .* runs it since"), storage.held("s", second, database):  # fmt: skip  # noqa: E501
            pass
        child.kill()
    deadline = time.monotonic() + 60  # a server takes a moment to see that its client is gone
    while True:
        try:
            with storage.held("s", second, database):
                return
        except StudyLocked:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize(
    "bad",
    [
        "nonsense",
        "postgresql://nobody:secret@127.0.0.1:1/x",
        "sqlite:////proc/nowhere/o.db",
        "redis://127.0.0.1:1",
    ],
)
def test_a_storage_that_cannot_be_used_is_one_line_without_the_password(bad):
    with pytest.raises(PlaceError) as caught:
        storage.connect(bad)
    text = str(caught.value)
    assert "Optuna's storage cannot be used" in text
    assert "secret" not in text
    assert "\n" not in text


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "o.db").write_text("hello" * 1000)
    with pytest.raises(PlaceError, match="cannot be used"):
        storage.connect(f"sqlite:///{tmp_path / 'o.db'}")


def test_sqlite_is_in_wal_mode(tmp_path):
    with storage.opened(f"sqlite:///{tmp_path / 'o.db'}") as database, database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1


def test_the_doctor_learns_what_the_database_is(url):
    assert storage.check(url).split()[0] in {"sqlite", "postgresql"}


def test_a_program_that_holds_the_new_file_for_a_moment_is_waited_for(tmp_path):
    """As a dashboard or a notebook does that opens the database while the first search makes it."""
    file = tmp_path / "o.db"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN EXCLUSIVE")
        release = threading.Timer(1.5, other.execute, ["ROLLBACK"])
        release.start()
        with storage.opened(f"sqlite:///{file}") as database:
            assert database.get_all_studies() == []
        release.join()


def test_eight_programs_that_make_the_database_at_once_all_get_it(url):
    ours = "import sys; from study.sampling import storage; storage.connect(sys.argv[1])"
    theirs = "import sys, optuna; optuna.storages.RDBStorage(sys.argv[1])"
    spelled = storage._with_driver(url)
    others = [subprocess.Popen([sys.executable, "-c", theirs, spelled], stderr=subprocess.DEVNULL) for _ in range(3)]
    done = [subprocess.Popen([sys.executable, "-c", ours, url]) for _ in range(5)]
    assert [process.wait() for process in done] == [0] * 5
    for process in others:  # Optuna's own may break off: that is what is to be survived
        process.wait()


def test_an_immutable_database_is_one_clear_line(tmp_path):
    file, url = tmp_path / "o.db", f"sqlite:///{tmp_path / 'o.db'}"
    with storage.opened(url):
        pass
    if subprocess.run(["chattr", "+i", str(file)], capture_output=True, check=False).returncode:
        pytest.skip("this file system or user cannot make a file immutable")
    try:
        with pytest.raises(PlaceError, match="cannot be used") as caught, storage.opened(url) as database, storage.held("s", tmp_path / "s", database):  # fmt: skip  # noqa: E501
            pass
    finally:
        subprocess.run(["chattr", "-i", str(file)], check=True)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_lock_file_that_a_suspended_process_holds_is_said_and_given_up(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(locks, "SAY_AFTER", 0.1)
    monkeypatch.setattr(locks, "LIMIT", 0.5)
    hold = "import sys, time, pathlib; from study.record import locks\nwith locks.locked(pathlib.Path(sys.argv[1])): print(1, flush=True); time.sleep(60)"  # noqa: E501
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path / "l")], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        child.send_signal(signal.SIGSTOP)
        with pytest.raises(PlaceError, match=f"process {child.pid} has held it"), locks.locked(tmp_path / "l"):
            pass
        assert f"waiting up to 0 s for process {child.pid}" in caplog.text
        child.kill()
    with locks.locked(tmp_path / "l"):
        pass


@pytest.mark.parametrize("place", ["toy", "toy/lock"])
def test_a_folder_that_cannot_be_made_or_written_is_one_line(tmp_path, place):
    (tmp_path / "toy").mkdir()
    if place == "toy":
        (tmp_path / "toy").rmdir()
        (tmp_path / "toy").write_text("")
    else:
        (tmp_path / "toy" / "lock").mkdir()
    with (
        storage.opened(f"sqlite:///{tmp_path / 'optuna.db'}") as database,
        pytest.raises(PlaceError, match="toy/lock: cannot be written: "),
        storage.held("toy", tmp_path / "toy", database),
    ):
        pass


@pytest.mark.parametrize("call", ["write", "ftruncate"])
def test_a_full_disk_at_the_lock_is_told_and_at_its_release_it_does_not_matter(tmp_path, monkeypatch, call):
    def full(handle, what):
        raise OSError(errno.ENOSPC, "No space left on device")

    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    with storage.opened(url) as database:
        with storage.held("toy", tmp_path / "toy", database):
            monkeypatch.setattr(os, call, full)
        with pytest.raises(PlaceError, match="the disk is full"), storage.held("toy", tmp_path / "toy", database):
            pass
        monkeypatch.undo()
        with storage.held("toy", tmp_path / "toy", database):
            pass
