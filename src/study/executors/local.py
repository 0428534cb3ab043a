"""The executor for this machine: persistent worker processes, forked from a server that has loaded torch."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.events import Died, Epoch, Event, Started
from study.executors import calls, server, worker
from study.processes import end, no_main_module

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.context import ForkServerProcess

    from study.executors import Job, Resources

STARTS = 5  # tries to fork a worker
UNKNOWN = 255  # multiprocessing's exit code of a process whose server ended before it could tell the true one
ENDING = 5.0  # seconds that the server's own end may take then: it has much memory to give back
PAUSE = 0.2  # seconds before the second try; n times as long before the nth after it


@dataclass(slots=True, eq=False)
class _Worker:
    process: ForkServerProcess
    connection: Connection
    pid: int
    device: str = ""  # before its first job
    job: int | None = None


class Local:
    """Runs each job in one of `slots` worker processes, which take the devices in turn."""

    def __init__(self, slots: int = 1, devices: Sequence[str] = ("cpu",)) -> None:
        """Start the server, which begins to load torch; a worker is forked from it when it is needed.

        Args:
            slots: as for `spread`.
            devices: as for `spread`.

        """
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("forkserver")
        self.spread(slots, devices)
        atexit.register(self.close)  # before multiprocessing's own end, which waits for workers
        server.start()

    def spread(self, slots: int, devices: Sequence[str]) -> None:
        """Say how many jobs run at a time and where; no job may have been submitted.

        Args:
            slots: jobs at a time, 1 or more.
            devices: names of devices, as torch names them, 1 or more.

        """
        self.slots = slots
        self._devices = [devices[slot % len(devices)] for slot in range(slots)]

    def call(self, function: str, *arguments: Any, report: Callable[[str, float | None], None] | None = None) -> Any:
        """Call a function in an idle worker: see `study.executors.Call`."""
        each = self._idle()
        _send(each, calls.Asked(function, arguments, reports=report is not None))
        return calls.result_of(iter(partial(self._receive, each), None), function, report)

    def submit(self, job: Job) -> None:
        """Give the job to an idle worker; fork one if there is none."""
        idle = self._idle()
        if not idle.device:
            free = list(self._devices)
            for each in self._workers:
                if each.device:
                    free.remove(each.device)
            idle.device = free[0]
        idle.job = job.number
        _send(idle, (job, idle.device))

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

    def kill(self, number: int) -> None:
        """Kill the job's worker; a kill at any moment leaves its checkpoint intact."""
        for each in self._workers:
            if each.job == number:
                end(each.pid)

    def close(self) -> None:
        """Kill all workers and their children."""
        for each in self._workers:
            end(each.pid)
        for each in list(self._workers):
            self._bury(each)
        atexit.unregister(self.close)

    def _idle(self) -> _Worker:
        return next((each for each in self._workers if each.job is None), None) or self._fork()

    def _fork(self) -> _Worker:
        """Fork a worker; a server that was killed meanwhile is started again."""
        for tried in range(1, STARTS):
            with suppress(EOFError, OSError):
                return self._try_fork()
            time.sleep(PAUSE * tried)  # until the killed one has ended
        try:
            return self._try_fork()
        except (EOFError, OSError) as error:
            what = f"no worker can be started, in {STARTS} tries: {error or type(error).__name__}"
            raise StudyError(what, fix="Is there enough memory, and room for more processes?") from error

    def _try_fork(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=worker.main, args=(theirs, dict(os.environ)), daemon=True)
        with ExitStack() as undo, closing(theirs):
            undo.callback(ours.close)
            server.start()  # in case it has died
            with no_main_module():
                process.start()  # waits while the server still loads; Ctrl-C works meanwhile
            undo.pop_all()
        assert process.pid is not None
        made = _Worker(process, ours, process.pid)
        self._workers.append(made)
        return made

    def _receive(self, each: _Worker) -> Any:
        try:
            event: Any = each.connection.recv()
        except (EOFError, OSError):
            return self._bury(each)
        if isinstance(event, Died):  # it says so itself, and ends
            self._bury(each)
        elif not isinstance(event, Started | Epoch):
            each.job = None
        return event

    def _bury(self, each: _Worker) -> Died:
        """Remove a worker that ends, with its children, and say what it died of."""
        end(each.pid)
        each.process.join()
        each.connection.close()
        self._workers.remove(each)
        if server.has_been_killed(ENDING if each.process.exitcode == UNKNOWN else 0.0):
            return Died("the worker ended after the server that had forked it was killed", is_own=False)
        return Died(_cause(each.process.exitcode))


def _send(each: _Worker, message: object) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it has died; `events` reports that
        each.connection.send(message)


def make(resources: Resources) -> Local:
    """Make the executor: by default one worker a core, or one a GPU.

    Raises:
        DeviceError: this machine has no such device.

    """
    with ExitStack() as undo:
        made = undo.enter_context(closing(Local()))
        devices = made.call("study.engine.device:usable", resources.device)
        made.spread(resources.workers or (server.cores() if devices == ["cpu"] else len(devices)), devices)
        undo.pop_all()
    return made


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"the worker was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"the worker ended with exit code {code}"
