"""Study files: where they are looked for, how they are loaded, and what they say of themselves without being run."""

from __future__ import annotations

import ast
import inspect
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.definition import Study
from study.errors import StudyFileError
from study.formatting import nearest
from study.imports import load_file_anew

if TYPE_CHECKING:
    from collections.abc import Mapping


# They come with `study`. In a clone of the repository their folder holds a person's own studies, too.
BUNDLED = {
    "activations", "ann_optimizers", "cifar_tricks", "init", "mnist_cnn", "mnist_optimizers", "regularization",
    "schedules",
}  # fmt: skip


def folders() -> list[Path]:
    """Give the folders in which studies are looked for: `studies` in the working folder, then the built-in ones."""
    packaged = Path(__file__).parent / "studies"
    checkout = Path(__file__).parents[2] / "studies"
    return [Path("studies").absolute(), packaged if packaged.is_dir() else checkout]


def available() -> dict[str, Path]:
    """Give the name and the file of each study that can be run by its name."""
    files = [file for folder in reversed(folders()) for file in sorted(folder.glob("[!_]*.py"))]
    return {file.stem: file for file in files}


def is_bundled(file: Path) -> bool:
    """Tell whether a study's file is one that comes with `study`."""
    return file.stem in BUNDLED and file.parent.resolve() == folders()[1].resolve()


def find(name: str) -> Path:
    """Find the file of a study by name or path.

    Raises:
        StudyFileError: no such study; suggests the nearest name.

    """
    if name.endswith(".py") or "/" in name:
        path = Path(name).expanduser().absolute()
        if not path.is_file():
            raise StudyFileError("no such study file", where=name, fix="`study new NAME` writes one.")
        return path
    studies = available()
    if name not in studies:
        hint = nearest(name, sorted(studies))
        raise StudyFileError(f"no study {name!r}", fix=f"{hint} `study new {name}` writes a new one.")
    return studies[name]


def file_of(name: str, stored: Mapping[str, Any]) -> Path | None:
    """Find the file of a study that has results: by the study's name, else the file that the results were made from.

    Args:
        name: of the results, `@dataset` included.
        stored: their definition.

    Returns:
        The file; None if it no longer exists.

    """
    known, recorded = available(), str(stored.get("file") or "")
    file = known.get(name.partition("@")[0]) or known.get(recorded) or Path(recorded)
    return file if file.is_file() else None


def load(name: str) -> Study:
    """Load the object `study` of a study file.

    Each call reads the file as it is now, and the modules of one's own that it imports. See `imports` for what a search
    that is running at that time keeps.

    Args:
        name: of the study, or the path of its file.

    Raises:
        StudyFileError: the file is not found, does not import, or holds no `study`; gives the line.

    """
    path = find(name)
    module = load_file_anew(path)
    study = getattr(module, "study", None)
    if not isinstance(study, Study):
        raise StudyFileError("no object `study` of type study.Study", where=str(path), fix="Compare `study new`.")
    study.check()
    about = inspect.cleandoc(module.__doc__ or "")
    return replace(study, file=name if name in available() else str(path), about=about)


def docstring(file: Path) -> str:
    """Read the docstring of a study file without running it.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not Python (SyntaxError is raised for most such files).

    """
    return ast.get_docstring(ast.parse(file.read_bytes())) or ""


def about(name: str, stored: Mapping[str, Any]) -> str:
    """Give what a study with results says of itself: the stored docstring, else that of its file; no file is run.

    Args:
        name: of the results, `@dataset` included.
        stored: their definition. Older ones have no docstring.

    Returns:
        The docstring; empty if there is none or the file cannot be read.

    """
    if "about" in stored:
        return str(stored["about"])
    file = file_of(name, stored)
    try:
        return docstring(file) if file else ""
    except (OSError, SyntaxError, ValueError):
        return ""
