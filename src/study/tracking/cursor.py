"""What each server has received of a study: `mirror.json` in the study's folder, with an entry for each server.

The mirror sends again what a kill has kept out of this file, which changes nothing on the server. Without the file it
sends everything again.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from study.errors import Damaged, StudyError
from study.record import checked, locks
from study.record.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from study.record.history import State
    from study.record.journal import Journal, TrialFolder


@dataclass(slots=True)
class SentTrial:
    """What a server has received of one trial.

    Args:
        run: the trial's run on the server.
        uid: of the trial; if the folder has another one, it was deleted and made again.
        replays: as in `record.history.History`.
        epochs: number of the last epoch that was sent, 0 before the first.
        state: how the trial ended; None until all of it is sent.
        value: its objective; None until all of it is sent.
        time: when it ended, in seconds since 1970; 0 until all of it is sent.

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
    """What one server has received of one study; `summary` is the hash of the last summary that was sent."""

    study_run: str | None = None
    summary: str = ""
    trials: dict[int, SentTrial] = field(default_factory=dict[int, SentTrial])

    def set_run(self, study_run: str) -> None:
        """Store the study's run; if it has changed, the server is a new one and has received nothing."""
        if study_run != self.study_run:
            self.study_run, self.summary, self.trials = study_run, "", {}

    def sent(self, trial: Trial) -> SentTrial | None:
        """Find what was sent of a trial; None if nothing of this training was."""
        sent = self.trials.get(trial.number)
        same = sent is not None and (sent.uid, sent.replays) == (trial.about["uid"], trial.history.replays)
        return sent if same else None

    def behind(self, trial: Trial) -> bool:
        """Tell whether something of the trial is still to be sent."""
        sent, history = self.sent(trial), trial.history
        if sent is None:
            return True
        return sent.state is None and (history.ended is not None or len(history.epochs) > sent.epochs)

    def unfinished(self, trials: Sequence[TrialFolder]) -> list[TrialFolder]:
        """List the trials whose folders must be read: those of which something may be left to send."""
        done = {number for number, sent in self.trials.items() if sent.state is not None}
        return [trial for trial in trials if trial.number not in done]


def load(journal: Journal, server: str) -> Cursor:
    """Read the cursor of a server; an empty one if it is missing or cannot be read."""
    try:
        kept = _read(_file(journal))[server]
        trials = {int(number): SentTrial(**sent) for number, sent in kept["trials"].items()}
        return Cursor(kept["study_run"], kept["summary"], trials)
    except (KeyError, TypeError, ValueError):
        return Cursor()


def store(journal: Journal, server: str, cursor: Cursor) -> None:
    """Replace the cursor of a server atomically; the caller must hold the lock.

    Raises:
        PlaceError: the study's folder cannot be written.

    """
    trials = {str(number): asdict(sent) for number, sent in cursor.trials.items()}
    entry = {"study_run": cursor.study_run, "summary": cursor.summary, "trials": trials}
    checked.write(_file(journal), {**_read(_file(journal)), server: entry}, by_lines=False)


def count_behind(cursor: Cursor, trials: Sequence[TrialFolder]) -> int:
    """Count the trials of which something is still to be sent; of a damaged folder nothing can be."""
    return sum(_is_behind(cursor, trial) for trial in cursor.unfinished(trials))


def forget_replaced(journal: Journal, server: str) -> None:
    """Remove the trials whose folder was deleted and made again, so that `sync` reads them again."""
    with locked(journal):
        cursor = load(journal, server)
        kept = {number: sent for number, sent in cursor.trials.items() if _is_same(journal.trial(number), sent)}
        if kept != cursor.trials:
            cursor.trials = kept
            store(journal, server, cursor)


def forget_trial(journal: Journal, number: int) -> None:
    """Remove a trial from the cursors of all servers, so that it is sent again."""
    with locked(journal):
        kept = _read(_file(journal))
        for entry in kept.values():
            entry["trials"].pop(str(number), None)
        if kept:
            checked.write(_file(journal), kept, by_lines=False)


@contextlib.contextmanager
def locked(journal: Journal) -> Generator[None]:
    """Hold the study's `mirror.lock`; waits until it is free. The system releases it if the process dies.

    Raises:
        PlaceError: the study's folder cannot be written, or another process holds the lock for too long.

    """
    with locks.locked(journal.folder / "mirror.lock"):
        yield


def _is_behind(cursor: Cursor, trial: TrialFolder) -> bool:
    try:
        return cursor.behind(Trial.of(trial))
    except Damaged:  # nothing can be sent of it before it is repaired
        return False
    except StudyError:
        return True


def _is_same(trial: TrialFolder, sent: SentTrial) -> bool:
    try:
        return trial.about()["uid"] == sent.uid
    except Damaged:
        return True
    except StudyError:
        return False


def _file(journal: Journal) -> Path:
    return journal.folder / "mirror.json"


def _read(file: Path) -> dict[str, Any]:
    try:
        kept = checked.read(file)
    except StudyError:
        return {}
    return kept if isinstance(kept, dict) else {}
