"""MLflow in a process of its own: a search never loads it, and shares no interpreter with what sends and draws.

The process starts when the first trial has a folder. It ends with the search, at once if that is killed: what it has
not sent then, the next one sends, by the cursor.
"""

from __future__ import annotations

import gc
import logging
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from study import scratch
from study.background import waits
from study.processes import started_apart
from study.record.journal import Journal
from study.tracking import mirror

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    Connect = Callable[[], mirror.Client]

GRACE = 2.0  # seconds that the process has for its answer after its time is up
BEHIND_TRAINING = 10  # niceness: workers get the processor first


class Apart:
    """Keeps MLflow equal to a study's folders, from another process; a `study.background.Copy`."""

    def __init__(self, journal: Journal, connect: Connect, server: str, warn: Callable[[str], None]) -> None:
        """Start nothing yet.

        Args:
            journal: the study's folders.
            connect: connects to MLflow, in the process.
            server: MLflow's name in the cursor.
            warn: called once, from `wake` or `close`, with a line that says why MLflow cannot be updated.

        """
        self._journal, self._connect, self._server, self._warn = journal, connect, server, warn
        self._ours: Connection | None = None
        self._place: Path | None = None

    def wake(self) -> None:
        """Say that the folders have changed; the first trial starts the process. Returns at once."""
        if self._ours is None and self._journal.trials():
            self._start()
        if self._ours is not None:
            self._send("wake")
            while self._hear(0):
                pass

    def close(self, timeout: float, stop: threading.Event) -> int:
        """Send what is left; return the number of trials not sent completely. As `study.background.Copy`."""
        self.wake()
        if self._ours is not None:
            self._send(timeout)
            for seconds in waits(timeout + min(GRACE, timeout), stop):
                if self._ours.poll(seconds) and not self._hear(0):
                    break
            self._process.kill()
            self._process.join()
            if self._place is not None:
                scratch.remove(self._place)
            self._ours.close()
            self._ours = None
        return mirror.pending(self._journal, self._server)

    def _start(self) -> None:
        self._place = None
        with suppress(OSError):  # a full disk; MLflow says so itself
            self._place = scratch.folder("mlflow")  # a killed MLflow leaves folders there
        level = logging.getLogger().level
        about = (self._journal.folder, self._connect, self._server, level, self._place)
        self._ours, self._process = started_apart(main, *about, name="MLflow")

    def _send(self, message: object) -> None:
        assert self._ours is not None
        with suppress(BrokenPipeError, ConnectionResetError):  # it has died: what it did not send, `study sync` does
            self._ours.send(message)

    def _hear(self, timeout: float) -> bool:
        """Take one thing that the process says; returns whether there was one and more may come."""
        assert self._ours is not None
        try:
            said: str | logging.LogRecord | None = self._ours.recv() if self._ours.poll(timeout) else None
        except (EOFError, ConnectionResetError):
            return False
        if isinstance(said, str):
            self._warn(said)
        elif said is not None:
            logging.getLogger(said.name).handle(said)
        return said is not None


def main(connection: Connection, folder: Path, connect: Connect, server: str, level: int, place: Path | None) -> None:
    """Mirror until told to end; the process's main function.

    Messages in: "wake", or the seconds that are left, once. Messages out: a line that warns; log records; None at the
    end.
    """
    gc.set_threshold(100 * gc.get_threshold()[0])  # a fifth of MLflow's time to load
    usual = os.nice(0)
    os.nice(BEHIND_TRAINING)
    os.dup2(2, 1)  # stdout is for data
    if place is not None:
        tempfile.tempdir = str(place)
    said = _Saying(connection)
    logging.getLogger().handlers[:] = [said]
    logging.getLogger().setLevel(level)
    logging.captureWarnings(capture=True)
    copy = mirror.Mirror(Journal(folder), server, connect, said.send)
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            os._exit(0)  # the search is gone
        if message == "wake":
            copy.wake()
        else:
            _no_longer_behind(usual)
            copy.close(message)
            said.send(None)
            os._exit(0)  # even where the thread still waits for a server


def _no_longer_behind(usual: int) -> None:
    """Take the processor as the search did: nothing trains any more, and somebody waits."""
    with suppress(OSError):  # no right to, or not Linux: then it stays behind
        for thread in Path("/proc/self/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), usual)


class _Saying(logging.Handler):
    """Sends lines and log records to the search, from any thread."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection, self._turn = connection, threading.Lock()

    def send(self, message: str | logging.LogRecord | None) -> None:
        with self._turn:
            try:
                self._connection.send(message)
            except OSError:
                os._exit(0)  # as above

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        self.send(record)
