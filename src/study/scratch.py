"""Temporary folders that are named after their process: those of processes that were killed are deleted by the next."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from study.record.atomic_files import is_alive


def folder(kind: str) -> Path:
    """Make a folder that nobody else can read; delete those of its kind whose processes have ended."""
    for left in Path(tempfile.gettempdir()).glob(f"study-{kind}-*-*"):
        process = left.name.split("-")[-2]
        if process.isdecimal() and not is_alive(int(process)):
            shutil.rmtree(left, ignore_errors=True)  # that of another person stays
    return Path(tempfile.mkdtemp(prefix=f"study-{kind}-{os.getpid()}-"))


def remove(path: Path) -> None:
    """Delete a folder, as far as it can be."""
    shutil.rmtree(path, ignore_errors=True)
