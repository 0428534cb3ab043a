"""Tracking: mirrors the trial folders to MLflow, which is loaded by whoever first talks to it."""

from __future__ import annotations

import os
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from study.errors import PlaceError
from study.record import family
from study.record.journal import Journal
from study.telling import follow
from study.tracking import cursor, mirror
from study.tracking.mirror import Mirror, Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from study.progress import Progress
    from study.settings import Settings
    from study.tracking.mirror import Client
    from study.tracking.registry import Registry


def tracked(progress: Iterator[Progress], journal: Journal, settings: Settings) -> Iterator[Progress]:
    """Mirror a study to MLflow while it is searched; MLflow's troubles become one notice.

    Args:
        progress: the search.
        journal: the folders it writes.
        settings: where MLflow is.

    Yields:
        What the search yields, and notices.

    """
    notices: SimpleQueue[str] = SimpleQueue()
    running = Mirror(journal, place(settings), lambda: connect(settings), notices.put)
    yield from follow(progress, running, notices, "MLflow", journal.folder.name)


def sync_studies(settings: Settings, names: Sequence[str] = ()) -> list[Report]:
    """Make MLflow equal to the folders of the studies, of all that there are when none is named.

    Args:
        settings: where the folders and MLflow are.
        names: of studies.

    Returns:
        What was done, a report a study.

    Raises:
        PlaceError: there is no such study, or MLflow cannot be reached.

    """
    journals = [_journal(settings, name) for name in names] or _all(settings)
    if not journals:
        return []
    client = connect(settings)
    for journal in journals:
        cursor.forget_replaced(journal, client.place)
    return [mirror.sync(journal, client) for journal in journals]


def forget(settings: Settings, names: Sequence[str]) -> int:
    """Delete the studies' runs as MLflow deletes them, to be restored there until `mlflow gc`; models stay.

    Returns:
        The number of runs.

    Raises:
        PlaceError: MLflow cannot be reached.

    """
    if not is_made(settings):
        return 0
    from study.tracking.mlflow import Runs  # noqa: PLC0415 - loads mlflow

    runs = Runs(settings.tracking_uri, place(settings), settings.artifacts)
    return sum(runs.forget(name) for name in names)


def connect(settings: Settings) -> Client:
    """Reach MLflow; loads it, which takes seconds.

    Raises:
        PlaceError: it cannot be reached or used.

    """
    from study.tracking.mlflow import Runs  # noqa: PLC0415 - loads mlflow

    return Runs(settings.tracking_uri, place(settings), settings.artifacts)


def is_made(settings: Settings) -> bool:
    """Tell whether there is anything to reach: a SQLite file is made by the first run; all else is somebody's."""
    file = settings.tracking_uri.removeprefix("sqlite:///")
    return file == settings.tracking_uri or Path(file).exists()


def open_registry(settings: Settings) -> Registry:
    """Reach the model registry; loads MLflow, which takes seconds.

    Raises:
        PlaceError: it cannot be reached or used.

    """
    from study.tracking.registry import Registry  # noqa: PLC0415 - loads mlflow

    return Registry(settings.tracking_uri, place(settings), settings.artifacts)


def run_of(settings: Settings, study: str, trial: int) -> str:
    """Find the MLflow run of a trial, told to it first where it was not.

    Raises:
        PlaceError: MLflow is away, or does not take the trial.

    """
    (report,) = sync_studies(settings, [study])
    told = cursor.load(_journal(settings, study), place(settings)).trials.get(trial)
    if told is None or told.state is None:
        raise PlaceError(f"MLflow has no run of trial {trial}: {report.error}", where=study)
    return told.run


def prepare(settings: Settings) -> None:
    """Make MLflow's SQLite file if it is missing, whole or not at all; another server or database sees to itself.

    Raises:
        PlaceError: it cannot be made.

    """
    if not is_made(settings):
        connect(settings)


def check(settings: Settings) -> str:
    """Say what MLflow is there and that it answers, for `study doctor`.

    Raises:
        PlaceError: it cannot be reached or used, and the cure.

    """
    from study.tracking import mlflow  # noqa: PLC0415 - loads mlflow

    return mlflow.check(settings.tracking_uri, place(settings), settings.artifacts)


def place(settings: Settings) -> str:
    """Name the server or database without its password, with the experiment if one is forced upon all studies."""
    parts = urlsplit(settings.tracking_uri)
    named = settings.tracking_uri.replace(f":{parts.password}@", ":***@") if parts.password else settings.tracking_uri
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    return f"{named}#{experiment}" if experiment else named


def _journal(settings: Settings, name: str) -> Journal:
    journal = Journal(settings.study_folder(name))
    if journal.definition() is None:
        raise PlaceError(f"no results of a study {name!r}", where=str(settings.home), fix="`study list` names them.")
    return journal


def _all(settings: Settings) -> list[Journal]:
    there = (family.journal(name, settings.home) for name in family.studies(settings.home))
    return [each for each in there if each.definition_file.exists()]
