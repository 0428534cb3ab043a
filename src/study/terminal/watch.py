"""Shows a run while it goes on: as a live view, lines or JSON; prints answers."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from study.errors import Interrupted
from study.formatting import to_json
from study.progress import TrialEnded, finish
from study.record import family
from study.record.trial import Trial
from study.running.interrupt import stopped_by_signals
from study.schemas.trial import EndedTrial
from study.stopping import Stop
from study.terminal.console import width
from study.terminal.live import STOPPING, STOPPING_SOON, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from study.progress import Progress, Result
    from study.running.board import Board
    from study.terminal.console import Terminal
    from study.text.shown import Shown


def follow(
    begin: Callable[[Stop], Generator[Progress, None, Result]],
    home: Path,
    board: Board,
    terminal: Terminal,
    *,
    as_json: bool,
) -> Result:
    """Run to the end, show what happens, and return the result.

    Args:
        begin: makes the run from the event that stops it.
        home: folder of all results.
        board: takes what happens.
        terminal: where it is shown.
        as_json: whether each finished trial is printed as JSON.

    Raises:
        Interrupted: Ctrl-C, SIGTERM or SIGHUP came, and everything is saved.

    """
    stop = Stop()

    def tell_stopping(number: int) -> None:
        board.stopping = STOPPING if number == signal.SIGINT else STOPPING_SOON
        if not terminal.live:  # os.write, since the signal may have come in the middle of a print
            with suppress(OSError):  # stderr has gone
                os.write(2, f"{board.stopping}\n".encode())

    def watch(progress: Progress) -> None:
        board.follow(progress, home)
        show(progress)
        if isinstance(progress, TrialEnded) and as_json:
            row = Trial.of(family.journal(board.study, home).trial(progress.trial)).row
            print_json(EndedTrial(study=board.study, **row.values()).plain())

    signals = stopped_by_signals(stop, lambda: board.target > 0, tell_stopping)
    with signals as told_to_stop, shown(terminal, board) as show:
        found = finish(begin(stop), watch)
        if told_to_stop():
            fix = "The same command continues."
            raise Interrupted("stopped, everything saved", where=board.study, fix=fix).by(stop.signal)
    return found


def print_answer(found: Shown, *, as_json: bool, as_csv: bool = False) -> None:
    """Print what a question found: one JSON line, CSV, or text at the terminal's width."""
    if as_json:
        print_json(found.record().plain())
    elif as_csv:
        print(found.to_csv(), end="")
    else:
        print(found.text(width()))


def print_json(value: Any) -> None:
    """Print one JSON value on one line, at once."""
    print(to_json(value), flush=True)
