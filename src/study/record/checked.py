"""JSON files with a checksum that is verified on every read: the format of all result files except the log.

A file is one JSON object. Its first two keys are the format number and the CRC-32 of everything else:

    {
      "format": 2,
      "crc": "5c3a7f10",
      "dataset": "mnist",
      ...

Files of format 1 have neither key and are read without verification. A file with only one of the keys, or with a
wrong checksum, is damaged. To edit a file by hand, delete both lines.
"""

from __future__ import annotations

import json
import re
import zlib
from typing import TYPE_CHECKING, Any

from study.errors import Damaged, StudyError
from study.record import atomic_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 2  # format of a study's folder and all its files
CURE = "`study doctor` says what can be done."
_HEAD = re.compile(rb'\{\n  "format": (\d+),(\n  "crc": "([0-9a-f]{8})")')


class Newer(Exception):
    """The file's format is newer than this version of study."""


def write(path: Path, values: Mapping[str, Any], *, by_lines: bool = True) -> None:
    """Replace a file atomically. Raises PlaceError."""
    atomic_files.replace(path, [encode(values, by_lines=by_lines)])


def encode(values: Mapping[str, Any], *, by_lines: bool = True) -> bytes:
    """Encode an object as the content of a file."""
    rest = (_by_lines(values) if by_lines else json.dumps(dict(values))[1:]).encode()
    start = f'{{\n  "format": {FORMAT},'.encode()
    after = (b"," if values else b"\n") + rest
    return start + f'\n  "crc": "{zlib.crc32(after, zlib.crc32(start)):08x}"'.encode() + after


def _by_lines(values: Mapping[str, Any]) -> str:
    """Write an object without its first brace: a key a line, whatever its value holds.

    Python's own indenting is not done in C, and takes ten times as long.
    """
    if not values:
        return "}"
    lines = [f"\n  {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items()]
    return f"{','.join(lines)}\n}}"


def read(path: str | Path) -> Any:
    """Read a file.

    Raises:
        Damaged: the file is missing or damaged.
        StudyError: the file cannot be read, or a newer version wrote it.

    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - thousands are read at once
            content = file.read()
    except FileNotFoundError as error:  # a folder is created with all its required files
        raise Damaged("missing", where=str(path), fix=CURE) from error
    except OSError as error:
        raise StudyError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    try:
        return decode(content)
    except ValueError as error:
        raise Damaged(f"damaged: {error}", where=str(path), fix=CURE) from error
    except Newer as error:
        raise StudyError(str(error), where=str(path), fix="Use that version.") from error


def decode(content: bytes) -> Any:
    """Decode the content of a file.

    Raises:
        ValueError: the content is damaged.
        Newer: a newer version wrote it.

    """
    head = _HEAD.match(content)
    if head is None:
        values = json.loads(content)
        if not isinstance(values, dict | list) or (isinstance(values, dict) and _has_head(content)):
            raise ValueError("its head is not as it was written")
        return values
    rest = content[head.end(2) :]
    crc = zlib.crc32(rest, zlib.crc32(content[: head.start(2)]))
    if f"{crc:08x}".encode() != head[3]:
        raise ValueError("its checksum does not match")
    if int(head[1]) > FORMAT:
        raise Newer(f"a newer version of study has written it, in format {int(head[1])}")
    return json.loads(f"{{{rest.removeprefix(b',').decode()}")


def _has_head(content: bytes) -> bool:
    """Tell whether an object begins with one of the two keys; objects of format 1 do not."""
    pairs: Any = json.loads(content, object_pairs_hook=tuple)  # a recipe may have knobs of the same names
    first, second, *_ = [*pairs, ("", None), ("", None)]
    return (first[0] == "format" and isinstance(first[1], int)) or (second[0] == "crc" and isinstance(second[1], str))
