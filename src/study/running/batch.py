"""What one round of the loop writes, and what follows from it: everything is flushed to disk first, together.

At a thousand slots a round has hundreds of events. A disk flushes their lines at the same time in little more than the
time of one; nothing is answered, started or told to people before. The loop takes the next round meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.record import log_lines
from study.record.journal import new_record
from study.running.writer import Writer, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from study.progress import Progress
    from study.record.history import Record
    from study.record.journal import Journal, TrialFolder

MANY = 24  # folders and lines from which on another process writes them: not on one machine


class Batch:
    """New folders, lines of logs, and actions that wait for them."""

    def __init__(self, journal: Journal) -> None:
        """Begin with nothing.

        Args:
            journal: of the study.

        """
        self._journal, self._writer = journal, Writer(journal)
        self._new: list[tuple[int, str, Mapping[str, Any]]] = []
        self._lines: dict[Path, bytes] = {}
        self._then: list[Callable[[], object]] = []
        self._waiting: list[Callable[[], object]] | None = None  # for what is being written; None if nothing is
        self._told: list[Progress] = []  # what waits for it, too

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write or to do, and nothing is being written."""
        return not (self._new or self._lines or self._then) and self._waiting is None

    def recorded(self, steps: Iterator[Progress]) -> Iterator[Progress]:
        """Take the steps of a round; what they write goes to disk at once, and is acted upon and told only then.

        Where it is much, that is after the next steps: the disk flushes while they are taken.

        Raises:
            StudyError: that of a step, after those before it are on disk and told; or PlaceError as `commit`.

        """
        told: list[Progress] = []
        error: StudyError | None = None
        try:
            for each in steps:
                told.append(each)  # noqa: PERF402 - those before an error are kept
        except StudyError as found:
            error = found
        yield from self.settled()
        self._begin()
        self._told = told
        if error is not None or self._waiting is None:
            yield from self.settled()
        if error is not None:
            raise error

    def settled(self) -> Iterator[Progress]:
        """Wait for the disk, act, and tell what is recorded. Raises as `commit`."""
        self._finish()
        told, self._told = self._told, []
        yield from told

    def create(self, number: int, recipe_json: str, about: Mapping[str, Any]) -> TrialFolder:
        """Create a trial's folder; it has no lines before the commit."""
        self._new.append((number, recipe_json, about))
        return self._journal.trial(number)

    def append(self, folder: TrialFolder, kind: str, **values: Any) -> Record:
        """Append a record to a trial's log."""
        record = new_record(kind, values)
        self._lines[folder.log] = self._lines.get(folder.log, b"") + log_lines.encode(record)
        return record

    def then(self, action: Callable[[], object]) -> None:
        """Call a function once everything is on disk, in the order of these calls."""
        self._then.append(action)

    def commit(self) -> None:
        """Write and flush everything, then act.

        Raises:
            PlaceError: the disk is full or not writable; no action was taken.

        """
        self._finish()
        self._begin()
        self._finish()

    def _begin(self) -> None:
        """Write and flush what there is, and act; or begin with it, if it is much."""
        new, self._new = self._new, []
        lines, self._lines = self._lines, {}
        then, self._then = self._then, []
        if len(new) + len(lines) < MANY:
            write(self._journal, new, lines)
            _act(then)
        else:
            self._writer.begin(new, lines)
            self._waiting = then

    def _finish(self) -> None:
        if self._waiting is not None:
            then, self._waiting = self._waiting, None
            self._writer.finish()
            _act(then)

    def close(self) -> None:
        """Let what was begun be written, without acting."""
        self._waiting = None
        self._writer.close()


def _act(then: list[Callable[[], object]]) -> None:
    for action in then:
        action()
