"""The program's own stdin, stdout and stderr: whatever becomes of them, no search ends in the middle of a line.

A stream that is closed from the start goes nowhere. Messages that stderr does not take, as of a terminal that was
closed, are dropped. Data that stdout does not take, as on a full disk, are an error that a person can act on.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from study.errors import PlaceError


class _Data(io.FileIO):
    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            fix = "All results are saved; `study show` prints them."
            raise PlaceError(f"cannot be written: {error.strerror}", where="stdout", fix=fix) from error


class _Messages(io.FileIO):
    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def settle() -> None:
    """Open what is closed, and put streams of our own in the place of Python's."""
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free number: this one
    sys.stdout, sys.stderr = _stream(_Data(1, "w", closefd=False)), _stream(_Messages(2, "w", closefd=False))
    sys.stdin = sys.stdin or open(0, closefd=False, encoding="utf-8")  # noqa: SIM115 - a number, for good


def let_go() -> None:
    """Send stdout nowhere: the interpreter flushes it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _stream(raw: io.FileIO) -> io.TextIOWrapper:
    """Make a text stream as Python would; a message of a program may hold what UTF-8 does not."""
    old = sys.stderr if raw.fileno() == 2 else sys.stdout
    encoding = getattr(old, "encoding", None) or "utf-8"
    by_line, at_once = raw.isatty() or raw.fileno() == 2, bool(getattr(old, "write_through", False))
    buffer = io.BufferedWriter(raw)
    return io.TextIOWrapper(buffer, encoding, "backslashreplace", line_buffering=by_line, write_through=at_once)
