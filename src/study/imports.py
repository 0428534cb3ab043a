"""Importing what people name: a function or class by its import path, a Python file by its place."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from study.errors import StudyFileError
from study.knobs import explain

if TYPE_CHECKING:
    from types import ModuleType


def load_file(path: Path) -> ModuleType:
    """Import a Python file once, by its path; what lies beside it and in the working folder can be imported by it.

    Raises:
        StudyFileError: it does not import; with its line.

    """
    path = path.resolve()
    module_name = f"study_file_{path.stem}_{abs(hash(str(path))):x}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    see_working_folder(path.parent)
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise StudyFileError("not a Python file", where=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        del sys.modules[module_name]
        raise StudyFileError(f"syntax error: {error.msg}", where=f"{path}, line {error.lineno}") from error
    except ValidationError as error:
        del sys.modules[module_name]
        raise StudyFileError(explain(error).what, where=_line_of(error, path)) from error
    except Exception as error:
        del sys.modules[module_name]
        raise StudyFileError(f"{type(error).__name__}: {error}", where=_line_of(error, path)) from error
    return module


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
        module = load_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part)
    except StudyFileError:
        raise
    except Exception as error:
        reason = f"cannot import {reference!r}: {type(error).__name__}: {error}"
        raise StudyFileError(reason, fix="Is it installed, or in the folder you stand in?") from error
    return found


def see_working_folder(*others: Path) -> None:
    """Let modules be imported that lie in the folders or in the one that the process stands in."""
    for folder in (*others, Path.cwd()):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


def _line_of(error: Exception, path: Path) -> str:
    """`file, line n` of the deepest frame of the traceback that lies in the file."""
    line, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(path):
            line = step.tb_lineno
        step = step.tb_next
    return f"{path}, line {line}" if line else str(path)
