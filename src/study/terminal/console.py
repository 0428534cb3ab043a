"""What the person's terminal can show and what they want to see: live view, verbosity, colour, log file."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.errors import PlaceError
from study.formatting import fitted, without_password, wrapped

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from rich.console import Console

    from study.text.shown import Shown

log = logging.getLogger("study")
BANNER_WIDTH = 78  # characters


@dataclass(frozen=True, slots=True)
class Terminal:
    """How to talk to the person at this terminal.

    Args:
        live: redraw a view in place; otherwise plain lines.
        quiet: nothing but errors on stderr.
        color: on stderr.

    """

    live: bool = False
    quiet: bool = False
    color: bool = False

    def console(self) -> Console:
        """Make a Rich console on stderr that keeps to this."""
        from rich.console import Console

        width = None if sys.stderr.isatty() else 100
        return Console(stderr=True, no_color=not self.color, highlight=False, soft_wrap=False, width=width)

    def warn(self, title: str, lines: Sequence[str]) -> None:
        """Print a banner that nobody misses, with a title; `--quiet` does not hide it."""
        if self.live:
            from rich.panel import Panel
            from rich.text import Text

            body = Text("\n".join(lines))
            self.console().print(Panel(body, title=f"[bold]{title}[/bold]", border_style="bold red", padding=(1, 2)))
            return
        rule = "!" * BANNER_WIDTH
        parts = [part for line in (title.upper(), *lines) for part in wrapped(line, BANNER_WIDTH - 4)]
        print("\n".join([rule, *(f"!! {part}" for part in parts), rule]), file=sys.stderr, flush=True)


def open_terminal(verbose: int, *, quiet: bool, progress: bool, log_file: Path | None) -> Terminal:
    """Set up what is shown on stderr and what is written to the log file.

    Args:
        verbose: 1 shows every epoch, 2 what the libraries say too.
        quiet: only errors.
        progress: whether a live view is welcome.
        log_file: gets everything, at the level of `verbose=1`, whatever is shown.

    Raises:
        PlaceError: the log file cannot be written.

    """
    here = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    terminal = Terminal(live=here and progress and not quiet, quiet=quiet, color=wants_color(here=here))
    shown = _Stderr()
    shown.setFormatter(_Lines(bare=terminal.live and not verbose))
    shown.setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO)
    shown.addFilter(lambda record: record.name.startswith("study") or verbose > 1)
    handlers: list[logging.Handler] = [shown]
    if log_file is not None:
        handlers.append(_file(log_file))
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    log.setLevel(logging.DEBUG)
    logging.captureWarnings(True)
    return terminal


@contextmanager
def hiding_news() -> Generator[None]:
    """Show nothing less than warnings on stderr meanwhile, since a live view shows the rest; `--verbose` does."""
    shown = [each for each in logging.getLogger().handlers if isinstance(each, _Stderr) and each.level == logging.INFO]
    for each in shown:
        each.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for each in shown:
            each.setLevel(logging.INFO)


def wants_color(*, here: bool) -> bool:
    """Colour on a terminal, or where FORCE_COLOR asks for it; NO_COLOR wins over both."""
    if os.environ.get("NO_COLOR"):
        return False
    return here or bool(os.environ.get("FORCE_COLOR"))


def width() -> int | None:
    """Columns of the terminal that stdout is; None where a program reads it and lines should stay whole."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def say(text: str) -> None:
    """Print a message to stderr; on a terminal it breaks at words, and elsewhere a line stays whole."""
    columns = os.get_terminal_size(2).columns if sys.stderr.isatty() and os.isatty(2) else 0
    print(fitted(text, columns or None), file=sys.stderr)


def show(found: Shown, *, as_json: bool) -> None:
    """Print a result for people, or as JSON."""
    print(found.to_json(indent=2) if as_json else found.text(width()))


def show_as(found: Shown, form: str) -> None:
    """Print a result: as `table` for people, as `json` or as `csv` for programs."""
    if form == "csv":
        print(found.to_csv(), end="")
    else:
        show(found, as_json=form == "json")


class _Stderr(logging.Handler):
    """Writes to what sys.stderr is at that moment: a live view puts itself there and keeps lines above it."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


class _Lines(logging.Formatter):
    """`[I 2026-11-21 06:00:00,000] Trial 12 finished ...`, as Optuna writes its own; as `bare`, news without the time.

    The server's news always has its time.
    """

    def __init__(self, *, bare: bool = False) -> None:
        super().__init__()
        self._bare = bare

    def format(self, record: logging.LogRecord) -> str:
        message = without_password(record.getMessage())
        if self._bare and record.name == log.name and record.levelno == logging.INFO:
            return message
        return f"[{record.levelname[0]} {self.formatTime(record)}] {message}"


def _file(path: Path) -> logging.Handler:
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise PlaceError(
            f"cannot be written: {error.strerror}", where=str(path), fix="Choose another --log-file."
        ) from error
    handler.setFormatter(_Lines())
    handler.setLevel(logging.DEBUG)
    return handler
