"""Optuna's database: opened and locked; on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from study.errors import PlaceError, StudyLocked
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
