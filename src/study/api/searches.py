"""Questions that the folders answer by themselves: nothing is trained, no database is asked, no study's file is run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, overload

from study.record import family, one_trial, results
from study.settings import resolve
from study.study_files import load

if TYPE_CHECKING:
    from study.definition import Study
    from study.insight.importance import Importance
    from study.insight.overview import Overview
    from study.insight.planning import SeedPlan
    from study.insight.savings import Pruning
    from study.insight.searches import SideBySide
    from study.record.export import Export
    from study.record.journal import Journal
    from study.record.one_trial import OneTrial
    from study.schemas.trial import RepeatableRecipe

log = logging.getLogger("study")


@overload
def show(
    name: str, trial: None = None, *, sort_by: str | None = None, top: int | None = None, home: str | Path | None = None
) -> Overview: ...
@overload
def show(name: str, trial: int, *, home: str | Path | None = None) -> OneTrial: ...
def show(
    name: str,
    trial: int | None = None,
    *,
    sort_by: str | None = None,
    top: int | None = None,
    home: str | Path | None = None,
) -> Overview | OneTrial:
    """Show a study's trials and what the search says of itself, or one trial with all its epochs.

    Args:
        name: of a study that has results.
        trial: number of a trial; None for all trials.
        sort_by: `trial`, `state`, `value`, `epochs`, `seconds`, `variant`, `reason`, or a knob.
        top: number of trials, 1 or more; all if unset.
        home: folder of results; `STUDY_HOME`, else `mlruns`.

    Raises:
        InputError: no such study, trial, column or knob.
        StudyError: a damaged file; names it and its line.

    """
    from study.insight import overview  # noqa: PLC0415 - numpy

    journal = _journal(name, home)
    return overview.read(journal, sort_by, top) if trial is None else one_trial.read(journal, trial)


def best(name: str, *, home: str | Path | None = None) -> RepeatableRecipe:
    """Describe the best trial's recipe, for `study run --recipe`.

    Args:
        name: of a study that has results.
        home: folder of results; `STUDY_HOME`, else `mlruns`.

    Raises:
        InputError: no such study.
        StudyError: no trial is complete, or a damaged file.

    """
    return results.best_recipe(_journal(name, home))


def importance(name: str, *, home: str | Path | None = None) -> Importance:
    """Assess which knobs of a search mattered, beside what chance and seeds do.

    Args:
        name: of a study that was searched.
        home: folder of results; `STUDY_HOME`, else `mlruns`.

    Raises:
        InputError: no such study.
        StudyError: a damaged file; names it and its line.

    """
    from study.insight import importance as assessing  # noqa: PLC0415 - optuna

    return assessing.read(_journal(name, home))


def plan(
    study: Study | str,
    difference: float = 0.005,
    *,
    sd: float | None = None,
    workers: int | None = None,
    home: str | Path | None = None,
) -> SeedPlan:
    """Say how many seeds a comparison of a study's variants needs, and how long they take; nothing is run.

    Args:
        study: a `Study`, or the name or path of one.
        difference: that is to be found, above 0, in the metric's unit: 0.005 is half a point of accuracy.
        sd: standard deviation between seeds, in the metric's unit; None for that of earlier trainings.
        workers: trainings at a time; None for one a core.
        home: folder of results; `STUDY_HOME`, else `mlruns`.

    Raises:
        InputError: a number out of range, or the noise between seeds is not known yet.

    """
    from study.executors.server import cores  # noqa: PLC0415 - for a plan alone
    from study.insight import planning  # noqa: PLC0415 - scipy

    found = load(study) if isinstance(study, str) else study
    return planning.plan(found, resolve(home), difference, sd, workers or cores())


def pruning(name: str, *, home: str | Path | None = None) -> Pruning:
    """Say what pruning saved in a search, and what it lost according to the trials that ran on.

    Args:
        name: of a study that was searched.
        home: folder of results; `STUDY_HOME`, else `mlruns`.

    Raises:
        InputError: no such study.
        StudyError: a damaged file; names it and its line.

    """
    from study.insight import savings  # noqa: PLC0415 - numpy

    return savings.of(_journal(name, home))


def side_by_side(*names: str, home: str | Path | None = None) -> SideBySide:
    """Set searches side by side at equal budget; writes the picture and the table to the home folder.

    A home folder that cannot be written is a warning in the log.

    Args:
        names: of studies that were searched for the same thing; a study's file stands for its name.
        home: folder of results; `STUDY_HOME`, else `mlruns`.

    Raises:
        InputError: no such study, no search, no finished trial, one is named twice, or the objectives differ.
        StudyError: a damaged file; names it and its line.

    """
    from study.insight import searches  # noqa: PLC0415 - numpy

    found = searches.side_by_side([_journal(Path(name).name.removesuffix(".py"), home) for name in names])
    try:
        pictures = found.publish(resolve(home).home)
    except OSError as error:
        log.warning("no picture: %s cannot be written: %s", error.filename or found.name, error.strerror or error)
    else:
        log.info("pictures: %s", ", ".join(str(path) for path in pictures))
    return found


def export(name: str, *, per_epoch: bool = False, home: str | Path | None = None) -> Export:
    """Give the trials of a study as one table: every knob, the last epoch's metrics.

    Args:
        name: of a study that has results.
        per_epoch: a row for each epoch instead of one for each trial.
        home: folder of results; `STUDY_HOME`, else `mlruns`.

    Raises:
        InputError: no such study.
        StudyError: a damaged file; names it and its line.

    """
    from study.record import export as exporting  # noqa: PLC0415 - its name is this function's

    journal = _journal(name, home)
    return exporting.epochs(journal) if per_epoch else exporting.trials(journal)


def _journal(name: str, home: str | Path | None) -> Journal:
    return family.find(name, resolve(home).home)
