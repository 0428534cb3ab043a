"""What the command line does, for scripts and notebooks: a function for each command, with its answer as an object."""

from study.api.data import import_data, list_data, remove_data, verify_data
from study.api.models import models, predict, promote, register, rollback
from study.api.questions import How, ablate, compare, confirm, run
from study.api.searches import best, export, importance, pruning, show, side_by_side
from study.api.studies import check, doctor, list_studies, new, remove, sync, write_report

__all__ = [
    "How", "ablate", "best", "check", "compare", "confirm", "doctor", "export", "import_data", "importance",
    "list_data", "list_studies", "models", "new", "predict", "promote", "pruning", "register", "remove",
    "remove_data", "rollback", "run", "show", "side_by_side", "sync", "verify_data", "write_report",
]  # fmt: skip
