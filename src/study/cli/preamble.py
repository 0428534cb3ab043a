"""What is settled and shown before a search: the data's download, the banner over fallback data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study import request
from study.record.family import Family
from study.running import preflight
from study.terminal.starting import reporting

if TYPE_CHECKING:
    from study.definition import Study
    from study.options import Options
    from study.settings import Settings
    from study.terminal.console import Terminal


def read(places: Settings, name: str, *, data: str | None, rename: str | None, show_only: bool) -> Study:
    """Read the study that a question is about; only what is recorded of it if nothing is trained.

    Args:
        places: where results are.
        name: of the study, or the path of its file.
        data: the data set to take instead of the study's own.
        rename: the study's new name.
        show_only: neither the study's file nor its data is needed.

    Raises:
        InputError: the study cannot be read, or nothing is recorded of it.

    """
    if show_only:
        return request.recorded(name, places.home, data=data, rename=rename)
    return request.read(name, recipe=None, fixed={}, data=data, rename=rename, home=places.home).study


def searched(terminal: Terminal, places: Settings, wanted: Study, how: Options, *, fallback: bool) -> Study:
    """See to a study's data and return it as its search ran it, knobs held fixed.

    Raises:
        DataError: neither on disk nor downloadable.

    """
    study = settled(terminal, wanted, how, fallback=fallback)
    return Family(study.name, places.home).as_searched(study)


def settled(terminal: Terminal, wanted: Study, how: Options, *, fallback: bool) -> Study:
    """See to a study's data, with the banner if another set stands in.

    Raises:
        DataError: neither on disk nor downloadable.

    """
    with reporting(terminal) as report, how.calling() as call:
        study, reason = preflight.available_data(wanted, fallback=fallback, report=report, call=call)
    if reason:
        banner(terminal, wanted, study, reason)
    return study


def banner(terminal: Terminal, wanted: Study, study: Study, reason: str) -> None:
    """Say that this is not the data asked for, such that nobody misses it; even `--quiet` does not hide it."""
    missing, taken = getattr(wanted.recipe, "dataset", "the data"), getattr(study.recipe, "dataset", "other data")
    title = f"NOT {missing}: this search runs on the fallback data {taken}"
    lines = [
        f"Why: {reason}.",
        f"Its results are kept apart, as the study {study.name}; they say nothing about {missing}.",
        f"To get {missing}: go online, or `study data import {missing} FILE`. To fail instead: --no-fallback.",
    ]
    terminal.warn(title, lines)
