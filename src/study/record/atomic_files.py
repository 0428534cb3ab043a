"""Writes that are complete or undone after a kill, a full disk or a power cut; tests/faults/test_cuts.py tests this.

POSIX keeps a file's content once fsync has flushed it, and its name once its folder has been flushed, too.
"""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

from study.errors import PlaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

OPEN = 200  # files that are open at the same time
THREADS = 32  # that wait for the disk at the same time
FEW = 8  # files that have a thread each
Item = TypeVar("Item")
HOME_FIX = "Choose another --home."
ROOM = 4 << 20  # bytes, enough for a first trial and the databases


def replace(
    path: Path, parts: Iterable[bytes | memoryview], fix: str = HOME_FIX, *, before: Path | None = None
) -> None:
    """Replace a file atomically: afterwards it has either the old content or the whole new content.

    Args:
        path: path of the file; its folder must exist.
        parts: parts of the new content, in order.
        fix: advice for the error message.
        before: path to keep the old file at; None to discard it.

    Raises:
        PlaceError: the disk is full or the file cannot be written; the old file is unchanged.

    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary, parts)
        if before is not None and path.exists():
            path.replace(before)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error, fix) from error
    finally:  # Ctrl-C too
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def before(path: Path) -> Path:
    """Return the path at which the previous version of a file is kept."""
    return path.with_name(f"{path.name}.before")


def append(path: Path, line: bytes) -> None:
    """Append to a file, creating it if needed, and flush it to disk.

    Raises:
        PlaceError: the disk is full or the file cannot be written; it is unchanged.

    """
    _append_some({path: line})


def append_all(lines: Mapping[Path, bytes]) -> None:
    """Append to files, creating them if needed, and flush them to disk at the same time.

    Raises:
        PlaceError: the disk is full or a file cannot be written; each file has the whole of its lines or none of them.

    """
    paths = list(lines)
    for first in range(0, len(paths), OPEN):
        _append_some({path: lines[path] for path in paths[first : first + OPEN]})


def _append_some(lines: Mapping[Path, bytes]) -> None:
    opened: list[tuple[int, int, Path]] = []
    path = next(iter(lines))
    try:
        try:
            for path, line in lines.items():
                handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
                opened.append((handle, os.fstat(handle).st_size, path))
                left = line
                while left:
                    left = left[os.write(handle, left) :]
            at_once(_flush, opened)
        except OSError:
            for handle, before, _ in opened:
                os.ftruncate(handle, before)
            raise
        finally:
            for handle, *_ in opened:
                os.close(handle)
    except OSError as error:
        raise cannot_write(path, error) from error


def _flush(opened: tuple[int, int, Path]) -> None:
    handle, before, path = opened
    os.fsync(handle)
    if not before:
        sync_folder(path.parent)


def at_once(do: Callable[[Item], None], items: Sequence[Item]) -> None:
    """Call a function that waits for the disk for each item, in threads if there are several: a disk groups flushes.

    Raises the first OSError, after all calls have ended.
    """
    if len(items) == 1:
        do(items[0])
        return
    count = min(THREADS, len(items), max(FEW, len(items) // 4))  # waking a thread takes as long as a flush may
    parts = [items[first::count] for first in range(count)]
    errors = [error for found in _threads(os.getpid()).map(partial(_caught, do), parts) for error in found]
    if errors:
        raise errors[0]


def _caught(do: Callable[[Item], None], items: Sequence[Item]) -> list[OSError]:
    errors: list[OSError] = []
    for item in items:
        try:
            do(item)
        except OSError as error:
            errors.append(error)
    return errors


@cache
def _threads(_process: int) -> ThreadPoolExecutor:
    """Make the threads of a process, which a fork does not have."""
    return ThreadPoolExecutor(THREADS)


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


def make_folder(folder: Path, top: Path) -> None:
    """Create a folder and its parents, and flush their names to disk from `top` down.

    Raises:
        PlaceError: the disk is full or a folder cannot be created.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in (folder, *folder.parents):
            sync_folder(each.parent)
            if each == top:
                return
    except OSError as error:
        raise cannot_write(folder, error) from error


def sweep(folder: Path, start: str = ".") -> None:
    """Delete the temporary files of killed processes whose names start so. Raises OSError.

    Call this only if no process on another machine writes to the folder at the same time.
    """
    for left in folder.glob(".*"):
        process = left.suffix.removeprefix(".")
        if left.name.startswith(start) and process.isdecimal() and not is_alive(int(process)):
            left.unlink(missing_ok=True)


def is_alive(process: int) -> bool:
    """Tell whether a process of this machine is running."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's process
    return True


def is_full(error: OSError) -> bool:
    """Tell whether the disk or the user's quota is full."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def cannot_write(path: Path, error: OSError, fix: str = HOME_FIX) -> PlaceError:
    """Create the error for a path that cannot be written."""
    if is_full(error):
        return PlaceError("the disk is full", where=str(path), fix="Free some space and run the same command again.")
    return PlaceError(f"cannot be written: {error.strerror or error}", where=str(path), fix=fix)


def cannot_use(error: OSError) -> PlaceError:
    """Create the error for a place that cannot be used, such as a folder that its owner keeps to himself."""
    fix = "Choose another place, or have its owner let you in." if isinstance(error, PermissionError) else ""
    return PlaceError(f"cannot be used: {error.strerror or error}", where=str(error.filename or ""), fix=fix)


def require_room(home: Path) -> None:
    """Check that the folder of all results can be created and has room; leave nothing behind.

    Raises:
        PlaceError: the folder cannot be created or written, or the disk is full.

    """
    made: list[Path] = []
    probe = home / f".room.{os.getpid()}"
    try:
        made += [folder for folder in (home, *home.parents) if not folder.exists()]
        home.mkdir(parents=True, exist_ok=True)
        sweep(home)
        write(probe, [b"\0" * ROOM])
    except OSError as error:
        raise cannot_write(home, error) from error
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
            for folder in made:
                folder.rmdir()


def size_of(path: Path) -> int:
    """Sum the bytes of a file, or of all files in a folder; what vanishes meanwhile counts nothing."""
    files = (os.path.join(root, name) for root, _, names in os.walk(path) for name in names)  # noqa: PTH118 - of text
    total = 0
    for file in files if path.is_dir() else (path,):
        with suppress(OSError):
            total += os.stat(file).st_size  # noqa: PTH116 - as above
    return total
