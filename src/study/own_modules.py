"""A person's own modules in this process: what each was read from, what it imports, which were edited since."""

from __future__ import annotations

import ast
import importlib.util
import sys
import sysconfig
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

INSTALLED = {"site-packages", "dist-packages"}  # names of folders, such as of a virtual environment in the working one
NOT_THEIRS = {"study", "__main__"}  # this package, which may be a checkout in the working folder; a script as it runs


@dataclass(frozen=True, slots=True)
class _Known:
    """A module as it was read.

    Args:
        module: the object in sys.modules.
        digest: of its source.
        imports: names of modules that it may import; some are names within a module.

    """

    module: ModuleType
    digest: bytes
    imports: frozenset[str]


@dataclass(slots=True)
class OwnModules:
    """Guards the entries of a person's own modules in sys.modules; its caller holds a lock.

    Args:
        folders: whose modules are a person's own.
        forgotten: names of the modules that were ever dropped.

    """

    folders: set[Path] = field(default_factory=set[Path])
    forgotten: set[str] = field(default_factory=set[str])
    _known: dict[str, _Known] = field(default_factory=dict[str, _Known])

    def note(self, module: ModuleType, source: bytes | None = None) -> None:
        """Remember what a module was read from, and each module of one's own that it imports, in turn.

        Args:
            module: any; ignored unless it is a person's own.
            source: of the module; None reads its file.

        """
        name = module.__name__
        known = self._known.get(name)
        if known is not None and known.module is module:
            return
        file = self._file_of(module)
        if file is None:
            return
        if source is None:
            try:
                source = file.read_bytes()
            except OSError:
                return
        self._known[name] = _Known(module, sha256(source).digest(), frozenset(_imports(module, source)))
        self._note_imported(name)

    def forget_edited(self) -> dict[str, _Known]:
        """Drop modules whose source was edited, and those that import one, from sys.modules.

        Returns:
            What `put_back` takes.

        """
        for name in list(self._known):
            self._note_imported(name)  # a function may have imported one since
        stale = {name for name, each in self._known.items() if self._is_edited(name, each)}
        while more := {name for name, each in self._known.items() if name not in stale and each.imports & stale}:
            stale |= more
        dropped = {name: self._known.pop(name) for name in stale}
        for name, each in dropped.items():
            if sys.modules.get(name) is each.module:
                _drop(name, each.module)
        self.forgotten |= stale
        return dropped

    def put_back(self, dropped: dict[str, _Known]) -> None:
        """Undo `forget_edited`."""
        for name, each in dropped.items():
            self._known[name] = each
            sys.modules[name] = each.module
            parent, _, tail = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], tail, each.module)

    def _note_imported(self, name: str) -> None:
        for imported in self._known[name].imports:
            module = sys.modules.get(imported)
            if module is not None:
                self.note(module)

    def _is_edited(self, name: str, known: _Known) -> bool:
        file = self._file_of(known.module)
        if sys.modules.get(name) is not known.module or file is None:
            return True
        try:
            return sha256(file.read_bytes()).digest() != known.digest
        except OSError:
            return True

    def _file_of(self, module: ModuleType) -> Path | None:
        """Give the source of a module of a person's own; None of any other."""
        if module.__name__.partition(".")[0] in NOT_THEIRS or not getattr(module, "__file__", None):
            return None
        file, parents, is_installed = _placed(str(module.__file__))
        theirs = not self.folders.isdisjoint(parents)
        return file if file.suffix == ".py" and theirs and not is_installed else None


@cache  # a load looks at every module that the person's own ones import
def _placed(path: str) -> tuple[Path, frozenset[Path], bool]:
    """Give a module's file, the folders that contain it, and whether it was installed."""
    file = Path(path).resolve()
    parents = frozenset(file.parents)
    libraries = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return file, parents, bool(INSTALLED & set(file.parts)) or not libraries.isdisjoint(parents)


def _drop(name: str, module: ModuleType) -> None:
    del sys.modules[name]
    parent, _, tail = name.rpartition(".")
    if getattr(sys.modules.get(parent), tail, None) is module:
        delattr(sys.modules[parent], tail)  # else `from parent import tail` finds the old module there
    cached = module.__spec__.cached if module.__spec__ else None
    if cached:
        with suppress(OSError):  # it is taken for the edited source if that has the same size and second
            Path(cached).unlink(missing_ok=True)


def _imports(module: ModuleType, source: bytes) -> Iterator[str]:
    """Name the modules that a module may import by a statement, and the packages that contain them."""
    package = getattr(module, "__package__", None) or ""
    yield from _with_parents(module.__name__.rpartition(".")[0])
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for each in names:
                    yield from _with_parents(each.name)
            case ast.ImportFrom(names=names):
                yield from _imported_from(node, package, [each.name for each in names])
            case _:
                pass


def _imported_from(node: ast.ImportFrom, package: str, names: Sequence[str]) -> Iterator[str]:
    start = node.module or ""
    if node.level:
        try:
            start = importlib.util.resolve_name("." * node.level + start, package)
        except ImportError:
            return
    yield from _with_parents(start)
    yield from (f"{start}.{name}" for name in names)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[: end + 1]) for end in range(len(parts)) if name)
