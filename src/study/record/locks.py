"""File locks with a time limit and a message while waiting: a suspended process keeps its locks."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from typing import TYPE_CHECKING

from study.errors import PlaceError
from study.record import atomic_files

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SAY_AFTER = 3.0  # seconds of waiting before a message
LIMIT = 60.0  # seconds of waiting before giving up
log = logging.getLogger("study")


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold a lock file, after waiting until it is free. The system releases it if the process dies.

    Args:
        path: path of the file, which is created if missing and names the process that holds it.

    Raises:
        PlaceError: the file cannot be written, or the named process holds it for longer than `LIMIT`.

    """
    try:
        file = path.open("a+")
    except OSError as error:
        raise atomic_files.cannot_write(path.parent, error) from error
    with file:
        began, said = time.monotonic(), False
        while not _taken(file.fileno()):
            waited = time.monotonic() - began
            file.seek(0)
            holder = file.read(20).strip()
            who = f"process {holder}" if holder.isdecimal() else "another process"
            if waited > LIMIT:
                fix = f"See what it does; if it is suspended, `kill -CONT {holder or 'PID'}` lets it go on."
                raise PlaceError(f"{who} has held it for {waited:.0f} s", where=str(path), fix=fix)
            if waited > SAY_AFTER and not said:
                said = True
                log.warning("%s: waiting up to %.0f s for %s, which holds it", path, LIMIT, who)
            time.sleep(0.05)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
