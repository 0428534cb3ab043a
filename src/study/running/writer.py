"""Writes what a round of the loop has, in a process of its own: the loop takes the next events while a disk flushes.

Threads would not do: each of their steps waits for the interpreter, which the loop needs at a thousand slots. The
process ends with the coordinator, at once if that is killed, so that nobody else finds a file that still changes.
"""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.processes import started_apart
from study.record import atomic_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from study.record.journal import Journal

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl


class Writer:
    """The process, which starts when it has something to write."""

    def __init__(self, journal: Journal) -> None:
        """Start nothing yet.

        Args:
            journal: the study's folders.

        """
        self._journal = journal
        self._ours: Connection | None = None

    def begin(self, new: Sequence[tuple[int, str, Mapping[str, Any]]], lines: Mapping[Path, bytes]) -> None:
        """Begin to write, as `write` does; `finish` waits for it, before anything else is begun."""
        if self._ours is None:
            self._ours, self._process = started_apart(main, self._journal, os.getpid(), name="writer")
        with suppress(BrokenPipeError, ConnectionResetError):  # `finish` says it
            self._ours.send((new, lines))

    def finish(self) -> None:
        """Wait until everything is on disk.

        Raises:
            PlaceError: as `write`.
            StudyError: the process has been ended.

        """
        assert self._ours is not None
        try:
            error = self._ours.recv()
        except (EOFError, ConnectionResetError):
            what = "the process that writes its results has been ended"
            raise StudyError(what, where=self._journal.folder.name, fix="The same command continues.") from None
        if error is not None:
            raise error

    def close(self) -> None:
        """End the process, once it has written what it was given."""
        if self._ours is not None:
            self._ours.close()
            self._process.join()
            self._ours = None


def write(journal: Journal, new: Sequence[tuple[int, str, Mapping[str, Any]]], lines: Mapping[Path, bytes]) -> None:
    """Make folders of trials and append lines to logs, and flush them to disk.

    Raises:
        PlaceError: the disk is full or not writable.

    """
    if new:
        journal.create_all(new)
    if lines:
        atomic_files.append_all(lines)


def main(connection: Connection, journal: Journal, parent: int) -> None:
    """Write what comes until nothing more comes; the process's main function."""
    with suppress(AttributeError, OSError):  # no Linux: it ends with the connection
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    while os.getppid() == parent:
        try:
            new, lines = connection.recv()
        except (EOFError, OSError):
            break
        try:
            write(journal, new, lines)
        except StudyError as error:
            connection.send(error)
        else:
            connection.send(None)
    os._exit(0)
