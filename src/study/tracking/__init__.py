"""Tracking: mirrors the trial folders to MLflow, which is imported only when it is needed."""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from study.background import follow
from study.errors import PlaceError, StudyError
from study.formatting import without_password
from study.progress import Notice
from study.record import family
from study.record.journal import Journal
from study.settings import sqlite_file
from study.tracking import cursor, mirror, sqlite_check
from study.tracking.pages import runs_table as runs_table
from study.tracking.process import Apart

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from study.progress import Progress
    from study.settings import Settings
    from study.tracking.mirror import Report
    from study.tracking.mlflow import Runs
    from study.tracking.registry import Registry

log = logging.getLogger("study")


def tracked(
    progress: Iterator[Progress], journal: Journal, settings: Settings, stop: threading.Event
) -> Iterator[Progress]:
    """Mirror a study to MLflow while it runs; the first failure of MLflow becomes a notice.

    Args:
        progress: the events of the run.
        journal: the folders that the run writes.
        settings: where MLflow is.
        stop: as in `study.background.follow`.

    Yields:
        The events of the run, and notices.

    """
    notices: SimpleQueue[str] = SimpleQueue()
    copy = Apart(journal, partial(connect, settings), server_name(settings), notices.put)
    yield from follow(progress, copy, notices, "MLflow", journal.folder.name, stop)


def told(journal: Journal, settings: Settings) -> Iterator[Progress]:
    """Send what MLflow lacks of a study of which nothing is left to run; it is not asked if the files say: nothing.

    Yields:
        A notice if MLflow does not have everything.

    """
    if not (is_made(settings) and mirror.is_told(journal, server_name(settings))):
        yield from sent(settings, [journal.folder.name])


def sent(settings: Settings, names: Sequence[str]) -> Iterator[Progress]:
    """Make MLflow equal to the folders of the studies if it can be reached.

    Yields:
        A notice if MLflow does not have everything.

    """
    for trouble in try_sync(settings, names):
        yield Notice(f"MLflow does not have all of it yet: {trouble}; `study sync {' '.join(names)}` sends it")


def sync_studies(settings: Settings, names: Sequence[str] = ()) -> list[Report]:
    """Make MLflow equal to the studies' folders.

    Args:
        settings: where the folders and MLflow are.
        names: of studies; all studies if empty.

    Returns:
        A report for each study.

    Raises:
        PlaceError: a study does not exist, or MLflow cannot be reached.

    """
    journals = [_journal(settings, name) for name in names] or _all(settings)
    if not journals:
        return []
    client = connect(settings)
    for journal in journals:
        cursor.forget_replaced(journal, client.server)
    reports = [mirror.sync(journal, client) for journal in journals]
    for line in (line for report in reports for line in report.refused):
        log.warning("%s", line)
    return reports


def try_sync(settings: Settings, names: Sequence[str]) -> list[str]:
    """Make MLflow equal to the folders of the studies if it can be reached.

    Returns:
        What went wrong, one line each; empty if MLflow has everything.

    """
    try:
        return [report.error for report in sync_studies(settings, names) if report.error]
    except StudyError as error:
        return [str(error)]


def forget(settings: Settings, names: Sequence[str]) -> int:
    """Delete the studies' runs; MLflow can restore them until `mlflow gc`, and keeps registered models.

    Returns:
        The number of deleted runs.

    Raises:
        PlaceError: MLflow cannot be reached.

    """
    if not is_made(settings):
        return 0
    runs = connect(settings)
    return sum(runs.forget(name) for name in names)


def connect(settings: Settings) -> Runs:
    """Import MLflow, which takes seconds, and connect to it.

    Raises:
        PlaceError: it cannot be reached or used.

    """
    from study.tracking.mlflow import Runs  # noqa: PLC0415 - loads mlflow

    return Runs(settings.tracking_uri, server_name(settings), settings.artifacts)


def is_made(settings: Settings) -> bool:
    """Tell whether MLflow's database exists: the first run makes a SQLite file; a server or database counts as made."""
    file = sqlite_file(settings.tracking_uri)
    return file is None or file.exists()


def open_registry(settings: Settings) -> Registry:
    """Import MLflow, which takes seconds, and connect to its model registry.

    Raises:
        PlaceError: it cannot be reached or used.

    """
    from study.tracking.registry import Registry  # noqa: PLC0415 - loads mlflow

    return Registry(settings.tracking_uri, server_name(settings), settings.artifacts)


def run_of(settings: Settings, study: str, trial: int) -> str:
    """Find the MLflow run of a trial, after sending it if necessary, again if its run was deleted there.

    Raises:
        PlaceError: MLflow cannot be reached, or rejects the trial.

    """
    journal = _journal(settings, study)
    runs = connect(settings)
    (report,) = sync_studies(settings, [study])
    run = _run_sent(runs, journal, trial)
    if run is None:
        cursor.forget_trial(journal, trial)
        (report,) = sync_studies(settings, [study])
        run = _run_sent(runs, journal, trial)
    if run is None:
        raise PlaceError(f"MLflow has no run of trial {trial}: {report.error or 'it was not sent'}", where=study)
    return run


def _run_sent(runs: Runs, journal: Journal, trial: int) -> str | None:
    """Find the run of a trial that was sent whole; None if there is none, or if it was deleted."""
    sent = cursor.load(journal, runs.server).trials.get(trial)
    return sent.run if sent and sent.state is not None and runs.is_alive(sent.run) else None


def prepare(settings: Settings) -> None:
    """Make MLflow's SQLite file atomically if it is missing; check that another database can be reached.

    Raises:
        PlaceError: the file cannot be made, or the database does not answer.

    """
    if not (sqlite_file(settings.tracking_uri) and is_made(settings)):
        connect(settings)  # MLflow's server would try for minutes


def server(settings: Settings, *options: str) -> tuple[list[str], dict[str, str]]:
    """Give the command of MLflow's server and its environment, for a database that `prepare` has made.

    It does not execute jobs, which `study` does not use and which take 2 GB of memory.

    Args:
        settings: where MLflow is.
        options: further ones of `mlflow server`, such as where it listens.

    """
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", *options]
    command += ["--artifacts-destination", settings.artifacts.as_uri()]
    return command, {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": settings.tracking_uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def check(settings: Settings) -> str:
    """Check that MLflow answers and describe it, for `study doctor`.

    Raises:
        PlaceError: it cannot be reached or used; says what to do.

    """
    name = server_name(settings)
    if file := sqlite_file(settings.tracking_uri):
        return sqlite_check.check(file, name)
    from study.tracking import mlflow  # noqa: PLC0415 - loads mlflow

    return mlflow.check(settings.tracking_uri, name, settings.artifacts)


def server_name(settings: Settings) -> str:
    """Name the server or database: its URI without the password, and MLFLOW_EXPERIMENT_NAME if set."""
    named = without_password(settings.tracking_uri)
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    return f"{named}#{experiment}" if experiment else named


def _journal(settings: Settings, name: str) -> Journal:
    journal = Journal(settings.study_folder(name))
    if journal.definition() is None:
        raise PlaceError(f"no results of a study {name!r}", where=str(settings.home), fix="`study list` names them.")
    return journal


def _all(settings: Settings) -> list[Journal]:
    journals = (family.journal(name, settings.home) for name in family.studies(settings.home))
    return [each for each in journals if each.definition_file.exists()]
