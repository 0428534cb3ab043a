"""The wish that a run ends: after its present epochs, or, where a system waits only so long, by a moment."""

from __future__ import annotations

import math
import signal
import threading
import time

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # by which a person or a system ends a program
HURRY = 1.0  # seconds that Optuna and MLflow each have to hear the rest when a run was told to end


class Stop(threading.Event):
    """Is set to end a run after its present epochs; epochs that are not done by a moment, if there is one, are lost."""

    def __init__(self) -> None:
        """Make it unset."""
        super().__init__()
        self.signal = signal.SIGINT
        self._by = math.inf

    def by_signal(self, number: int, patience: float) -> None:
        """Set it because of a signal, with `patience` seconds for the present epochs."""
        self.signal = signal.Signals(number)
        self._by = time.monotonic() + patience
        self.set()

    def is_over(self) -> bool:
        """Tell whether nobody waits for the present epochs any more."""
        return time.monotonic() > self._by


def is_over(stop: threading.Event) -> bool:
    """Tell whether nobody waits for the present epochs any more; for a plain event somebody always does."""
    return isinstance(stop, Stop) and stop.is_over()


def signal_of(stop: threading.Event) -> int:
    """Give the number of the signal by which a run was told to end; without one, that of Ctrl-C."""
    return stop.signal if isinstance(stop, Stop) else signal.SIGINT
