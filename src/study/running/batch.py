"""What one round of the loop writes, and what follows from it: everything is flushed to disk first, together.

At a thousand slots a round has hundreds of events. A disk flushes their lines at the same time in little more than the
time of one; nothing is answered, started or told to people before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.record import atomic_files, log_lines
from study.record.journal import new_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from study.record.history import Record
    from study.record.journal import Journal, TrialFolder


class Batch:
    """New folders, lines of logs, and actions that wait for them."""

    def __init__(self, journal: Journal) -> None:
        """Begin with nothing.

        Args:
            journal: of the study.

        """
        self._journal = journal
        self._new: list[tuple[int, str, Mapping[str, Any]]] = []
        self._lines: dict[Path, bytes] = {}
        self._then: list[Callable[[], object]] = []

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
        new, self._new = self._new, []
        lines, self._lines = self._lines, {}
        then, self._then = self._then, []
        if new:
            self._journal.create_all(new)
        if lines:
            atomic_files.append_all(lines)
        for action in then:
            action()
