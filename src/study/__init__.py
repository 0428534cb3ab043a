"""The public names of study, each imported when it is first asked for: `import study` loads nothing heavy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.api import ablate, compare, confirm, run
    from study.definition import Published, Study, Variant
    from study.errors import StudyError
    from study.events import Epoch
    from study.recipe import Recipe
    from study.study_files import load

__all__ = [
    "Epoch", "Published", "Recipe", "Study", "StudyError", "Variant", "ablate", "compare", "confirm", "load", "run",
]  # fmt: skip

_PLACES = {
    "Epoch": "study.events",
    "Published": "study.definition",
    "Recipe": "study.recipe",
    "Study": "study.definition",
    "StudyError": "study.errors",
    "Variant": "study.definition",
    "ablate": "study.api",
    "compare": "study.api",
    "confirm": "study.api",
    "load": "study.study_files",
    "run": "study.api",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
