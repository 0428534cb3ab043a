"""A person's own code travels with a search: the modules that its import paths name, with all that these import.

A module travels as it is when it is first needed, a package with all its files. What is imported by a name that is only
known at run time stays behind, as does what is installed: that the nodes have themselves.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study import imports
from study.errors import StudyFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

REFERENCE = re.compile(r"(?P<place>[^:\s]+\.py|[A-Za-z_][\w.]*):[A-Za-z_][\w.]*")
LARGEST = 1 << 20  # bytes of a file of a package that travels
MOST = 50 << 20  # bytes of all files
NOT_THEIRS = {"study", *sys.stdlib_module_names}


@dataclass(frozen=True, slots=True)
class Code:
    """Source files of a person's own.

    Args:
        folders: the coordinator's, from which they are imported.
        files: content by the number of the folder and the path in it, such as `0/mine/net.py`.

    """

    folders: tuple[str, ...]
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """A hash of all of it."""
        total = sha256("\0".join(self.folders).encode())
        for name, content in sorted(self.files.items()):
            total.update(f"\0{name}\0{len(content)}\0".encode() + content)
        return total.hexdigest()[:16]


def collect(values: Any) -> Code:
    """Read what the import paths among the values name, however deep they lie.

    Raises:
        StudyFileError: it is too large to travel.

    """
    places = [match["place"] for text in _texts(values) if (match := REFERENCE.fullmatch(text))]
    folders = sorted({*imports.own_folders(), *(Path(place).resolve().parent for place in places if _is_file(place))})
    found: dict[Path, bytes] = {}
    waiting = [_unit(place, folders) for place in places]
    while waiting:
        for file in waiting.pop():
            if file in found or file.stat().st_size > LARGEST:
                continue
            found[file] = file.read_bytes()
            if file.suffix == ".py":
                waiting += [_unit(name, folders) for name in _imported(found[file])]
    if sum(map(len, found.values())) > MOST:
        fix = "Keep data out of the folders of its modules: `study data import`."
        raise StudyFileError(f"more than {MOST >> 20} MB of own code would travel to the nodes", fix=fix)
    named = {_name(file, folders): content for file, content in found.items()}
    return Code(tuple(map(str, folders)), named) if named else Code((), {})


def unpack(code: Code, folder: Path) -> None:
    """Write the files into a folder, and let this process import from there what it would from the coordinator's."""
    for name, content in code.files.items():
        place = folder / name
        if not place.resolve().is_relative_to(folder.resolve()):
            raise StudyFileError(f"a file {name!r} leads out of its folder")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    imports.move({Path(theirs): folder / str(number) for number, theirs in enumerate(code.folders)})


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict):
        for value in values.values():
            yield from _texts(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _texts(value)


def _is_file(place: str) -> bool:
    return place.endswith(".py")


def _unit(place: str, folders: Sequence[Path]) -> list[Path]:
    """Give the file of a module, or all files of its package; nothing of what is not a person's own."""
    if _is_file(place):
        file = Path(place).resolve()
        return [file] if file.is_file() else []
    name = place.partition(".")[0]
    if name in NOT_THEIRS:
        return []
    for folder in folders:
        if (package := folder / name).is_dir() and any(package.glob("*.py")):
            return [file for file in sorted(package.rglob("*")) if file.is_file() and _travels(file, package)]
        if (module := folder / f"{name}.py").is_file():
            return [module]
    return []


def _travels(file: Path, package: Path) -> bool:
    parts = file.relative_to(package).parts
    return not any(part.startswith(".") or part == "__pycache__" for part in parts)


def _imported(source: bytes) -> Iterable[str]:
    """Name the top-level modules that a file may import; what it imports relatively is in its own package."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _name(file: Path, folders: Sequence[Path]) -> str:
    """Name a file by the innermost of the folders that it lies in."""
    number, folder = max(
        ((number, folder) for number, folder in enumerate(folders) if file.is_relative_to(folder)),
        key=lambda each: len(each[1].parts),
    )
    return f"{number}/{file.relative_to(folder).as_posix()}"
