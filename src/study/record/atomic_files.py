"""Atomic file writes: a temporary file, fsync, then a rename, so that a kill or a full disk leaves no partial file."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from study.errors import PlaceError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HOME_FIX = "Choose another --home."
ROOM = 4 << 20  # bytes, enough for a first trial and the databases


def replace(path: Path, parts: Iterable[bytes | memoryview], fix: str = HOME_FIX) -> None:
    """Replace a file atomically: afterwards it has either the old content or the whole new content.

    Args:
        path: of the file; its folder must exist.
        parts: of the new content, in order.
        fix: advice for the error message.

    Raises:
        PlaceError: the disk is full or the file cannot be written; the old file is unchanged.

    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary, parts)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error, fix) from error
    finally:  # Ctrl-C too
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a new file and flush it to disk. Raises OSError."""
    with path.open("wb") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cannot_write(path: Path, error: OSError, fix: str = HOME_FIX) -> PlaceError:
    """Make the error for a path that cannot be written."""
    if error.errno == errno.ENOSPC:
        return PlaceError("the disk is full", where=str(path), fix="Free some space and run the same command again.")
    return PlaceError(f"cannot be written: {error.strerror or error}", where=str(path), fix=fix)


def require_room(home: Path) -> None:
    """Check that the folder of all results can be made and has room; leave nothing behind.

    Raises:
        PlaceError: the folder cannot be made or written, or the disk is full.

    """
    made = [folder for folder in (home, *home.parents) if not folder.exists()]
    probe = home / f".room-{os.getpid()}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        write(probe, [b"\0" * ROOM])
    except OSError as error:
        raise cannot_write(home, error) from error
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
            for folder in made:
                folder.rmdir()
