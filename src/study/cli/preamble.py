"""What is settled and shown before a search: the data's download, the banner over fallback data."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from study import request
from study.cli.starting import reporting
from study.formatting import wrapped
from study.record.family import Family
from study.running import preflight

if TYPE_CHECKING:
    from study.cli.terminal import Terminal
    from study.definition import Study
    from study.options import Options
    from study.settings import Settings

BANNER_WIDTH = 78


def searched(
    terminal: Terminal,
    places: Settings,
    name: str,
    how: Options,
    *,
    data: str | None,
    rename: str | None,
    fallback: bool,
    show_only: bool,
) -> Study:
    """Read a study as its search ran it, knobs held fixed, with its data settled; or only what is recorded of it.

    Args:
        terminal: shows progress.
        places: where results are.
        name: of the study, or the path of its file.
        how: where data are made.
        data: the data set to take instead of the study's own.
        rename: the study's new name.
        fallback: whether the study's fallback data may be taken.
        show_only: neither the study's file nor its data is needed.

    Raises:
        InputError: the study or its data cannot be read, or nothing is recorded of it.

    """
    if show_only:
        return request.recorded(name, places.home, data=data, rename=rename)
    asked = request.read(name, recipe=None, fixed={}, data=data, rename=rename, home=places.home).study
    study = settled(terminal, asked, how, fallback=fallback and data is None)
    return Family(study.name, places.home).as_searched(study)


def settled(terminal: Terminal, asked: Study, how: Options, *, fallback: bool) -> Study:
    """See to a study's data, with the banner if another set stands in.

    Raises:
        DataError: neither on disk nor downloadable.

    """
    with reporting(terminal) as report, how.calling() as call:
        study, reason = preflight.available_data(asked, fallback=fallback, report=report, call=call)
    if reason:
        banner(terminal, asked, study, reason)
    return study


def banner(terminal: Terminal, asked: Study, study: Study, reason: str) -> None:
    """Say that this is not the data asked for, such that nobody misses it; even `--quiet` does not hide it."""
    wanted, taken = getattr(asked.recipe, "dataset", "the data"), getattr(study.recipe, "dataset", "other data")
    title = f"NOT {wanted}: this search runs on the fallback data {taken}"
    lines = [
        f"Why: {reason}.",
        f"Its results are kept apart, as the study {study.name}; they say nothing about {wanted}.",
        f"To get {wanted}: go online, or `study data import {wanted} FILE`. To fail instead: --no-fallback.",
    ]
    if terminal.live:
        from rich.panel import Panel
        from rich.text import Text

        body = Text("\n".join(lines))
        terminal.console().print(Panel(body, title=f"[bold]{title}[/bold]", border_style="bold red", padding=(1, 2)))
        return
    rule = "!" * BANNER_WIDTH
    parts = [part for line in (title.upper(), *lines) for part in wrapped(line, BANNER_WIDTH - 4)]
    print("\n".join([rule, *(f"!! {part}" for part in parts), rule]), file=sys.stderr, flush=True)
