"""The table of faults: each is one small function that disturbs a search once. A new kind is a function and a line."""

from __future__ import annotations

import errno
import os
import re
import signal
import sqlite3
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import sqlalchemy

from study.sampling.storage import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.running import Search

AWAY = {2}  # something could not be used, and the search says what
SAVED_BY = {signal.SIGINT: {130}, signal.SIGTERM: {143, 130}, signal.SIGHUP: {129, 130, 143}}


def enqueue(search: Search, **attributes: str) -> None:
    """A: a notebook enqueues a trial."""
    rate = search.chance.uniform(0.002, 0.2)
    with suppress(Exception):  # there is no study yet, or the database is locked: then nothing was enqueued
        with opened(search.storage) as database:
            study = optuna.load_study(study_name="small", storage=database)
            study.enqueue_trial({"lr": rate}, user_attrs=attributes)
        search.enqueued.append(rate)


def enqueue_broken_text(search: Search) -> None:
    """E: a text that is no Unicode."""
    enqueue(search, note="lone \udcff surrogate")


def kill_at_a_write(search: Search) -> None:
    """B: kill -9 the process that makes a certain durable operation, before or after it."""
    _restart(search, shim={"kill_at": search.chance.randint(1, 500), "after": search.chance.randint(0, 1)})
    search.allowed |= {-9}


def kill_a_worker(search: Search) -> None:
    """C: out of memory, say."""
    search.signal(signal.SIGKILL, search.workers()[:1])


def kill_the_server(search: Search) -> None:
    """C: the process that forks the workers."""
    search.signal(signal.SIGKILL, search.servers())


def kill_the_coordinator(search: Search) -> None:
    """C: its workers have to end by themselves."""
    search.signal(signal.SIGKILL, search.members()[:1])
    search.allowed |= {-9}


def kill_all(search: Search) -> None:
    """C: a node, or a container."""
    search.signal(signal.SIGKILL, search.members())
    search.allowed |= {-9}


def no_mlflow(search: Search) -> None:
    """D: MLflow does not answer; the run after this one tells it."""
    _restart(search, "--tracking-uri", "http://127.0.0.1:9")


def lock_database(search: Search) -> None:
    """F: somebody locks Optuna's database for some seconds."""
    seconds = search.chance.uniform(1, 12)
    search.in_background(lambda: _hold(search.storage, seconds))


def lock_mlflow(search: Search) -> None:
    """F: the same with MLflow's."""
    seconds = search.chance.uniform(1, 12)
    search.in_background(lambda: _hold(f"sqlite:///{search.home}/mlflow.db", seconds))


def tear_a_log(search: Search) -> None:
    """G: half a line at the end of a log, as a kill in the middle of a write leaves it."""
    kill_all(search)
    search.ended()
    logs = sorted(search.home.glob("studies/small/trials/*/log.jsonl"))
    if logs and b'"kind": "ended"' not in (content := logs[-1].read_bytes()):
        logs[-1].write_bytes(content + b'{"crc":"00000000","kind": "epo')


def freeze_a_worker(search: Search) -> None:
    """I: a hang that ends."""
    _freeze(search, search.workers()[:1])


def freeze_the_coordinator(search: Search) -> None:
    """I: Ctrl-Z and `fg`, or a suspended laptop."""
    _freeze(search, search.members()[:1])


def second_coordinator(search: Search) -> None:
    """J: the same command once more is refused, or, if the first has just ended, has nothing to do."""
    done = subprocess.run(search.command(), capture_output=True, text=True, check=False, timeout=300)
    search.allowed |= {2}  # where the present one had only begun, it is the second that is refused
    if done.returncode not in {0, 2} or "This is a bug" in done.stderr:
        search.violations.append(f"a second coordinator ends with {done.returncode}: {done.stderr[-400:]}")


def drop_connections(search: Search) -> None:
    """J: a restart of PostgreSQL ends all connections, and the locks held by them."""
    if search.storage.startswith("postgresql"):
        text = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        text += "AND datname = current_database()"
        with opened(search.storage) as database, database.engine.connect() as connection:
            connection.execute(sqlalchemy.text(text))


def interrupt(search: Search) -> None:
    """K: Ctrl-C, which a terminal sends to all."""
    _stop(search, signal.SIGINT, to_all=True)


def terminate(search: Search) -> None:
    """K: systemd, Slurm, timeout, a container."""
    _stop(search, signal.SIGTERM, to_all=search.chance.random() < 0.5)


def hang_up(search: Search) -> None:
    """K: the terminal is closed."""
    _stop(search, signal.SIGHUP, to_all=True)


def close_stdout(search: Search) -> None:
    """K: `study run ... | head`."""
    _restart(search)
    with open(os.devnull) as nothing:  # noqa: PTH123 - closed itself, the number would be another file's while it is read
        os.dup2(nothing.fileno(), search.process.stdout.fileno())
    search.allowed |= {141}  # as a shell says it of SIGPIPE


def full_stdout(search: Search) -> None:
    """K: the output's disk is full."""
    _restart(search, stdout="/dev/full")
    search.allowed |= AWAY


def full_disk(search: Search) -> None:
    """The disk is full from a certain durable operation on."""
    switches = {"fail_from": search.chance.randint(1, 500), "fail_count": search.chance.choice([1, 20, 10**9])}
    _restart(search, shim={**switches, "fail_errno": errno.ENOSPC})
    search.allowed |= AWAY


FAULTS: dict[str, Callable[[Search], None]] = {
    "A enqueue": enqueue,
    "B kill at a write": kill_at_a_write,
    "C kill a worker": kill_a_worker,
    "C kill the workers' server": kill_the_server,
    "C kill the coordinator": kill_the_coordinator,
    "C kill all": kill_all,
    "D MLflow away": no_mlflow,
    "E broken text": enqueue_broken_text,
    "F Optuna locked": lock_database,
    "F MLflow locked": lock_mlflow,
    "G torn log": tear_a_log,
    "I worker frozen": freeze_a_worker,
    "I coordinator frozen": freeze_the_coordinator,
    "J second coordinator": second_coordinator,
    "J connections dropped": drop_connections,
    "K Ctrl-C": interrupt,
    "K SIGTERM": terminate,
    "K SIGHUP": hang_up,
    "K stdout closed": close_stdout,
    "K stdout full": full_stdout,
    "disk full": full_disk,
}


def _restart(search: Search, *flags: str, shim: dict[str, int] | None = None, stdout: str = "") -> None:
    """Kill the present processes and type the command again."""
    if search.process is not None:
        kill_all(search)
        search.ended()
    search.start(*flags, shim=shim, stdout=stdout)


def _stop(search: Search, number: signal.Signals, *, to_all: bool) -> None:
    if search.process is None or search.process.poll() is not None:
        return
    while number == signal.SIGINT and not _listens(search.process.pid) and search.tick():
        pass  # in its first moment it is the interpreter alone, which answers Ctrl-C by a traceback
    search.signal(number, search.members() if to_all else search.members()[:1])
    search.allowed |= SAVED_BY[number] if search.has_spoken else {*SAVED_BY[number], -number}
    search.idle = 0.0


def _listens(pid: int) -> bool:
    """Tell whether a process handles SIGTERM, as ours does from its first line on."""
    try:
        caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return True  # it has ended
    return bool(caught and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def _freeze(search: Search, pids: list[int]) -> None:
    search.signal(signal.SIGSTOP, pids)
    search.is_frozen = True
    until = time.monotonic() + search.chance.uniform(1, 6)
    while time.monotonic() < until and search.tick():
        pass
    search.signal(signal.SIGCONT, pids)
    search.is_frozen = False


def _hold(url: str, seconds: float) -> None:
    """Lock a database for some seconds; one that is not there is left alone."""
    if url.startswith("sqlite"):
        with suppress(sqlite3.Error):
            connection = sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=rw", uri=True, timeout=5)
            with suppress(sqlite3.Error):
                connection.execute("BEGIN EXCLUSIVE")
                time.sleep(seconds)
            connection.close()
        return
    with suppress(Exception), opened(url) as database, database.engine.begin() as connection:
        connection.execute(sqlalchemy.text("LOCK TABLE trials IN ACCESS EXCLUSIVE MODE"))
        time.sleep(seconds)
