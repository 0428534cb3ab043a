"""Files that a kill, a power cut or a full disk leave whole: written beside, seen on disk, put in place by a rename."""

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
ROOM = 4 << 20  # bytes that a first trial and the databases need


def replace(path: Path, parts: Iterable[bytes | memoryview], fix: str = HOME_FIX) -> None:
    """Replace a file by the parts, one after the other; whatever happens, it is the old one or the new one.

    Args:
        path: in a folder that is there.
        parts: of the new content.
        fix: what to do where the place cannot be written.

    Raises:
        PlaceError: the disk is full or the place cannot be written; the old file is as it was.

    """
    making = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(making, parts)
        making.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error, fix) from error
    finally:  # Ctrl-C too
        with suppress(OSError):
            making.unlink(missing_ok=True)


def write(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a new file and see it on disk. Raises OSError."""
    with path.open("wb") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """See a folder's names on disk. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cannot_write(path: Path, error: OSError, fix: str = HOME_FIX) -> PlaceError:
    """Say why a place cannot be written, and what to do."""
    if error.errno == errno.ENOSPC:
        return PlaceError("the disk is full", where=str(path), fix="Free some space and run the same command again.")
    return PlaceError(f"cannot be written: {error.strerror or error}", where=str(path), fix=fix)


def require_room(home: Path) -> None:
    """See that the folder of all results can be made and written; what was made to see it is gone again.

    Raises:
        PlaceError: it cannot, or the disk is full.

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
