"""Keeps what a training prints in a file of its trial: stdout is for data, the terminal for the live view."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from study.record import atomic_files

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def output_to(path: Path) -> Generator[None]:
    """Send what this process prints to the end of a file until the block ends; an empty one is deleted.

    Raises:
        PlaceError: the file cannot be opened.

    """
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise atomic_files.cannot_write(path, error) from error
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        with suppress(FileNotFoundError):  # somebody has deleted the trial
            if path.stat().st_size == 0:
                path.unlink()
