"""The calls about studies as a whole: write, check, list, report on, synchronize and remove them; and `doctor`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from study import template
from study.record import family, studies
from study.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from study.record.studies import Studies
    from study.report.page import Written
    from study.running.doctor import Findings
    from study.running.removal import Removal
    from study.running.study_check import Checked
    from study.running.sync import Synchronized
    from study.schemas.machine import Finding
    from study.settings import Settings

log = logging.getLogger("study")

# What a call needs of Optuna, MLflow and torch it imports itself: they take seconds.


def new(name: str) -> Path:
    """Write studies/NAME.py: a commented study that runs as it is.

    Args:
        name: of the study, a Python identifier.

    Returns:
        The file.

    Raises:
        InputError: not a name for a study.
        PlaceError: the file is there already, or cannot be written.

    """
    return template.write(name)


def check(name: str) -> Checked:
    """Prove without training that a study can be searched.

    Args:
        name: of the study, or the path of its file.

    Raises:
        StudyFileError: no such study, or one that cannot be read.
        InputError: a recipe that does not fit, and why; an unknown data set.

    """
    from study.running import study_check  # noqa: PLC0415 - see above

    return study_check.check(name)


def list_studies(*, home: str | Path | None = None) -> Studies:
    """List the studies that can be run or have results.

    Args:
        home: folder of results; `STUDY_HOME`, else `mlruns`.

    """
    return studies.list_studies(resolve(home).home)


def write_report(
    name: str,
    output: str | Path | None = None,
    *,
    home: str | Path | None = None,
    tracking_uri: str | None = None,
) -> Written:
    """Write a study's report: one HTML page that needs no network, and the same as Markdown; MLflow gets it, too.

    Args:
        name: of the study.
        output: a file that ends in .html or .md, or a folder for both, of which MLflow is not told; None is the
            study's artifacts.
        home: folder of results; `STUDY_HOME`, else `mlruns`.
        tracking_uri: MLflow's; `MLFLOW_TRACKING_URI`, else SQLite in `home`. If it is away, a warning is logged.

    Raises:
        InputError: no results of such a study.
        StudyError: a file of its folders is damaged.
        PlaceError: the report cannot be written.

    """
    places = resolve(home, None, tracking_uri)
    study = _reported(name, places)
    from study.report import page  # noqa: PLC0415 - see above

    written = page.write(study, places, Path(output) if output else None)
    if output is None and (main := written.html or written.markdown):
        _publish(places, main.parent.parent.name)
    return written


def sync(
    names: Sequence[str] = (),
    *,
    dry_run: bool = False,
    home: str | Path | None = None,
    storage: str | None = None,
    tracking_uri: str | None = None,
) -> Synchronized:
    """Make Optuna and MLflow equal to the trial folders.

    Args:
        names: of studies that have results; empty is all.
        dry_run: only say what MLflow lacks; nothing is asked or sent.
        home: folder of results; `STUDY_HOME`, else `mlruns`.
        storage: Optuna's database as an SQLAlchemy URL; `OPTUNA_STORAGE`, else SQLite in `home`.
        tracking_uri: MLflow's; `MLFLOW_TRACKING_URI`, else SQLite in `home`.

    Raises:
        InputError: no results of such a study.
        PlaceError: the database or MLflow cannot be used.
        StudyError: a study's definition is damaged; a damaged trial is left out, and named as `trouble`.

    """
    places = resolve(home, storage, tracking_uri)
    chosen = [family.find(name, places.home).folder.name for name in names or family.studies(places.home)]
    from study.running import sync as running  # noqa: PLC0415 - see above

    return running.pending(places, chosen) if dry_run else running.sync(places, chosen)


def remove(
    name: str,
    *,
    ask: Callable[[Removal], None] | None = None,
    home: str | Path | None = None,
    storage: str | None = None,
    tracking_uri: str | None = None,
) -> Removal:
    """Delete a study's results: folders, trials in Optuna, runs in MLflow. Its file and registered models stay.

    Args:
        name: of the study; what was made for it is deleted with it.
        ask: is called with what is to be deleted; nothing is deleted if it raises.
        home: as in `sync`.
        storage: as in `sync`.
        tracking_uri: as in `sync`.

    Raises:
        InputError: nothing is known of it.
        StudyLocked: it is run now; nothing was deleted.
        PlaceError: a database, MLflow or a folder cannot be used; the same call finishes it.

    """
    from study.running import removal  # noqa: PLC0415 - see above

    places = resolve(home, storage, tracking_uri)
    found = removal.plan(name, places)
    if ask:
        ask(found)
    removal.remove(found, places)
    return found


def doctor(
    *,
    watch: Callable[[Finding], None] | None = None,
    repair: bool = False,
    run_again: bool = False,
    home: str | Path | None = None,
    storage: str | None = None,
    tracking_uri: str | None = None,
) -> Findings:
    """Check devices, places, databases, data, studies and results, and name cures.

    Args:
        watch: is called with each finding at once; some take seconds.
        repair: whether damaged files of results are restored, each after a copy into `backups` in the home folder.
        run_again: whether damaged trials are run again by the next search, rather than restored.
        home: as in `sync`.
        storage: as in `sync`.
        tracking_uri: as in `sync`.

    """
    from study.running import doctor as running  # noqa: PLC0415 - see above

    return running.doctor(resolve(home, storage, tracking_uri), watch, repair=repair, run_again=run_again)


def _reported(name: str, places: Settings) -> str:
    """Name the study that is to be reported on: of one made for another, that other.

    Raises:
        InputError: nothing is known of it; says the nearest.

    """
    if family.names_of(name, family.studies(places.home)):
        return family.Family.of(name, places.home).name
    return family.find(name, places.home).folder.name


def _publish(places: Settings, study: str) -> None:
    """Send the report to MLflow; it is written, whatever MLflow says."""
    from study import tracking  # noqa: PLC0415 - see above

    if not tracking.is_made(places):
        return  # no search has told MLflow anything; the first that does tells it of the report, too
    for trouble in tracking.try_sync(places, [study]):
        log.warning("MLflow does not have the report yet: %s; `study sync %s` sends it", trouble, study)
