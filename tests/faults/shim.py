"""Builds shim.c, sets its switches, and reads the log of durable operations that it writes."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
FIELDS = ("enabled", "counter", "kill_at", "after", "group", "fail_from", "fail_count", "fail_errno", "record")
KINDS = ("", "create", "write", "sync", "rename", "truncate", "unlink", "mkdir", "rmdir", "link")
HEAD = struct.Struct("=7q")


@dataclass(frozen=True, slots=True)
class Operation:
    """One durable operation, in the order of all processes.

    Args:
        kind: one of KINDS.
        pid: of the process.
        inode: of the file or folder.
        path: of it; of a rename the old one.
        second: of a rename or link the new path, else empty.
        offset: of a write; the new length of a truncation.
        data: of a write.

    """

    kind: str
    pid: int
    inode: int
    path: str
    second: str
    offset: int
    data: bytes


class Shim:
    """The library in a folder of its own, for the processes that are started with `environment`."""

    def __init__(self, folder: Path, root: Path) -> None:
        """Compile it.

        Args:
            folder: for the library, its switches and its log.
            root: the folder below which operations count.

        """
        self.folder, self.root = folder, root
        folder.mkdir(parents=True, exist_ok=True)
        self.library = folder / "shim.so"
        command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(self.library), str(SOURCE), "-lpthread"]
        subprocess.run(command, check=True)
        (folder / "log").write_bytes(b"")
        (folder / "control").write_bytes(bytes(8 * len(FIELDS)))
        with (folder / "control").open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 8 * len(FIELDS))
        self._values = (ctypes.c_int64 * len(FIELDS)).from_buffer(self._page)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that load it into a process and its children."""
        places = {"STUDY_SHIM": str(self.folder), "STUDY_SHIM_ROOT": str(self.root)}
        return {**os.environ, **places, "LD_PRELOAD": str(self.library)}

    def set(self, **switches: int) -> None:
        """Count from zero with these switches, all others off, and an empty log."""
        for index in range(len(FIELDS)):
            self._values[index] = 0
        os.truncate(self.folder / "log", 0)
        for name, value in {**switches, "enabled": 1}.items():
            self._values[FIELDS.index(name)] = value

    def off(self) -> None:
        """Let everything pass, uncounted."""
        self._values[FIELDS.index("enabled")] = 0

    @property
    def count(self) -> int:
        """Operations since `set`."""
        return self._values[FIELDS.index("counter")]

    def operations(self) -> list[Operation]:
        """Read the log."""
        content, found, at = (self.folder / "log").read_bytes(), [], 0
        while at < len(content):
            kind, pid, inode, offset, length, path, second = HEAD.unpack_from(content, at)
            at += HEAD.size
            names = content[at : at + path + second].decode()
            at += path + second
            size = length if KINDS[kind] == "write" else 0
            found.append(
                Operation(KINDS[kind], pid, inode, names[:path], names[path:], offset, content[at : at + size])
            )
            at += size
        return found
