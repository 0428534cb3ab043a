"""Persistent processes on this machine: forked from a server that has torch loaded, one job each at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import types
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from study.events import Died, Epoch, Event, Started
from study.executors import worker

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from multiprocessing.context import ForkServerProcess

    from study.executors import Job


@dataclass(slots=True, eq=False)
class _Worker:
    process: ForkServerProcess
    connection: Connection
    device: str
    job: int | None = None


class Local:
    """`slots` worker processes, spread over the devices in turn."""

    def __init__(self, slots: int, devices: Sequence[str]) -> None:
        """Start loading torch in the server at once; workers are forked from it when jobs come."""
        self.slots = slots
        self._devices = [devices[slot % len(devices)] for slot in range(slots)]
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["study.executors.preload"])
        with _interrupts_held():
            forkserver.ensure_running()

    def submit(self, job: Job) -> None:
        """Give the job to an idle worker, a new one if need be."""
        idle = next((each for each in self._workers if each.job is None), None) or self._fork()
        idle.job = job.number
        _send(idle, job)

    def events(self, timeout: float) -> Sequence[tuple[int, Event]]:
        """Wait for what workers tell, or for one to die."""
        by_handle = {each.connection: each for each in self._workers}
        found: list[tuple[int, Event]] = []
        for handle in wait(list(by_handle), timeout):
            each = by_handle[handle]  # pyright: ignore[reportArgumentType]
            number = each.job
            event = self._receive(each)
            if number is not None:
                found.append((number, event))
        return found

    def answer(self, number: int, *, go_on: bool) -> None:
        """Pass the answer to the worker."""
        for each in self._workers:
            if each.job == number:
                _send(each, go_on)

    def close(self) -> None:
        """Kill all workers: their checkpoints are whole at every moment."""
        for each in self._workers:
            each.process.kill()
        for each in self._workers:
            each.process.join()
            each.connection.close()
        self._workers.clear()

    def _fork(self) -> _Worker:
        taken = Counter(each.device for each in self._workers)
        device = next(each for each in self._devices if taken[each] < self._devices.count(each))
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=worker.main, args=(theirs, dict(os.environ), device), daemon=True)
        with _interrupts_held():
            forkserver.ensure_running()  # again, should it have died
        with _no_main_module():
            process.start()  # waits for a server that still loads; Ctrl-C is heard
        theirs.close()
        made = _Worker(process, ours, device)
        self._workers.append(made)
        return made

    def _receive(self, each: _Worker) -> Event:
        try:
            event: Event = each.connection.recv()
        except (EOFError, ConnectionResetError):
            each.process.join()
            each.connection.close()
            self._workers.remove(each)
            return Died(_cause(each.process.exitcode))
        if not isinstance(event, Started | Epoch):
            each.job = None
        return event


def _send(each: _Worker, message: object) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it has died; `events` will find it and say so
        each.connection.send(message)


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"the worker was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"the worker ended with exit code {code}"


@contextmanager
def _interrupts_held() -> Generator[None]:
    """Start processes that never see Ctrl-C, which a terminal sends to all: the coordinator decides what it means."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # its start would unblock the signal again
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def _no_main_module() -> Generator[None]:
    """Keep a child from running the caller's script again: all that it needs is named by import paths."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
