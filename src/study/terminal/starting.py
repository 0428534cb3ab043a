"""The first moment of a command that trains: the workers' server starts, and a line says what is going on.

Nothing heavy is imported before that.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from study.formatting import plural
from study.running.interrupt import ended_by_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rich.console import RenderableType

    from study.terminal.console import Terminal

log = logging.getLogger("study")
BAR = 40  # characters


@contextmanager
def starting(
    terminal: Terminal, executor: str, workers: int | None, device: str, *, trains: bool = True
) -> Generator[None]:
    """Start what loads torch, and say so until the block ends.

    Args:
        terminal: where it is shown.
        executor: its name; that of this machine has a server to start.
        workers: their number, None if it depends on the device.
        device: as a person names it.
        trains: otherwise only the block is run.

    """
    if not trains:
        yield
        return
    text = "connecting to Ray" if executor == "ray" else "loading torch"
    if executor == "local":
        from study.executors import server

        server.start()
        if workers is None and device == "cpu":
            workers = server.cores()
        text = f"starting {plural(workers, 'worker') if workers else 'the workers'}: loading torch"
    with ended_by_interrupt(), reporting(terminal) as report:
        report(text, None)
        yield


@contextmanager
def reporting(terminal: Terminal) -> Generator[Callable[[str, float | None], None]]:
    """Give a function that shows how far a long piece of work is: a text, and a share in [0, 1] or None."""
    if not terminal.live:
        yield _Steps().tell
        return
    from rich.live import Live

    from study.terminal.frame import Frame

    told: list[tuple[str, float | None]] = []
    console = terminal.console()
    frame, spinner = Frame(console), _spinner()
    with Live(console=console, get_renderable=lambda: frame.next(_line(spinner, *told[-1:])), transient=True) as view:

        def show(text: str, share: float | None) -> None:
            told.append((text, share))
            view.refresh()

        yield show


def _spinner() -> RenderableType:
    from rich.spinner import Spinner

    return Spinner("dots")


def _line(spinner: RenderableType, told: tuple[str, float | None] = ("", None)) -> RenderableType:
    """Draw the text on one line, before it a spinner, after it a bar where the share is known."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    text, share = told
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_column()
    row.add_column(no_wrap=True, overflow="ellipsis")
    cells = [spinner, Text(text)]
    if share is not None:
        row.add_column(width=BAR)
        row.add_column()
        cells += [ProgressBar(total=1.0, completed=share), Text(f"{share:4.0%}")]
    row.add_row(*(cells if text else ()))
    return row


class _Steps:
    """Logs a new text at once and a share in steps of a tenth."""

    def __init__(self) -> None:
        self._last = ("", -1)

    def tell(self, text: str, share: float | None) -> None:
        now = (text, int(10 * (share or 0)))
        if now != self._last:
            self._last = now
            log.info(text if share is None else f"{text}: {10 * now[1]} %")
