"""What the command line does, for scripts and notebooks: a function for each command, with its answer as an object.

Each is imported when it is first asked for: a command loads what it needs and no more.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.api.data import import_data, list_data, remove_data, verify_data
    from study.api.questions import How, ablate, compare, compare_over_data, confirm, run
    from study.api.registry import models, predict, promote, register, rollback
    from study.api.searches import best, export, importance, plan, pruning, show, side_by_side
    from study.api.studies import check, doctor, list_studies, new, remove, sync, write_report

__all__ = [
    "How", "ablate", "best", "check", "compare", "compare_over_data", "confirm", "doctor", "export",
    "import_data", "importance", "list_data", "list_studies", "models", "new", "plan", "predict", "promote",
    "pruning", "register", "remove", "remove_data", "rollback", "run", "show", "side_by_side", "sync",
    "verify_data", "write_report",
]  # fmt: skip

_MODULES = {
    "data": ("import_data", "list_data", "remove_data", "verify_data"),
    "questions": ("How", "ablate", "compare", "compare_over_data", "confirm", "run"),
    "registry": ("models", "predict", "promote", "register", "rollback"),
    "searches": ("best", "export", "importance", "plan", "pruning", "show", "side_by_side"),
    "studies": ("check", "doctor", "list_studies", "new", "remove", "sync", "write_report"),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
