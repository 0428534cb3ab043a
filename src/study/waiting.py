"""Waiting for a database before or after a search: never in silence, never for ever.

A database that is frozen answers no query and raises no error, so the query runs in a thread. A lock that somebody
holds for a moment, as a dashboard that makes the same tables, is tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, TypeVar

from study.errors import PlaceError

if TYPE_CHECKING:
    from collections.abc import Callable

SAY_AFTER = 3.0  # seconds without an answer after which a line says so
LIMIT = 120.0  # seconds without an answer after which the command ends
PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds before the next try
PASSING = (  # what databases say while somebody else holds a lock, makes the same tables, or starts the server
    "database is locked", "database schema has changed", "database table is locked", "already exists",
    "UNIQUE constraint failed", "duplicate key", "Duplicate entry", "Deadlock", "deadlock", "lock timeout",
    "Lock wait timeout", "starting up", "shutting down", "in recovery mode", "too many clients", "Too many connections",
    "no such table", "AssertionError",
)  # fmt: skip
T = TypeVar("T")
log = logging.getLogger("study")


def answer(where: str, do: Callable[[], T], moved: Callable[[], object] | None = None) -> T:
    """Call a function that asks a database, with a line after `SAY_AFTER` and an end after `LIMIT` seconds.

    Args:
        where: the database's name, without its password.
        do: asks; called in a thread, and again where the error is a passing one.
        moved: gives another value whenever the function has come further, from where the seconds count anew.

    Returns:
        What the function returned.

    Raises:
        PlaceError: it has not answered within `LIMIT` seconds.
        Exception: what the function raised, if that does not pass.

    """
    since, said, last, pause = time.monotonic(), False, None, PAUSE
    call = _asked(do)
    while True:
        error = call.exception() if call.done() else None
        if call.done() and not (isinstance(error, Exception) and is_passing(error)):
            return call.result()
        if moved and (now := moved()) != last:
            since, last = time.monotonic(), now
        waited, reason = time.monotonic() - since, f": {first_line(error)}" if error else ""
        if waited > LIMIT:
            fix = "Free or start it, then run the same command again."
            raise PlaceError(f"no answer for {waited:.0f} s{reason}", where=where, fix=fix) from error
        if waited > SAY_AFTER and not said:
            said = True
            log.warning("%s: no answer yet%s; waiting up to %.0f s", where, reason, LIMIT)
        if call.done():
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            call = _asked(do)
        else:
            wait([call], 0.1)


def is_passing(error: BaseException) -> bool:
    """Tell whether a database may take the same statement a moment later."""
    text = f"{type(error).__name__} {error} {error.__cause__}"
    return any(each in text for each in PASSING)


def first_line(error: BaseException) -> str:
    """Give the database's own words for an error, without SQLAlchemy's around them."""
    cause = error.__cause__ or error
    original = getattr(cause, "orig", None) or getattr(error, "orig", None) or cause
    return str(original).strip().split("\n")[0] or type(original).__name__


def _asked(do: Callable[[], T]) -> Future[T]:
    """Call the function in a thread for which the process does not wait when it ends."""
    answer: Future[T] = Future()

    def ask() -> None:
        try:
            answer.set_result(do())
        except BaseException as error:  # raised again in the thread that waits
            answer.set_exception(error)

    threading.Thread(target=ask, name="question to a database", daemon=True).start()
    return answer
