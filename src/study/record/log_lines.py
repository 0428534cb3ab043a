"""The lines of a trial's log. Their checksums distinguish damage from a last line that a kill cut short.

A line without a newline is torn: the last line, of which a kill left only the beginning. After a power cut, it may
also contain blocks that were never written, which are zeros. Any other line with a wrong checksum is damaged.
"""

from __future__ import annotations

import itertools
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.record.history import Record

HEAD = b'{"crc":"'
BLOCK = 512  # bytes that a disk writes atomically


@dataclass(frozen=True, slots=True)
class Log:
    """The content of a log.

    Args:
        lines: record of each line, None for a damaged line; without a torn last line.
        whole: number of bytes before the torn last line.
        torn: the torn last line.

    """

    lines: Sequence[Record | None]
    whole: int
    torn: bytes

    @property
    def damaged(self) -> list[int]:
        """Line numbers of damaged lines, from 1."""
        return [number for number, record in enumerate(self.lines, 1) if record is None]


def encode(record: Record) -> bytes:
    """Encode a record as a line."""
    body = json.dumps(record)
    return f'{{"crc":"{zlib.crc32(body.encode()):08x}",{body[1:]}\n'.encode()


def parse(content: bytes) -> Log:
    """Parse a log."""
    *lines, torn = content.split(b"\n")
    if torn and _checked(torn[:-1]) is not None:  # a whole line with a damaged newline
        lines, torn = [*lines, torn], b""
    records = [_checked(line) for line in lines]
    whole = len(content) - len(torn)
    if not torn and lines and records[-1] is None:
        begin = content.rfind(b"\n", 0, whole - 1) + 1
        if _has_unwritten_block(content, begin):
            return Log(records[:-1], begin, content[begin:])
    return Log(records, whole, torn)


def _has_unwritten_block(content: bytes, begin: int) -> bool:
    """Tell whether the last line's part of any disk block is all zeros."""
    edges = [begin, *range(begin - begin % BLOCK + BLOCK, len(content), BLOCK), len(content)]
    return any(not any(content[start:end]) for start, end in itertools.pairwise(edges) if end - start > 1)


def _checked(line: bytes) -> Record | None:
    """Parse a line; return None if its checksum is wrong."""
    if not line.startswith(HEAD) or len(line) < len(HEAD) + 11:
        return None
    body = b"{" + line[len(HEAD) + 10 :]
    if f'{zlib.crc32(body):08x}",'.encode() != line[len(HEAD) : len(HEAD) + 10]:
        return None
    try:
        record = json.loads(body.decode())
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
