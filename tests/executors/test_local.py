"""Worker processes: their devices, environment and output, and what ends them. The contract has the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import forkserver
from pathlib import Path

import pytest

from study.errors import DeviceError
from study.events import Died, Epoch, Failed, Finished, Started, Stopped, Stuck
from study.executors import Job, Resources, server
from study.executors.local import Local, make
from study.executors.server import cores
from study.record.journal import TrialFolder
from study.study_files import load

FILE = Path(__file__).with_name("work.py")
WORK = load(str(FILE))


def job(number, **recipe):
    folder = TrialFolder(Path(str(number)).absolute())
    folder.path.mkdir(exist_ok=True)
    return Job.of(WORK, number, WORK.recipe_for(recipe).model_dump(mode="json"), folder)


@pytest.fixture
def local():
    """A function that makes an executor; all are closed in the end."""
    made = []

    def new(slots, *devices):
        made.append(Local(slots, devices or ("cpu",)))
        return made[-1]

    yield new
    for each in made:
        each.close()


def follow(executor, *numbers, at_epoch=lambda number, epoch: None):
    """Answer every epoch of the jobs until they have ended; events by job."""
    found = {number: [] for number in numbers}
    deadline = time.monotonic() + 60
    while any(not events or isinstance(events[-1], Started | Epoch) for events in found.values()):
        assert time.monotonic() < deadline
        for number, event in executor.events(0.5):
            found[number].append(event)
            if isinstance(event, Epoch):
                at_epoch(number, event)
                executor.answer(number, go_on=True)
    return found


def run(executor, job, **how):
    executor.submit(job)
    return follow(executor, job.number, **how)[job.number]


def devices_of(executor, *numbers):
    for number in numbers:
        executor.submit(job(number))
    found = follow(executor, *numbers)
    return [found[number][0].device for number in numbers]


def is_running(pid):
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_slots_take_the_devices_in_turn(local):
    assert devices_of(local(3, "cuda:0", "cuda:1"), 0, 1, 2) == ["cuda:0", "cuda:1", "cuda:0"]


def test_the_successor_of_a_dead_worker_gets_its_device(local):
    executor = local(2, "cuda:0", "cuda:1")
    executor.submit(job(0, fault="kills", at=1))
    executor.submit(job(1))
    found = follow(executor, 0, 1)
    assert isinstance(found[0][-1], Died)
    assert isinstance(found[1][-1], Finished)  # the other job does not notice
    assert devices_of(executor, 2, 3) == ["cuda:1", "cuda:0"]  # the worker that lived is idle, and comes first


def test_a_worker_runs_many_jobs(local):
    executor = local(1)
    pids = {run(executor, job(number))[1].metrics["pid"] for number in range(3)}
    assert len(pids) == 1
    assert os.getpid() not in pids


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_workers_and_their_server_leave_signals_to_the_coordinator(local, number):
    def everyone(_, epoch):
        os.kill(int(epoch.metrics["pid"]), number)
        os.kill(forkserver._forkserver._forkserver_pid, number)

    executor = local(1)
    server.stop()
    server.start()
    os.kill(forkserver._forkserver._forkserver_pid, number)  # as it starts
    before = forkserver._forkserver._forkserver_pid
    assert isinstance(run(executor, job(0), at_epoch=everyone)[-1], Finished)
    assert forkserver._forkserver._forkserver_pid == before


def ends(pid):
    """Whether a process ends."""
    deadline = time.monotonic() + 20
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(pid)


def test_a_training_may_have_processes_of_its_own(local):
    assert isinstance(run(local(1), job(0, fault="loads"))[-1], Finished)


@pytest.mark.parametrize("how", ["close", "kill the worker", "kill the job"])
def test_what_a_training_has_started_ends_with_its_worker(local, how):
    executor = local(1)
    worker = int(run(executor, job(0, fault="forks"))[1].metrics["pid"])
    child = int(Path("child").read_text())
    assert is_running(child)
    if how == "close":
        executor.close()
    elif how == "kill the worker":
        os.kill(worker, signal.SIGKILL)
        executor.events(20)
    else:
        executor.submit(job(1, fault="hangs", at=1))
        assert isinstance(executor.events(20)[0][1], Started)
        executor.kill(1)
        assert isinstance(executor.events(20)[0][1], Died)
    assert ends(child)
    assert ends(worker)


def test_a_worker_that_dies_after_its_server_was_killed_is_no_fault_of_its_training(local):
    executor = local(1)

    def kill(_, epoch):
        os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)
        os.kill(int(epoch.metrics["pid"]), signal.SIGKILL)

    died = run(executor, job(0), at_epoch=kill)[-1]
    assert (type(died), died.is_own) == (Died, False)
    assert isinstance(run(executor, job(0))[-1], Finished)


def test_a_server_that_is_killed_while_a_worker_starts_is_started_again(local):
    executor = local(1)
    server.stop()
    server.start()
    killer = threading.Timer(0.3, os.kill, (forkserver._forkserver._forkserver_pid, signal.SIGKILL))  # it loads torch
    killer.start()
    assert isinstance(run(executor, job(0))[-1], Finished)


@pytest.mark.parametrize("fault", ["device", "accelerator", "wrapped"])
def test_a_worker_whose_device_failed_is_replaced(local, fault):
    executor = local(1)
    failed = run(executor, job(0, fault=fault))
    after = run(executor, job(1))
    assert isinstance(failed[-1], Died)
    assert failed[-1].reason.startswith("the device failed: ")
    assert isinstance(after[-1], Finished)
    assert after[1].metrics["pid"] != failed[1].metrics["pid"]
    assert "Traceback" in Path("0/output.log").read_text()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("quits", "the training called sys.exit('bad data')"),
        ("memory", "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB"),
        ("interrupt", "KeyboardInterrupt: raised by the training"),
        ("cancelled", "CancelledError: late"),
    ],
)
def test_whatever_a_training_raises_fails_it_once_and_leaves_its_worker_to_the_next(local, fault, reason):
    executor = local(1)
    failed = run(executor, job(0, fault=fault))
    assert isinstance(failed[-1], Failed)
    assert failed[-1].reason == reason
    assert run(executor, job(1))[1].metrics["pid"] == failed[1].metrics["pid"]


def test_the_caller_still_sees_ctrl_c(local):
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell starts what is in the background without
    try:
        run(local(1), job(0))
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_workers_have_the_environment_that_the_caller_has_when_a_job_needs_them(local, monkeypatch):
    executor = local(1)
    run(executor, job(0))  # the server that workers are forked from runs by now
    executor.close()
    monkeypatch.setenv("WORK_VARIABLE", "7")
    assert run(executor, job(1, variable="WORK_VARIABLE"))[1].metrics["variable"] == 7


def test_what_a_training_prints_is_in_its_folder_and_a_silent_one_leaves_no_file(local, capfd):
    executor = local(1)
    run(executor, job(0, fault="prints"))
    run(executor, job(1))
    assert Path("0/output.log").read_text() == "printed\n"
    assert not Path("1/output.log").exists()
    assert capfd.readouterr() == ("", "")


def test_an_output_that_cannot_be_written_is_said_and_leaves_the_worker_to_the_next(local):
    executor = local(1)
    Path("0/output.log").mkdir(parents=True)
    (stuck,) = run(executor, job(0))
    assert isinstance(stuck, Stuck)
    assert "0/output.log: cannot be written: Is a directory" in str(stuck.error)
    assert isinstance(run(executor, job(1))[-1], Finished)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("kills", "the worker was ended by SIGKILL (out of memory?)"),
        ("exits", "the worker ended with exit code 3"),
    ],
)
def test_how_a_worker_died_is_said(local, fault, reason):
    assert run(local(1), job(0, fault=fault))[-1] == Died(reason)


def test_a_job_that_is_stopped_or_fails_leaves_its_worker_to_the_next(local):
    executor = local(1)
    failed = run(executor, job(0, fault="raises"))
    executor.submit(job(1))
    stopped = []
    while not stopped or not isinstance(stopped[-1], Stopped):
        for number, event in executor.events(1):
            stopped.append(event)
            if isinstance(event, Epoch):
                executor.answer(number, go_on=False)
    last = run(executor, job(2))
    assert isinstance(failed[-1], Failed)
    assert failed[1].metrics["pid"] == stopped[1].metrics["pid"] == last[1].metrics["pid"]


def test_a_server_that_was_killed_is_started_again(local):
    executor = local(1)
    run(executor, job(0))
    executor.close()
    server = forkserver._forkserver._forkserver_pid
    os.kill(server, signal.SIGKILL)
    os.waitid(os.P_PID, server, os.WEXITED | os.WNOWAIT)
    assert isinstance(run(executor, job(1))[-1], Finished)


CALLER = f"""
import sys
from study.executors.local import Local
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_local
executor = Local(2, ["cpu"])
for number in (0, 1):
    executor.submit(test_local.job(number, seconds=0.2, epochs=10_000))
seen = set()
while True:
    for number, event in executor.events(1):
        if isinstance(event, test_local.Epoch):
            executor.answer(number, go_on=True)
            if number not in seen:
                print(int(event.metrics["pid"]), flush=True)
            seen.add(number)
"""


def test_workers_end_when_the_process_that_they_work_for_is_killed():
    with subprocess.Popen([sys.executable, "-c", CALLER], stdout=subprocess.PIPE, text=True) as caller:
        pids = [int(caller.stdout.readline()) for _ in range(2)]
        assert all(map(is_running, pids))
        caller.kill()
    deadline = time.monotonic() + 20
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_by_default_there_is_a_worker_a_core():
    executor = make(Resources("cpu"))
    executor.close()
    assert executor.slots == cores() >= 1


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(DeviceError, match="no device 'cuda:77' on this machine"):
        make(Resources("cuda:77"))
