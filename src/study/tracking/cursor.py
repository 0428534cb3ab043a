"""How far each server has been told of a study: `mirror.json` in the study's folder, one entry a server.

What a kill leaves out of it is told again, which changes nothing; without it everything is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.record import atomic_files
from study.tracking.snapshot import read

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from study.record.journal import Journal, State, TrialFolder
    from study.tracking.snapshot import Snapshot


@dataclass(slots=True)
class Told:
    """How far a server has been told of one trial.

    Args:
        run: the trial's run on the server.
        uid: the trial's; another one means that its folder was deleted and made anew.
        replays: as in `Snapshot`.
        epochs: the last epoch told, 0 before the first.
        state: how the trial ended, once all of it is told.
        value: its objective, likewise.
        time: when it ended, likewise; seconds since 1970.

    """

    run: str
    uid: str
    replays: int
    epochs: int = 0
    state: State | None = None
    value: float | None = None
    time: float = 0.0


@dataclass(slots=True)
class Cursor:
    """How far one server has been told of one study; `summary` is the mark of the last summary told."""

    study_run: str | None = None
    summary: str = ""
    trials: dict[int, Told] = field(default_factory=dict[int, Told])

    def enter(self, study_run: str) -> None:
        """Take note of the study's run; another one than before means a server that knows nothing."""
        if study_run != self.study_run:
            self.study_run, self.summary, self.trials = study_run, "", {}

    def told(self, snapshot: Snapshot) -> Told | None:
        """How far the trial is told, None when this very training is not."""
        told = self.trials.get(snapshot.trial.number)
        same = told is not None and (told.uid, told.replays) == (snapshot.about["uid"], snapshot.replays)
        return told if same else None

    def behind(self, snapshot: Snapshot) -> bool:
        """Whether something of the trial is still to be told."""
        told = self.told(snapshot)
        if told is None:
            return True
        return told.state is None and (snapshot.ended is not None or snapshot.last > told.epochs)

    def unfinished(self, trials: Sequence[TrialFolder]) -> list[TrialFolder]:
        """Those trials whose folders must be read: not ended, or not told whole."""
        done = {number for number, told in self.trials.items() if told.state is not None}
        return [trial for trial in trials if trial.number not in done]


def load(journal: Journal, place: str) -> Cursor:
    """Read how far the server has been told; a cursor that cannot be read is as good as none."""
    try:
        kept = _read(_file(journal))[place]
        trials = {int(number): Told(**told) for number, told in kept["trials"].items()}
        return Cursor(kept["study_run"], kept["summary"], trials)
    except (KeyError, TypeError, ValueError):
        return Cursor()


def store(journal: Journal, place: str, cursor: Cursor) -> None:
    """Replace what is kept about the server, whole or not at all; the lock must be held.

    Raises:
        PlaceError: the study's folder cannot be written.

    """
    trials = {str(number): asdict(told) for number, told in cursor.trials.items()}
    entry = {"study_run": cursor.study_run, "summary": cursor.summary, "trials": trials}
    atomic_files.replace(_file(journal), [json.dumps({**_read(_file(journal)), place: entry}).encode()])


def count_behind(cursor: Cursor, trials: Sequence[TrialFolder]) -> int:
    """Count the trials of which something is still to be told; a damaged folder is one."""
    return sum(_is_behind(cursor, trial) for trial in cursor.unfinished(trials))


def forget_replaced(journal: Journal, place: str) -> None:
    """Take out the trials whose folder was deleted and made anew, so that `sync` looks at them again."""
    with alone(journal):
        cursor = load(journal, place)
        kept = {number: told for number, told in cursor.trials.items() if _uid(journal.trial(number)) == told.uid}
        if kept != cursor.trials:
            cursor.trials = kept
            store(journal, place, cursor)


@contextlib.contextmanager
def alone(journal: Journal) -> Generator[None]:
    """Hold the study's `mirror.lock`, waiting for whoever has it; a process that dies lets go of it.

    Raises:
        PlaceError: the study's folder cannot be written.

    """
    try:
        file = (journal.folder / "mirror.lock").open("w")
    except OSError as error:
        raise atomic_files.cannot_write(journal.folder, error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_behind(cursor: Cursor, trial: TrialFolder) -> bool:
    try:
        return cursor.behind(read(trial))
    except StudyError:
        return True


def _uid(trial: TrialFolder) -> str | None:
    try:
        return trial.about()["uid"]
    except StudyError:
        return None


def _file(journal: Journal) -> Path:
    return journal.folder / "mirror.json"


def _read(file: Path) -> dict[str, Any]:
    try:
        kept = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
