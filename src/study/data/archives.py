"""Read the files of a folder, a tar or a zip in one pass, without unpacking to disk.

A truncated or damaged tar must not be read as a smaller one. Python's tarfile stops without an error at a damaged
header and at a file that ends between two members, so this module checks the end of the archive itself.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Parts = tuple[str, ...]
LARGEST = 2**28  # bytes of one file; a larger one is not an image, or is meant to exhaust the memory
BLOCK = 512  # bytes of a tar's block
ZIP_DAMAGE = (zipfile.BadZipFile, UnicodeDecodeError, RuntimeError, OSError)  # a name; a version or a flag
DAMAGE = (*ZIP_DAMAGE, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError)
OPENERS = {b"\xfd7zXZ": lzma.open, b"\x1f\x8b": gzip.open, b"BZh": bz2.open}
ZIP_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}


@dataclass(frozen=True, slots=True)
class File:
    """One file.

    Args:
        parts: components of its path, relative to the top.
        content: None if it was not wanted.
        share: share of the folder or archive that has been read, in [0, 1].

    """

    parts: Parts
    content: bytes | None
    share: float


def files(path: Path, wanted: Callable[[Parts], bool]) -> Iterator[File]:
    """Read the files of a folder, a .tar, .tar.gz, .tar.bz2, .tar.xz or .zip.

    Args:
        path: of the folder or archive; its first bytes, not its name, decide which kind of archive it is.
        wanted: receives a file's parts and returns whether to read its content.

    Raises:
        DataError: the path does not exist or is not an archive, or the archive is truncated, damaged, or has a member
            that points outside of it; names the member.

    """
    if path.is_dir():
        yield from _folder(path, wanted)
        return
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    reader = _zip if start.startswith(b"PK") else _tar
    last = ""
    try:
        for file in reader(path, wanted):
            last = "/".join(file.parts)
            yield file
    except DAMAGE as error:
        if not last and not start.startswith((b"PK", *OPENERS)):
            fix = "Give a folder, a .tar, .tar.gz, .tar.bz2, .tar.xz or .zip of images, or a .csv or .parquet table."
            raise DataError("is not an archive", where=str(path), fix=fix) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        what = f"the archive is incomplete or damaged, {f'after {last}' if last else 'from its start'} ({reason})"
        raise DataError(what, where=str(path), fix="Download or pack it again; nothing was written.") from error


def _folder(path: Path, wanted: Callable[[Parts], bool]) -> Iterator[File]:
    paths = sorted(_below(path, set()))
    for index, found in enumerate(paths):
        parts = found.relative_to(path).parts
        try:
            content = found.read_bytes() if wanted(parts) else None
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", where=str(found)) from error
        yield File(parts, content, index / len(paths))


def _below(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """List the files at any depth; links to folders are followed, circles of them once."""
    if (real := folder.resolve()) in seen:
        return
    seen.add(real)
    for found in folder.iterdir():
        if found.is_dir():
            yield from _below(found, seen)
        elif found.is_file():
            yield found


def _tar(path: Path, wanted: Callable[[Parts], bool]) -> Iterator[File]:
    size = path.stat().st_size or 1
    with path.open("rb") as raw, _decompressed(raw) as stream:
        blocks = _Blocks(stream)
        with tarfile.open(fileobj=cast("IO[bytes]", blocks), mode="r|", bufsize=BLOCK) as tar:
            for member in tar:
                if member.isdir():
                    _safe(path, member.name)
                    continue
                parts = _of_file(path, member.name)
                if not member.isreg():
                    raise _unsafe(path, member.name, "is a link or a device")
                content = _content(tar, path, member) if wanted(parts) else None
                yield File(parts, content, min(1.0, raw.tell() / size))
        if not blocks.last or any(blocks.last):
            raise EOFError("the end of the archive is missing")
        while stream.read(2**20):  # the rest must decompress and have the right checksum
            pass


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    start = raw.read(6)
    raw.seek(0)
    for magic, opener in OPENERS.items():
        if start.startswith(magic):
            return cast("IO[bytes]", opener(raw))
    return raw


def _content(tar: tarfile.TarFile, path: Path, member: tarfile.TarInfo) -> bytes:
    if member.size > LARGEST:
        raise _unsafe(path, member.name, f"would take {member.size:,} bytes")
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


class _Blocks:
    """Reads blocks of a tar and keeps the last one, which must be the empty block that ends an archive."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.last = b""

    def read(self, size: int) -> bytes:
        self.last = self.stream.read(size)
        return self.last


def _zip(path: Path, wanted: Callable[[Parts], bool]) -> Iterator[File]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for index, member in enumerate(members):
            if member.filename.endswith("/"):
                _safe(path, member.filename)
                continue
            parts = _of_file(path, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise _unsafe(path, member.filename, "is a link")
            if not wanted(parts):
                yield File(parts, None, index / len(members))
                continue
            if member.file_size > LARGEST:
                raise _unsafe(path, member.filename, f"would take {member.file_size:,} bytes")
            if member.flag_bits & 1 or member.compress_type not in ZIP_METHODS:
                raise _unsafe(path, member.filename, "is encrypted or compressed in an unusual way")
            yield File(parts, archive.read(member), index / len(members))


def _of_file(path: Path, name: str) -> Parts:
    if parts := _safe(path, name):
        return parts
    raise _unsafe(path, name, "is no name of a file")


def _safe(path: Path, name: str) -> Parts:
    """Split a member's name; reject one that points outside of the archive."""
    name = name.replace("\\", "/")
    parts = tuple(part for part in name.split("/") if part not in {"", "."})
    if name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name):
        raise _unsafe(path, name, "points outside of the archive")
    return parts


def _unsafe(path: Path, member: str, what: str) -> DataError:
    return DataError(f"{member!r} {what}", where=str(path), fix="Pack plain files only; nothing was written.")
