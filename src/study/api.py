"""What the command line does, for scripts and notebooks: one call that searches to the end and sums up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from study import definition, results
from study.journal import Journal
from study.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from study.definition import Study
    from study.progress import Progress
    from study.results import Summary


def run(
    study: Study | str,
    trials: int,
    *,
    home: str | Path | None = None,
    storage: str | None = None,
    tracking_uri: str | None = None,
    fallback: bool = True,
    watch: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Summary:
    """Search until the study has `trials` finished trials; called again after any stop it goes on.

    Args:
        study: a `Study`, or the name or path of one.
        trials: finished trials, complete or pruned, in the end.
        home: folder of results; `STUDY_HOME`, else `mlruns`.
        storage: Optuna's database as an SQLAlchemy URL; `OPTUNA_STORAGE`, else SQLite in `home`.
        tracking_uri: MLflow's; `MLFLOW_TRACKING_URI`, else SQLite in `home`.
        fallback: take the study's other data set, under another name, when its own cannot be had.
        watch: is called with everything that happens, such as `progress.TrialEnded`.
        options: the fields of `conduct.Options`: workers, device, executor, sampler, pruner, seed, timeout, ...

    Returns:
        How many trials ended how, and the best one with its knobs.

    Raises:
        StudyError: see `study.errors`; an `InputError` before anything was written.

    """
    from study import conduct, prepare, search  # noqa: PLC0415 - optuna, only when something is to be searched

    settings = resolve(home, storage, tracking_uri)
    wanted = definition.load(study) if isinstance(study, str) else study
    wanted.check()
    settled, _, _ = prepare.available_data(wanted, fallback=fallback)
    for progress in search.run(settled, settings, conduct.Options(trials=trials, **options), threading.Event()):
        if watch:
            watch(progress)
    return results.summary(Journal(settings.study_folder(settled.name)))
