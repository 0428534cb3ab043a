"""What a disk holds after a power cut: replays recorded operations, and loses what was not flushed.

POSIX promises two things: a file's contents up to its last fsync, and a folder's entries up to the last fsync of the
folder. All else may be there, or not, or in part.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.faults.shim import Operation

BLOCK = 512  # bytes that a disk writes whole or not at all


@dataclass(slots=True)
class File:
    """A file's flushed content, and what was done to it since: (offset, data), or (length, None) for a truncation."""

    flushed: bytes = b""
    since: list[tuple[int, bytes | None]] = field(default_factory=list)


@dataclass(slots=True)
class Folder:
    """A folder's entries, flushed and now; `since` has what was done in between, each step a few changed names."""

    flushed: dict[str, File | Folder] = field(default_factory=dict)
    now: dict[str, File | Folder] = field(default_factory=dict)
    since: list[dict[str, File | Folder | None]] = field(default_factory=list)

    def change(self, changed: dict[str, File | Folder | None]) -> None:
        """Change names in one step, as a rename does."""
        self.since.append(changed)
        _apply(self.now, changed)


def _apply(entries, changed) -> None:
    for name, node in changed.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


def _patch(content: bytes, steps: Iterable[tuple[int, bytes | None]]) -> bytes:
    now = bytearray(content)
    for offset, data in steps:
        if data is None:
            del now[offset:]
            now.extend(bytes(max(0, offset - len(now))))
        else:
            now.extend(bytes(max(0, offset - len(now))))
            now[offset : offset + len(data)] = data
    return bytes(now)


class Disk:
    """A folder as the disk has it, operation by operation."""

    def __init__(self, root: Path) -> None:
        """Take what is in the folder as flushed."""
        self.root = root
        self.nodes: dict[int, File | Folder] = {}
        self.top = self._read(root)

    def _read(self, path: Path) -> File | Folder:
        if not path.is_dir():
            node = File(path.read_bytes())
        else:
            entries = {each.name: self._read(each) for each in path.iterdir()}
            node = Folder(dict(entries), entries)
        self.nodes[path.stat().st_ino] = node
        return node

    def _parent(self, path: str) -> tuple[Folder, str]:
        *folders, name = Path(path).relative_to(self.root).parts
        node = self.top
        for each in folders:
            node = node.now[each]
        return node, name

    def take(self, operation: Operation) -> None:
        """Do what a process did."""
        node = self.nodes.get(operation.inode)
        match operation.kind:
            case "create" | "mkdir":
                node = self.nodes[operation.inode] = File() if operation.kind == "create" else Folder()
                parent, name = self._parent(operation.path)
                parent.change({name: node})
            case "write":
                node.since.append((operation.offset, operation.data))
            case "truncate":
                node.since.append((operation.offset, None))
            case "sync" if isinstance(node, File):
                node.flushed, node.since = _patch(node.flushed, node.since), []
            case "sync":
                node.flushed, node.since = dict(node.now), []
            case "unlink" | "rmdir":
                parent, name = self._parent(operation.path)
                parent.change({name: None})
            case "rename" | "link":
                (old, name), (new, target) = self._parent(operation.path), self._parent(operation.second)
                moved = old.now[name]
                gone = {name: None} if operation.kind == "rename" else {}
                if old is new:
                    new.change({**gone, target: moved})
                else:
                    new.change({target: moved})
                    old.change(gone)

    def after_a_cut(self, names: Callable, contents: Callable) -> dict[str, bytes | None]:
        """Give what is there after a power cut, by path; None for a folder.

        Args:
            names: which of a folder's steps since its last flush survive.
            contents: likewise of a file.

        """
        found: dict[str, bytes | None] = {}

        def walk(folder: Folder, path: str) -> None:
            entries = dict(folder.flushed)
            for step in names(folder.since):
                _apply(entries, step)
            for name, node in sorted(entries.items()):
                if isinstance(node, Folder):
                    found[path + name] = None
                    walk(node, f"{path}{name}/")
                else:
                    found[path + name] = _patch(node.flushed, contents(node.since))

        walk(self.top, "")
        return found


def nothing(since: list) -> list:
    """Lose all that was not flushed."""
    return []


def everything(since: list) -> list:
    """Lose nothing."""
    return since


def first_ones(chance: random.Random) -> Callable:
    """Keep a folder's first steps, as a journaling file system does."""
    return lambda since: since[: chance.randint(0, len(since))]


def any_blocks(chance: random.Random) -> Callable:
    """Keep some blocks of what was written, in no order."""

    def kept(since: list) -> list:
        found = []
        for offset, data in since:
            if data is None:
                found += [(offset, None)] if chance.random() < 0.5 else []
                continue
            for at in range(0, len(data), BLOCK):
                if chance.random() < 0.5:
                    found.append((offset + at, data[at : at + BLOCK]))
        return found

    return kept


def ways(seed: int) -> dict[str, tuple[Callable, Callable]]:
    """The ways in which a disk may keep what was not flushed: (names, contents)."""
    chance = random.Random(seed)
    return {
        "all lost": (nothing, nothing),
        "names kept": (everything, nothing),
        "contents kept": (nothing, everything),
        "some of it": (first_ones(chance), any_blocks(chance)),
    }


def write(content: dict[str, bytes | None], folder: Path) -> None:
    """Make the folder."""
    folder.mkdir(parents=True)
    for path, data in content.items():
        if data is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(data)


def fingerprint(content: dict[str, bytes | None]) -> str:
    """Tell states apart."""
    total = hashlib.sha256()
    for path, data in content.items():
        total.update(repr((path, data is None, data and hashlib.sha256(data).hexdigest())).encode())
    return total.hexdigest()
