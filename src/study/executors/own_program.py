"""A training runs like a program of its own: it sees neither the arguments of the search nor the search's MLflow.

Without this, `mlflow.start_run()` in a training would write into the database in which the search keeps its runs, if
that is named by MLflow's own variable; and `mlflow.set_tracking_uri()` would move the next search of the same process.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from study.imports import without_arguments

if TYPE_CHECKING:
    from collections.abc import Generator

URI = "MLFLOW_TRACKING_URI"
NAMES = (URI, "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")


@contextmanager
def as_its_own_program(name: str) -> Generator[None]:
    """Run a step of a training, named by its import path.

    A `MLFLOW_TRACKING_URI` beside a `STUDY_TRACKING_URI` is the training's, and stays.
    """
    before = {each: os.environ.get(each) for each in NAMES}
    if not os.environ.get("STUDY_TRACKING_URI"):
        for each in NAMES:
            os.environ.pop(each, None)
    try:
        with without_arguments(name):
            yield
    finally:
        for each, value in before.items():
            os.environ.pop(each, None)
            if value is not None:
                os.environ[each] = value
