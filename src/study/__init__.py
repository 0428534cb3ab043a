"""The public names of study, each imported when it is first asked for: `import study` loads nothing heavy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.api import (
        ablate,
        best,
        check,
        compare,
        compare_over_data,
        confirm,
        doctor,
        export,
        import_data,
        importance,
        list_data,
        list_studies,
        models,
        new,
        plan,
        predict,
        promote,
        pruning,
        register,
        remove,
        remove_data,
        rollback,
        run,
        show,
        side_by_side,
        sync,
        verify_data,
        write_report,
    )
    from study.definition import Published, Study, Variant
    from study.errors import StudyError
    from study.events import Epoch
    from study.recipe import Recipe
    from study.service.client import Client
    from study.study_files import load

__all__ = [
    "Client", "Epoch", "Published", "Recipe", "Study", "StudyError", "Variant", "ablate", "best", "check",
    "compare", "compare_over_data", "confirm", "doctor", "export", "import_data", "importance", "list_data",
    "list_studies", "load", "models", "new", "plan", "predict", "promote", "pruning", "register", "remove",
    "remove_data", "rollback", "run", "show", "side_by_side", "sync", "verify_data", "write_report",
]  # fmt: skip

_PLACES = {
    "Client": "study.service.client",
    "Epoch": "study.events",
    "Published": "study.definition",
    "Recipe": "study.recipe",
    "Study": "study.definition",
    "StudyError": "study.errors",
    "Variant": "study.definition",
    "load": "study.study_files",
}  # all others are calls, of study.api


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES.get(name, "study.api")), name)
