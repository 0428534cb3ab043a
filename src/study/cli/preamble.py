"""What is shown before a search: the data's download, the banner over fallback data, the plan of a dry run."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from study.cli.frame import Frame
from study.formatting import wrapped
from study.record.family import Family
from study.text.table import clip

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rich.console import RenderableType

    from study.cli.terminal import Terminal
    from study.definition import Study
    from study.settings import Settings

log = logging.getLogger("study")
BANNER_WIDTH = 78


@contextmanager
def reporting(terminal: Terminal) -> Generator[Callable[[str, float | None], None]]:
    """Give a function that shows how far a long piece of work is: a text, and a share in [0, 1] or None."""
    if not terminal.live:
        yield _Steps().tell
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = terminal.console()
    frame = Frame(console)

    class Bar(Progress):
        def get_renderable(self) -> RenderableType:
            return frame.next(super().get_renderable())

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0, visible=False)

        def show(text: str, share: float | None) -> None:
            room = max(20, bar.console.width - 60)
            total = None if share is None else 1.0
            bar.update(task, description=clip(text, room), completed=share or 0.0, total=total, visible=True)

        yield show


class _Steps:
    """Logs a new text at once and a share in steps of a tenth."""

    def __init__(self) -> None:
        self._last = ("", -1)

    def tell(self, text: str, share: float | None) -> None:
        now = (text, int(10 * (share or 0)))
        if now != self._last:
            self._last = now
            log.info(text if share is None else f"{text}: {10 * now[1]} %")


def searched(
    terminal: Terminal,
    places: Settings,
    name: str,
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
        data: the data set to take instead of the study's own.
        rename: the study's new name.
        fallback: whether the study's fallback data may be taken.
        show_only: neither the study's file nor its data is needed.

    Raises:
        InputError: the study or its data cannot be read, or nothing is recorded of it.

    """
    from study import request

    if show_only:
        return request.recorded(name, places.home, data=data, rename=rename)
    asked = request.read(name, recipe=None, fixed={}, data=data, rename=rename, home=places.home).study
    study = settled(terminal, asked, fallback=fallback and data is None)
    return Family(study.name, places.home).as_searched(study)


def settled(terminal: Terminal, asked: Study, *, fallback: bool) -> Study:
    """See to a study's data, with the banner if another set stands in.

    Raises:
        DataError: neither on disk nor downloadable.

    """
    with reporting(terminal) as report:
        if terminal.live:
            report("loading", None)
        from study.running import preflight

        study, reason = preflight.available_data(asked, fallback=fallback, report=report)
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
