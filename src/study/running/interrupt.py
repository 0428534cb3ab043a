"""Stops a run at Ctrl-C or SIGTERM: the first one after the current epochs, the second one at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

GRACE = 2.0  # seconds after the second signal, after which the process and its workers are killed


@contextmanager
def stopped_by_signals(
    stop: threading.Event, has_begun: Callable[[], bool], tell: Callable[[], None]
) -> Generator[Callable[[], bool]]:
    """Handle SIGINT and SIGTERM while a run goes on; call it in the main thread.

    Args:
        stop: is set by the first signal.
        has_begun: whether there is something to save; before that, the first signal ends the process at once.
        tell: is called in the signal handler, after `stop` was set.

    Yields:
        A function that tells whether a signal came.

    Raises:
        KeyboardInterrupt: a second signal came, or the first one came before anything had begun.

    """
    received: list[int] = []

    def take(number: int, _frame: object) -> None:
        received.append(number)
        if len(received) == 1 and has_begun():
            stop.set()
            tell()
            return
        timer = threading.Timer(GRACE, _kill)
        timer.daemon = True
        timer.start()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _kill() -> None:
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(130)
