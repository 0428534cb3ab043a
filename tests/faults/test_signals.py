"""What ends a program from outside: signals to one process or to all, streams that nobody reads or that are full."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from study.record.journal import Journal
from tests.conftest import WITHOUT_MLFLOW
from tests.faults.running import members

SMALL = Path(__file__).with_name("small.py")


@pytest.fixture(autouse=True)
def tables(database):
    """MLflow's tables, which take seconds to make, in the home."""
    Path("mlruns").mkdir()
    shutil.copy(database, "mlruns/mlflow.db")


def start(*arguments, stdout=subprocess.PIPE, track=False, shell='exec "$@"'):
    command = [sys.executable, "-m", "study"] if track else WITHOUT_MLFLOW
    command = [*command, "run", str(SMALL), "--device", "cpu"]
    command += [] if "inline" in arguments else ["--workers", "2"]
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGHUP)}
    for each in before:  # a shell or `nohup` may have switched it off for the tests
        signal.signal(each, signal.default_int_handler)
    try:
        return subprocess.Popen(
            ["sh", "-c", shell, "sh", *command, *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def logs(name="small"):
    return Journal(Path(f"mlruns/studies/{name}").absolute()).trials()


def records(kind):
    return [each for folder in logs() for each in folder.records() if each["kind"] == kind]


def wait_for(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


def send(process, number, *, to_all):
    for pid in members(process.pid) if to_all else [process.pid]:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def ended(process):
    """Wait for the end; gives the exit code and what was said."""
    out, err = process.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while members(process.pid):
        assert time.monotonic() < deadline, "processes are left"
        time.sleep(0.05)
    assert "bug" not in err + (out or "")
    assert "Traceback" not in err
    return process.returncode, err


@pytest.mark.slow
@pytest.mark.parametrize(  # each signal, both ways; SIGTERM to all is sent below
    ("number", "to_all"),
    [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGHUP, True)],
    ids=["INT to all", "INT", "TERM", "HUP to all"],
)
def test_a_signal_while_trials_train_saves_them_and_uses_no_retry(number, to_all):
    process = start("--trials", "2", "--epochs", "40", "--set", "seconds=0.1", track=True)
    wait_for(lambda: len(records("epoch")) >= 6, process)
    send(process, number, to_all=to_all)
    code, said = ended(process)
    assert code == 128 + number
    assert said.splitlines()[-1].endswith("everything saved. The same command continues.")
    assert records("died") == []
    saved = len(records("epoch"))
    with start("--trials", "2", "--epochs", "40", "--set", "seconds=0.1") as again:
        assert ended(again)[0] == 0
    assert len(records("epoch")) == 80 > saved
    assert [folder.history().ended.state for folder in logs()] == ["complete"] * 2


@pytest.mark.slow
@pytest.mark.parametrize(  # each signal, and each number of processes
    ("number", "present"), [(signal.SIGINT, 2), (signal.SIGINT, 3), (signal.SIGTERM, 2), (signal.SIGHUP, 3)]
)
def test_a_signal_to_all_while_workers_start_ends_them(number, present):
    process = start("--trials", "2", "--epochs", "40")
    wait_for(lambda: len(members(process.pid)) >= present, process)
    send(process, number, to_all=True)
    assert ended(process)[0] in {128 + number, -number}  # shells show both as the same


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "executor"), [(signal.SIGTERM, "local"), (signal.SIGHUP, "local"), (signal.SIGTERM, "inline")]
)
def test_what_kills_soon_does_not_wait_for_a_long_epoch(number, executor):
    process = start("--trials", "2", "--set", "seconds=3600", "--executor", executor)
    wait_for(lambda: len(records("started")) == (2 if executor == "local" else 1), process)
    send(process, number, to_all=True)
    code, said = ended(process)
    assert code == 128 + number
    assert said.splitlines()[-1].endswith("the same command continues." if executor == "inline" else "continues.")
    assert records("died") == []


@pytest.mark.slow
def test_an_mlflow_that_never_answers_does_not_keep_a_search_that_was_told_to_end():
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = start("--trials", "2", "--epochs", "400", "--set", "seconds=0.1", "--tracking-uri", uri, track=True)
        wait_for(lambda: len(records("epoch")) >= 6, process)
        send(process, signal.SIGTERM, to_all=False)
        code, said = ended(process)
    assert code == 143
    assert "`study sync small` sends the rest" in said
    assert said.splitlines()[-1].endswith("everything saved. The same command continues.")


@pytest.mark.slow
def test_nohup_is_respected():
    process = start("--trials", "2", shell='trap "" HUP; exec "$@"')
    wait_for(lambda: records("started"), process)
    send(process, signal.SIGHUP, to_all=True)
    assert ended(process)[0] == 0


QUICK = ("--trials", "3", "--executor", "inline")


@pytest.mark.slow
@pytest.mark.parametrize(  # each stream; what trains in this process has closed nothing else
    ("handle", "executor"), [(0, "local"), (1, "local"), (2, "local"), (1, "inline")]
)
def test_a_search_whose_streams_are_closed_from_the_start_ends_well(handle, executor):
    process = start("--trials", "3", "--executor", executor, track=executor == "local", shell=f'exec "$@" {handle}>&-')
    assert ended(process)[0] == 0
    assert [folder.history().ended.state for folder in logs()] == ["complete"] * 3


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_full_stdout_is_one_line_that_says_where_the_results_are(more):
    with Path("/dev/full").open("w") as full:
        code, said = ended(start(*QUICK, *more, stdout=full))
    assert code == 2
    line = "error: stdout: cannot be written: No space left on device. All results are saved; `study show` prints them."
    assert said.splitlines()[-1] == line
    assert [folder.history().ended.state for folder in logs()][:1] == ["complete"]


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_reader_that_has_gone_ends_a_search_as_it_ends_any_program(more):
    process = start(*QUICK, *more)
    process.stdout.close()
    process.stdout = None
    assert ended(process)[0] == 141


@pytest.mark.slow
def test_a_terminal_that_has_gone_ends_no_search():
    process = start(*QUICK, "-v")
    process.stderr.close()
    process.stderr = None
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.startswith("small: 3 finished")
