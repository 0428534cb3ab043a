"""The executor for this machine: persistent worker processes, forked from a server that has loaded torch."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import types
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

    from study.executors import Job, Resources


@dataclass(slots=True, eq=False)
class _Worker:
    process: ForkServerProcess
    connection: Connection
    device: str
    job: int | None = None


class Local:
    """Runs each job in one of `slots` worker processes, which take the devices in turn."""

    def __init__(self, slots: int, devices: Sequence[str]) -> None:
        """Start the server, which begins to load torch; a worker is forked from it when a job needs one.

        Args:
            slots: jobs at a time, 1 or more.
            devices: names of devices, as torch names them, 1 or more.

        """
        self.slots = slots
        self._devices = [devices[slot % len(devices)] for slot in range(slots)]
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["study.executors.preload"])
        with _interrupts_held():
            forkserver.ensure_running()

    def submit(self, job: Job) -> None:
        """Give the job to an idle worker; fork one if there is none."""
        idle = next((each for each in self._workers if each.job is None), None) or self._fork()
        idle.job = job.number
        _send(idle, job)

    def events(self, timeout: float) -> Sequence[tuple[int, Event]]:
        """Wait for a worker to send an event or to die."""
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
        """Kill all workers; a kill at any moment leaves their checkpoints intact."""
        for each in self._workers:
            each.process.kill()
        for each in self._workers:
            each.process.join()
            each.connection.close()
        self._workers.clear()

    def _fork(self) -> _Worker:
        free = list(self._devices)
        for each in self._workers:
            free.remove(each.device)
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=worker.main, args=(theirs, dict(os.environ), free[0]), daemon=True)
        with _interrupts_held():
            forkserver.ensure_running()  # in case it has died
        with _no_main_module():
            process.start()  # waits while the server still loads; Ctrl-C works meanwhile
        theirs.close()
        made = _Worker(process, ours, free[0])
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
    with suppress(BrokenPipeError, ConnectionResetError):  # it has died; `events` reports that
        each.connection.send(message)


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def make(resources: Resources) -> Local:
    """Make the executor: by default one worker a core, or one a GPU.

    Raises:
        DeviceError: this machine has no such device.

    """
    from study.engine.device import pick  # noqa: PLC0415 - torch

    device = pick(resources.device)
    devices = _same_kind(device) if resources.device in {"auto", "cuda"} else [device]
    return Local(resources.workers or (cores() if device == "cpu" else len(devices)), devices)


def _same_kind(device: str) -> list[str]:
    """List this machine's devices of a device's kind."""
    from study.engine.device import devices  # noqa: PLC0415 - torch

    kind = device.removesuffix(":0")
    return [each for each in devices() if each.startswith(kind)]


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"the worker was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"the worker ended with exit code {code}"


@contextmanager
def _interrupts_held() -> Generator[None]:
    """Start processes that ignore Ctrl-C: a terminal sends it to all of them, and the coordinator handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # its start unblocks the signal
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def _no_main_module() -> Generator[None]:
    """Keep a child from running the caller's script again; import paths name all that it needs."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
