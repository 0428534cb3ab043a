"""The first moment of a command that trains: the workers' server starts, and a line says what is going on.

Nothing heavy is imported before that.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from study.formatting import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rich.console import RenderableType

    from study.terminal.console import Terminal

log = logging.getLogger("study")
BAR = 40  # characters
AT_ONCE = 0.4  # seconds: what has ended by then was no work


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
    with reporting(terminal) as report:
        report(text, None)
        yield


@contextmanager
def reporting(terminal: Terminal) -> Generator[Callable[[str, float | None], None]]:
    """Give a function that shows how far a long piece of work is: a text, and a share in [0, 1] or None."""
    if not terminal.live:
        with _Steps() as steps:
            yield steps.tell
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
    """Logs each new text, and a share in steps of a tenth; nothing if a mistake ends the work at once."""

    def __init__(self) -> None:
        self._last: tuple[str, int | None] = ("", None)
        self._held: list[str] | None = []  # until it is clear that there is work
        self._lock = threading.Lock()
        self._timer = threading.Timer(AT_ONCE, self._release)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._timer.cancel()
        if kind is None:
            self._release()

    def tell(self, text: str, share: float | None) -> None:
        now = (text, None if share is None else int(10 * share))
        with self._lock:
            if now == self._last:
                return
            self._last = now
            line = text if share is None else f"{text}: {10 * int(10 * share)} %"
            if self._held is None:
                log.info(line)
            else:
                self._held.append(line)

    def _release(self) -> None:
        with self._lock:
            for line in self._held or ():
                log.info(line)
            self._held = None
