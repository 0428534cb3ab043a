"""One archive of a home folder, made while searches go on, and its restoration into an empty place.

Every file is as it was at one moment: logs only grow, and a torn last line is cut off by the next search; other files
are replaced as a whole; of a SQLite database SQLite itself makes a copy. The last entry has the SHA-256 of each file.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from study.errors import Damaged, InputError, PlaceError
from study.record import atomic_files

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST = "study-backup.json"
LEFT_OUT = ("-wal", "-shm", "-journal", ".lock")  # of a database: its copy has what they hold
FOLDERS_LEFT_OUT = {"backups"}


@dataclass(frozen=True, slots=True)
class Done:
    """What was archived or restored: files, and their bytes."""

    files: int
    bytes: int


def backup(home: Path, file: Path) -> Done:
    """Write an archive of the home folder, which others may be writing.

    Raises:
        InputError: there is no such home folder, or the file is there already.
        PlaceError: a file cannot be read or written.

    """
    if not home.is_dir():
        raise InputError("no such folder of results", where=str(home))
    if file.exists():
        raise InputError("is there already", where=str(file), fix="Choose another name.")
    sums: dict[str, str] = {}
    size, made = 0, file.with_name(f".{file.name}.{os.getpid()}")  # another `study backup` may write the same file
    try:
        atomic_files.sweep(made.parent, f".{file.name}.")
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # hashes of passwords are in it
        with os.fdopen(handle, "wb") as output:
            with tarfile.open(fileobj=output, mode="w:gz", compresslevel=1) as archive:
                for path in _files(home, file.resolve()):
                    content = _content(path)
                    if content is not None:
                        name = path.relative_to(home).as_posix()
                        sums[name], size = hashlib.sha256(content).hexdigest(), size + len(content)
                        _add(archive, name, content)
                _add(archive, MANIFEST, json.dumps({"format": 1, "sha256": sums}).encode())
            output.flush()
            os.fsync(output.fileno())
        made.replace(file)
        atomic_files.sync_folder(file.absolute().parent)
    except OSError as error:
        raise atomic_files.cannot_write(file, error, "Choose another file.") from error
    finally:  # Ctrl-C too
        with suppress(OSError):
            made.unlink()
    return Done(len(sums), size)


def restore(file: Path, home: Path) -> Done:
    """Unpack an archive into a folder that is empty or not there, after every file was compared.

    Raises:
        InputError: the folder has something in it, or the file is no archive of ours.
        Damaged: a file in it is not as it was.
        PlaceError: it cannot be read or written.

    """
    try:
        if home.exists() and any(home.iterdir()):
            raise InputError("the folder is not empty", where=str(home), fix="Give a --home that is not there yet.")
        home.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=".restoring-", dir=home.parent))
    except OSError as error:
        raise atomic_files.cannot_write(home, error) from error
    try:
        with tarfile.open(file, "r:gz") as archive:
            archive.extractall(making, filter="data")
        done = _compare(making, file)
        (making / MANIFEST).unlink()
        making.chmod(0o755)
        with suppress(FileNotFoundError):
            home.rmdir()
        making.rename(home)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError("not a whole archive of `study backup`", where=str(file)) from error
    except OSError as error:
        raise PlaceError(f"cannot be restored: {error.strerror or error}", where=str(file)) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return done


def _files(home: Path, but: Path) -> Iterator[Path]:
    """List the files in an order in which what is derived comes after what it is derived from."""
    for root, folders, names in os.walk(home, onerror=_require_gone):
        folders[:] = sorted(
            each for each in folders if each not in FOLDERS_LEFT_OUT and not each.startswith(".making-")
        )
        for name in sorted(names, key=lambda each: (each.endswith(".db"), each)):
            path = Path(root, name)
            if (
                not name.endswith(LEFT_OUT)
                and path.is_file()
                and path.resolve() != but
                and not name.startswith(f".{but.name}")
            ):
                yield path


def _require_gone(error: OSError) -> None:
    """Raise what keeps a folder from being listed, unless it has gone meanwhile."""
    if not isinstance(error, FileNotFoundError):
        raise PlaceError(f"cannot be read: {error.strerror}", where=str(error.filename))


def _content(path: Path) -> bytes | None:
    """Read a file; None if it has gone meanwhile.

    Raises:
        PlaceError: it cannot be read.

    """
    try:
        content = _copied(path) if path.suffix == ".db" and path.stat().st_size else None
        return path.read_bytes() if content is None else content
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PlaceError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    except sqlite3.OperationalError as error:
        raise PlaceError(f"cannot be read: {error}", where=str(path)) from error


def _copied(path: Path) -> bytes | None:
    """Have SQLite copy a database; None of a file that is none, or a damaged one, which is kept as it is."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        try:
            with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            return None
        return copy.read_bytes()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600 if name.endswith(".db") else 0o644
    archive.addfile(entry, io.BytesIO(content))


def _compare(folder: Path, file: Path) -> Done:
    try:
        sums = json.loads((folder / MANIFEST).read_bytes())["sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError("not a whole archive of `study backup`", where=str(file)) from error
    size = 0
    for name, wanted in sums.items():
        content = (folder / name).read_bytes()
        size += len(content)
        if hashlib.sha256(content).hexdigest() != wanted:
            raise Damaged(f"{name} is not as it was written", where=str(file), fix="Restore another backup.")
    return Done(len(sums), size)
