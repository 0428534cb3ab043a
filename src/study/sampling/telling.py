"""Tells Optuna's database: while a search goes on, which never waits for it in silence, and in `study sync`.

A database that is away or frozen gets one line, and everything later: the folders hold it. Only after `LIMIT`, or if
another process has taken the study, does the search end; the same command goes on.
"""

from __future__ import annotations

import logging
from queue import SimpleQueue
from typing import TYPE_CHECKING

from study.background import LAST_TRY, Background, follow
from study.errors import PlaceError, StudyError, StudyLocked
from study.formatting import duration
from study.progress import Notice
from study.sampling import storage
from study.sampling.teller import Teller

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from optuna.storages import RDBStorage

    from study.progress import Progress
    from study.record.journal import Journal
    from study.sampling.lease import Lease

SAY_AFTER = 9.0  # seconds without an answer after which a line says so; more than two renewals of a healthy lease take
SHARE = 0.2  # of the time of a search on very many slots
LIMIT = 3600.0  # seconds without an answer after which the search ends
log = logging.getLogger("study")


class Telling:
    """Keeps Optuna's database equal to the folders while a search goes on."""

    def __init__(self, teller: Teller, lease: Lease, name: str) -> None:
        """Start the thread of the teller.

        Args:
            teller: of the study's database.
            lease: of the study.
            name: the study's.

        """
        self._teller, self._lease, self._name = teller, lease, name
        self._notices: SimpleQueue[str] = SimpleQueue()
        self._away, self._is_said = "", False
        self.over: StudyError | None = None  # why the search must end
        self._thread = Background(f"teller of {name}", self._tell, self._warn, idle=0.0, share=SHARE)

    def told(self, progress: Iterator[Progress], stop: threading.Event) -> Iterator[Progress]:
        """Yield what the search yields, and notices; `stop` as in `study.background.follow`."""
        yield from follow(progress, self, self._notices, "Optuna", self._name, stop)

    def look(self) -> Iterator[Notice]:
        """Say whether the database is away, back, or lost; the loop calls it every second or so."""
        while not self._teller.refused.empty():
            yield Notice(self._teller.refused.get())
        silent = max(self._lease.silent(), self._teller.silent())
        if silent > SAY_AFTER and not self._is_said:
            self._is_said = True
            yield Notice(f"Optuna's storage does not answer{self._why()}; the search goes on and tells it later")
        elif silent < SAY_AFTER and self._is_said:
            self._is_said, self._away = False, ""
            yield Notice("Optuna's storage answers again")
        if self.over is None and silent > LIMIT:
            self.over = PlaceError(
                f"Optuna's storage has not answered for {duration(silent)}{self._why()}",
                where=self._name,
                fix="Everything is saved; with the storage back, the same command goes on.",
            )
            yield Notice(f"{self.over.what}: running trials stop after the current epoch")
        if self.over is None and self._lease.lost:
            self.over = self._lease.loss()
            yield Notice(f"{self.over.what}: running trials stop after the current epoch")

    def wake(self) -> None:
        """Say that the folders have changed."""
        self._thread.wake()

    def close(self, timeout: float, stop: threading.Event) -> int:
        """Tell what is left; returns the number of trials that the database lacks. As `study.background.Copy`."""
        away = self._is_said or self._away or self.over
        has_ended = self._thread.close(min(LAST_TRY, timeout), stop)
        if not has_ended and not away and timeout > LAST_TRY and not stop.is_set():
            log.warning("%s: telling Optuna's storage the rest, for at most %.0f s", self._name, timeout)
            has_ended = self._thread.close(timeout - LAST_TRY, stop)
        if not has_ended:
            self._lease.seal()  # what hangs there now must not be written later, beside the next search
        behind = self._teller.pending()
        if self._is_said and has_ended and not behind:  # it came back after the loop had looked last
            self._is_said = False
            self._notices.put("Optuna's storage answers again")
        return behind

    def _tell(self) -> str | None:
        try:
            self._lease.require()
            self._teller.tell()
            if self._thread.is_closing():
                self._teller.give_back()
                self._teller.describe()
        except PlaceError as error:
            self._away = str(error)
            return self._away
        return None

    def _warn(self, line: str) -> None:
        """Take the thread's first trouble; of a database that is away, `look` tells."""
        if line != self._away and not self._lease.lost:
            self._notices.put(line)

    def _why(self) -> str:
        why = self._lease.trouble or self._away
        return f" ({why})" if why else ""


def sync(journal: Journal, database: RDBStorage) -> tuple[int | None, set[int]]:
    """Make Optuna's database equal to the folders of a study that is not being run.

    Returns:
        The number of trials that were added or changed, and the numbers of damaged ones, which were left out. Instead
        of the first None if another process runs the study, and tells them itself.

    Raises:
        PlaceError: as `Teller.tell`.
        StudyError: as `Teller.tell`.

    """
    name, definition = journal.folder.name, journal.definition()
    assert definition is not None
    try:
        with storage.held(name, journal.folder, database) as lease:
            teller = Teller(journal, database, name, definition["direction"])
            return teller.begin(lease), teller.damaged
    except StudyLocked as error:
        log.warning("%s", error)
        return None, set()
