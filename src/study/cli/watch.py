"""A search or a comparison as it goes on: shown, printed as JSON, stopped by Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from study.cli import live
from study.cli.terminal import width
from study.errors import Interrupted
from study.formatting import to_json
from study.progress import SearchStarted, TrialEnded
from study.record import family, results
from study.schemas.trial import EndedTrial

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from study.cli.terminal import Terminal
    from study.progress import Progress
    from study.running.board import Board
    from study.text.shown import Shown

SECOND_CTRL_C = 2.0  # seconds that the end may take after it


def follow(
    begin: Callable[[threading.Event], Iterator[Progress]],
    home: Path,
    board: Board,
    terminal: Terminal,
    *,
    as_json: bool,
) -> None:
    """Iterate to the end and show what happens.

    Args:
        begin: makes the iterator from the event that stops it.
        home: folder of all results.
        board: takes what happens.
        terminal: where it is shown.
        as_json: whether each finished trial is printed as JSON.

    Raises:
        Interrupted: Ctrl-C or SIGTERM came, and everything is saved.

    """
    stop = threading.Event()
    with _signals(stop, board, live=terminal.live) as told_to_stop, live.shown(terminal, board) as show:
        for progress in begin(stop):
            if isinstance(progress, SearchStarted):
                journal = family.journal(progress.study, home)
                metric = results.metric_of(journal)
                board.start(progress, metric, results.rows(journal, metric))
            board.take(progress)
            show(progress)
            if isinstance(progress, TrialEnded) and as_json:
                folder = family.journal(board.study, home).trial(progress.trial)
                ended = results.row(folder, board.metric)
                print_json(EndedTrial(study=board.study, **ended.values()).plain())
        if told_to_stop():
            raise Interrupted("stopped, everything saved", where=board.study, fix="The same command continues.")


@contextmanager
def _signals(stop: threading.Event, board: Board, *, live: bool) -> Generator[Callable[[], bool]]:
    """Ctrl-C or SIGTERM once: end after saving; twice: end at once. Gives a function that tells whether one came."""
    came: list[int] = []

    def take(number: int, _frame: object) -> None:
        came.append(number)
        if len(came) == 1 and board.target:  # before the search begins there is nothing to save
            stop.set()
            board.stopping = True
            if not live:  # os.write, since the signal may have come in the middle of a print
                os.write(2, b"stopping after the present epochs; once more to stop at once\n")
            return
        timer = threading.Timer(SECOND_CTRL_C, _end_at_once)
        timer.daemon = True
        timer.start()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_once() -> None:
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(130)


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
