"""A thread beside the loop that copies the trial folders to another program, which no training waits for.

MLflow and Optuna's database are kept up to date in this way. A program that is slow or away costs one notice: the
folders hold everything, and the thread sends it later.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

from study.errors import StudyError
from study.formatting import plural
from study.progress import Notice
from study.stopping import HURRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from queue import SimpleQueue

    from study.progress import Progress

PACE = 2.0  # seconds between two rounds: what happens meanwhile is sent together, a trial whole if it can be
LONGEST_REST = 10.0  # seconds between two rounds, where rounds take long
LONGEST_PAUSE = 60.0  # seconds between two tries while the other program is away
LAST_WORDS = 60.0  # seconds that the end of a search waits at most for the other program to hear the rest
LAST_TRY = 5.0  # the same, where the program was in trouble before
TICK = 0.1  # seconds: how soon a wait is shortened


class Background:
    """A thread that calls a function whenever there may be something to send, and less often while that fails."""

    def __init__(
        self,
        name: str,
        send: Callable[[], str | None],
        warn: Callable[[str], None],
        idle: float | None = None,
        share: float = 1.0,
    ) -> None:
        """Start the thread; it does nothing before the first `wake`.

        Args:
            name: of the thread.
            send: sends all that is new; returns why something could not be sent, or None. Called in the thread.
            warn: is given the first such reason, once; called in the thread.
            idle: seconds after which `send` is called again without a `wake`; None for never.
            share: of the time that `send` may take, in (0, 1]: what it takes of the interpreter is lost to the loop.

        """
        self._send, self._warn, self._idle, self._share = send, warn, idle, share
        self._work, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that the folders have changed; returns at once."""
        self._work.set()

    def is_closing(self) -> bool:
        """Tell whether this is the last call of `send`."""
        return self._closing.is_set()

    def close(self, timeout: float, stop: threading.Event | None = None) -> bool:
        """Send what is left, for `timeout` seconds at most, `HURRY` once `stop` is set; tells whether it ended."""
        self._closing.set()
        self._work.set()
        for seconds in waits(timeout, stop):
            self._thread.join(seconds)
            if not self._thread.is_alive():
                break
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause, warned = PACE, False
        self._work.wait()
        while True:
            self._work.clear()
            last, began = self._closing.is_set(), time.monotonic()
            error = self._round()
            if error is None:
                pause = rest(time.monotonic() - began, self._share)
            else:
                pause = min(2 * pause, LONGEST_PAUSE)
                self._work.set()
                if not warned:
                    self._warn(error)
                warned = True
            if last:
                return
            self._closing.wait(pause)
            self._work.wait(self._idle)

    def _round(self) -> str | None:
        try:
            return self._send()
        except StudyError as error:
            return str(error)
        except Exception as error:  # a thread's main: what a library raises in here must not reach the training
            return f"{type(error).__name__}: {error}"


def rest(took: float, share: float) -> float:
    """Give the seconds to wait after a round that took so many, so that rounds take no more than a share of the time.

    >>> rest(0.1, 0.2), rest(2.0, 0.2), rest(60.0, 0.2), rest(60.0, 1.0)
    (2.0, 8.0, 10.0, 2.0)

    """
    return max(PACE, min(took * (1 / share - 1), LONGEST_REST))


def waits(timeout: float, stop: threading.Event | None = None) -> Iterator[float]:
    """Divide a time into short waits, for `timeout` seconds in all, and for `HURRY` once `stop` is set."""
    end, hurries = time.monotonic() + timeout, False
    while (left := end - time.monotonic()) > 0:
        if stop is not None and stop.is_set() and not hurries:
            hurries, end = True, min(end, time.monotonic() + HURRY)
            continue
        yield min(left, TICK)


class Copy(Protocol):
    """Another program that is kept equal to the trial folders."""

    def wake(self) -> None:
        """Say that the folders have changed; returns at once."""
        ...

    def close(self, timeout: float, stop: threading.Event) -> int:
        """Send what is left; returns how many trials are not complete there.

        Args:
            timeout: seconds that this may take.
            stop: once it is set, this may take `HURRY` seconds.

        """
        ...


def follow(
    progress: Iterator[Progress], copy: Copy, notices: SimpleQueue[str], who: str, name: str, stop: threading.Event
) -> Iterator[Progress]:
    """Keep a program up to date while a search goes on; its troubles become one notice.

    Args:
        progress: the search.
        copy: the program.
        notices: where the program's troubles are put, one line each.
        who: the program's name, for people.
        name: the study's.
        stop: once it is set, also while the end of the search waits for the program, that waits `HURRY` seconds.

    Yields:
        What the search yields, and notices.

    """
    patience = LAST_WORDS
    try:
        for each in progress:
            copy.wake()
            yield each
            while not notices.empty():
                yield Notice(f"{notices.get()} (the search continues and sends it later)")
                patience = LAST_TRY
    except Exception:  # said also where the search has failed, which is what is raised
        yield from _rest(copy.close(patience, stop), notices, who, name)
        raise
    except BaseException:  # nobody listens any more
        copy.close(HURRY, stop)
        raise
    yield from _rest(copy.close(patience, stop), notices, who, name)


def _rest(behind: int, notices: SimpleQueue[str], who: str, name: str) -> Iterator[Notice]:
    """Say what the program does not have, why, and the command that sends it."""
    while not notices.empty():
        yield Notice(notices.get())
    if behind:
        yield Notice(f"{who} does not have all of {plural(behind, 'trial')} yet: `study sync {name}` sends the rest")
