"""A backup restores every trial and every row, also of what is being written."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from study.record import family, results
from study.service import people


def test_a_backup_holds_every_trial_and_row_while_others_write(study, made, here):
    stop = threading.Event()

    def write():
        while not stop.is_set():
            people.make_token(here.database, "viewer", "x")

    database = sqlite3.connect("mlruns/other.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE t(x)")
    database.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(1000)])
    database.commit()  # in the WAL alone
    thread = threading.Thread(target=write)
    thread.start()
    try:
        answer = study("backup", "b.tar.gz")
    finally:
        stop.set()
        thread.join()
    database.close()
    assert (answer.code, answer.out) == (0, "b.tar.gz\n"), answer.err
    assert Path("b.tar.gz").stat().st_mode & 0o777 == 0o600
    assert study("restore", "b.tar.gz", "--home", "new").code == 0
    for trial in results.read(made):
        assert family.journal("made", Path("new")).trial(trial.number).history() == trial.history
    assert sqlite3.connect("new/other.db").execute("SELECT COUNT(*) FROM t").fetchone() == (1000,)


def test_a_backup_that_was_changed_is_refused_and_nothing_is_left(study, made):
    assert study("backup", "b.tar.gz").code == 0
    assert study("backup", "b.tar.gz").code == 2
    assert study("restore", "b.tar.gz").code == 2  # the home folder is not empty
    whole = Path("b.tar.gz").read_bytes()
    for cut in (100, len(whole) // 2):
        Path("b.tar.gz").write_bytes(whole[:cut])
        answer = study("restore", "b.tar.gz", "--home", "new")
        assert (answer.code, Path("new").exists()) == (2, False)
    assert not list(Path().glob(".restoring-*"))


def test_a_file_that_is_no_database_is_archived_as_it_is(study, made):
    contents = {"a.db": b"no database", "b.db": b"SQLite format 3\0 and no more of it", "c.db": b""}
    for name, content in contents.items():
        Path("mlruns", name).write_bytes(content)
    assert study("backup", "b.tar.gz").code == 0
    assert sorted(path.name for path in Path().iterdir()) == ["b.tar.gz", "mlruns"]
    assert study("restore", "b.tar.gz", "--home", "new").code == 0
    assert {name: Path("new", name).read_bytes() for name in contents} == contents


def test_a_damaged_archive_is_one_line_and_nothing_is_left(study, made):
    Path("mlruns/weights").write_bytes(random.Random(0).randbytes(200_000))
    assert study("backup", "b.tar.gz").code == 0
    whole = Path("b.tar.gz").read_bytes()
    flipped = range(20, len(whole) - 200, len(whole) // 10)  # what ends it is of no file
    for first, last in (*((place, place + 1) for place in flipped), (len(whole) - 150_000, len(whole) - 100_000)):
        Path("b.tar.gz").write_bytes(whole[:first] + bytes(each ^ 0xFF for each in whole[first:last]) + whole[last:])
        answer = study("restore", "b.tar.gz", "--home", "new")
        assert (answer.code in {1, 2}, answer.err.count("\n"), Path("new").exists()) == (True, 1, False), first
        assert "bug" not in answer.err
    assert not list(Path().glob(".restoring-*"))


@pytest.mark.parametrize("home", ["file", "file/new", "/proc/new"])
def test_a_place_that_cannot_be_restored_into_is_one_line(study, made, home):
    assert study("backup", "b.tar.gz").code == 0
    Path("file").write_text("")
    answer = study("restore", "b.tar.gz", "--home", home)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert f"{home}: cannot be written: " in answer.err


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_what_is_no_backup_is_one_line(study, content):
    Path("b").write_bytes(content)
    answer = study("restore", "b", "--home", "new")
    assert (answer.code, answer.err.count("\n")) == (2, 1)


def test_two_backups_of_one_name_at_once_write_a_whole_archive_and_clear_what_a_killed_one_left(study, made):
    content = random.Random(0).randbytes(20_000_000)
    Path("mlruns/weights").write_bytes(content)
    Path(".b.tar.gz.4194999").write_bytes(b"of a process that is dead")
    command = [sys.executable, "-m", "study", "backup", "b.tar.gz"]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [each.communicate(timeout=60)[1] for each in running]
    assert all(each.returncode == 0 or "is there already" in line for each, line in zip(running, said, strict=True)), (
        said
    )
    assert sorted(path.name for path in Path().iterdir()) == ["b.tar.gz", "mlruns"]
    assert study("restore", "b.tar.gz", "--home", "new").code == 0
    assert Path("new/weights").read_bytes() == content
