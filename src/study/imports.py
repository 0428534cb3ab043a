"""Imports of a person's own code by import path or by file, read anew after an edit.

Python imports a module once per process. A long-lived process such as a notebook would go on with the source that it
read first, while new worker processes read the edited one. So `load_file_anew` and `forget_edited`, which start
each new request, drop every module of a person's own whose source has changed, and every module that imports one.

A running search keeps the modules that each of its processes first imported, even if their source is edited meanwhile:
`import_object` and `load_file` never drop anything. There are two exceptions. A worker that starts later in the same
search, such as the successor of one that died, reads the source as it is then. And if a thread starts another request
while a search with `executor="inline"` runs in the same process, later trials of that search use the new modules.

Modules of a person's own are those in the working folder or beside a study file; installed packages are never reloaded.
A module that was imported before `study` first met it is taken to be what its file says at that meeting.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from contextlib import ExitStack, contextmanager, redirect_stdout
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from study.errors import StudyFileError
from study.formatting import reason
from study.knobs import explain
from study.own_modules import OwnModules

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import CodeType, ModuleType

FILE_MODULE = "study_file_"  # start of the names under which study files are in sys.modules
_moved: dict[Path, Path] = {}  # folders of another machine, and the copies of them here
_lock = threading.RLock()  # a study file may load another one
_own = OwnModules()


class _Source(SourceFileLoader):
    """Compiles the very bytes it was given: a cached .pyc is only told apart by size and whole seconds."""

    def __init__(self, name: str, path: Path, source: bytes) -> None:
        super().__init__(name, str(path))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - importlib's signature
        return self.source_to_code(self._source, self.path)


def load_file(path: Path) -> ModuleType:
    """Import a Python file once; it can import what is beside it and in the working folder.

    Args:
        path: of the file.

    Returns:
        The module; the same object on each call until `load_file_anew` finds its source changed.

    Raises:
        StudyFileError: it cannot be read or does not import; gives the line.

    """
    path = path.resolve()
    name = f"{FILE_MODULE}{path.stem}_{sha256(str(path).encode()).hexdigest()[:12]}"
    with _lock:
        if name not in sys.modules:
            see_working_folder(path.parent)
            _execute(name, path)
        return sys.modules[name]


def load_file_anew(path: Path) -> ModuleType:
    """Import a Python file as it is now, with the modules of one's own that it imports; what is unchanged is kept.

    Raises:
        StudyFileError: as `load_file`; the process then keeps the versions that it had.

    """
    with _lock, _put_back_on_error():
        return load_file(path)


def own_folders() -> set[Path]:
    """Give the folders whose modules are a person's own."""
    return _own.folders | {Path.cwd()}


def move(folders: Mapping[Path, Path]) -> None:
    """Import from copies what another machine imports from its own folders, under the same names.

    Args:
        folders: to the copies; both may be looked into by the same names as before.

    """
    with _lock:
        _moved.update(folders)
        see_working_folder(*folders.values())


def forget_edited() -> None:
    """Drop the modules of a person's own that were edited since their import; the next import reads them anew."""
    with _lock:
        _own.forget_edited()


def is_outdated(thing: Any) -> bool:
    """Tell whether a class or function is of an earlier version of its file: its import path leads elsewhere now."""
    module_name, qualname = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "<locals>")
    if module_name not in _own.forgotten or "<locals>" in qualname:
        return False
    found: Any = sys.modules.get(module_name)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found is not thing


def import_object(reference: str) -> Any:
    """Import `package.module:name` or `path/to/file.py:name`.

    Raises:
        StudyFileError: the module or the name cannot be imported, and why.

    """
    place, _, name = reference.rpartition(":")
    if not place or not name:
        raise StudyFileError(f"not an import path: {reference!r}", fix="Write it as package.module:name.")
    see_working_folder()
    try:
        module = load_file(Path(place)) if place.endswith(".py") else _import_module(place)
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part)
    except StudyFileError:
        raise
    except (Exception, SystemExit) as error:  # as in `_execute`
        what = f"cannot import {reference!r}: {reason(error)}"
        raise StudyFileError(what, fix="Is it installed, or in the working folder?") from error
    return found


def see_working_folder(*others: Path) -> None:
    """Let Python import modules from the working folder and from other folders."""
    for folder in (*others, Path.cwd()):
        _own.folders.add(folder.resolve())
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


@contextmanager
def without_arguments(program: str) -> Generator[None]:
    """Run a person's own code as if it were started without arguments: those of this process are not for it."""
    before, sys.argv = sys.argv, [program]
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def _importing(program: str) -> Generator[None]:
    """Run a module of a person's own without our arguments; what it prints goes to stderr: stdout is for data."""
    with without_arguments(program), redirect_stdout(sys.stderr):
        yield


def _import_module(name: str) -> ModuleType:
    if name not in sys.modules:
        importlib.invalidate_caches()  # a file made within the last second may not be in the folder's cached listing
    with _importing(name):
        module = importlib.import_module(name)
    with _lock:
        _own.note(module)
    return module


def _execute(name: str, path: Path) -> None:
    """Run the file as a module of that name; leaves no module behind where it fails."""
    here = next(
        (
            _moved[folder] / path.relative_to(folder)
            for folder in sorted(_moved, key=lambda each: -len(each.parts))  # the innermost, as it was named by
            if path.is_relative_to(folder)
        ),
        path,
    )
    try:
        loader = _Source(name, path, source := here.read_bytes())
    except OSError as error:
        raise StudyFileError(f"cannot be read: {error.strerror}", where=str(path)) from error
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    importlib.invalidate_caches()  # as above
    try:
        with _importing(str(path)):
            loader.exec_module(module)
    except BaseException as error:  # Ctrl-C, too, must not leave half a module behind
        del sys.modules[name]
        match error:
            case SyntaxError():
                raise StudyFileError(f"syntax error: {error.msg}", where=f"{path}, line {error.lineno}") from error
            case ValidationError():
                raise StudyFileError(explain(error).what, where=_line_of(error, path)) from error
            case Exception() | SystemExit():  # a script's own `sys.exit` must not end a search, or a notebook
                raise StudyFileError(reason(error), where=_line_of(error, path)) from error
            case _:
                raise
    _own.note(module, source)


@contextmanager
def _put_back_on_error() -> Generator[None]:
    """Drop edited modules; if what follows fails, put them back as they were."""
    with ExitStack() as undo:
        undo.callback(_own.put_back, _own.forget_edited())
        yield
        undo.pop_all()


def _line_of(error: BaseException, path: Path) -> str:
    """`file, line n` of the deepest frame of the traceback that is in the file."""
    line, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(path):
            line = step.tb_lineno
        step = step.tb_next
    return f"{path}, line {line}" if line else str(path)


def reference_to(thing: Any) -> str:
    """Give the import path of a function or class, for another process: the reverse of `import_object`.

    Raises:
        StudyFileError: no other process can import it: it was defined in a notebook or within a function.

    """
    if isinstance(thing, str):
        return thing
    module = sys.modules.get(thing.__module__)
    if "<locals>" in thing.__qualname__ or module is None or thing.__module__ == "__main__":
        raise StudyFileError(
            f"{thing.__qualname__} cannot be imported by a worker process",
            fix="Move it to a module: in a notebook, write it to a file with `%%writefile` and import it.",
        )
    file = getattr(module, "__file__", None)
    place = file if thing.__module__.startswith(FILE_MODULE) else thing.__module__
    return f"{place}:{thing.__qualname__}"
