"""Stops a run on Ctrl-C, SIGTERM or SIGHUP: the first signal after the current epochs, the second one immediately.

A person who presses Ctrl-C can wait for an epoch, or press it again. A sender of SIGTERM or SIGHUP soon kills the
process, a container after 10 s: epochs that end within `PATIENCE` are saved, others restart from the last checkpoint.
"""

from __future__ import annotations

import math
import os
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from study import processes
from study.errors import Terminated
from study.executors import server
from study.stopping import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from study.stopping import Stop

PATIENCE = 1.0  # seconds that running epochs get after SIGTERM or SIGHUP
LEAVE = 4.5  # seconds from SIGTERM or SIGHUP until the process and its workers are killed
GRACE = 2.0  # the same from the second signal
AT_ONCE = b"Stopped at once; all finished epochs are saved, and the same command continues.\n"


@contextmanager
def stopped_by_signals(
    stop: Stop, has_begun: Callable[[], bool], tell: Callable[[int], None]
) -> Generator[Callable[[], bool]]:
    """Handle SIGINT, SIGTERM and SIGHUP during a run; call this in the main thread.

    A SIGHUP that is ignored, as under `nohup`, stays ignored.

    Args:
        stop: set by the first signal.
        has_begun: whether there is anything to save; before that, the first signal ends the process immediately.
        tell: called in the signal handler with the signal number, after `stop` is set.

    Yields:
        A function that tells whether a signal has arrived.

    Raises:
        KeyboardInterrupt: a second signal arrived, or the first one arrived before `has_begun`.

    """
    received: list[int] = []

    def take(number: int, _frame: object) -> None:
        received.append(number)
        if len(received) == 1 and has_begun():
            by_person = number == signal.SIGINT
            stop.by_signal(number, math.inf if by_person else PATIENCE)
            if not by_person:
                _kill_after(LEAVE, number)
            tell(number)
            return
        _kill_after(GRACE, number)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)

    numbers = [each for each in SIGNALS if not is_ignored(each)]
    before = {number: signal.signal(number, take) for number in numbers}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ended_by_interrupt() -> Generator[None]:
    """End the process within `GRACE` of a SIGINT, while nothing has begun; call this in the main thread.

    A KeyboardInterrupt can be lost while modules are loaded: Python drops what a weak reference's callback raises, such
    as those of import locks (https://docs.python.org/3/library/weakref.html), and packages catch what imports raise.
    """

    def take(number: int, _frame: object) -> None:
        _kill_after(GRACE, number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, take)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def is_ignored(number: int) -> bool:
    """Tell whether a signal is ignored, as SIGHUP is under `nohup`; SIGINT is always handled."""
    return number != signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN


def _kill_after(seconds: float, number: int) -> None:
    timer = threading.Timer(seconds, _kill, (number,))
    timer.daemon = True
    timer.start()


def _kill(number: int) -> None:
    processes.end_children()
    server.stop()
    with suppress(OSError):
        os.write(2, AT_ONCE)
    os._exit(128 + number)
