"""Tells a tracking server what the trial folders say, from a stored cursor; knows no MLflow.

The live thread and `study sync` call the same function. A server that is slow, away or read-only costs a warning: the
folders hold everything, and the cursor says how far each server has heard it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from study.errors import PlaceError, StudyError
from study.metric import Metric
from study.telling import Background
from study.tracking import cursor as cursors
from study.tracking.cursor import Cursor, Told
from study.tracking.snapshot import Climb, Summary, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from study.record.journal import Journal, Record, TrialFolder
    from study.tracking.snapshot import Snapshot

STORE_EVERY = 20  # trials told between two writes of the cursor


class Refused(StudyError):
    """The server answers but does not take what it is told of one trial: no reason to leave out the others."""


class Client(Protocol):
    """A server that keeps runs. What is told twice is there once.

    Every method raises `PlaceError` when the server is away, and `Refused` when it does not take what it is told.
    `place` is its name in the cursor.
    """

    place: str

    def open_study(self, definition: Mapping[str, Any], first: Mapping[str, Any], known: str | None) -> str:
        """Find the study's run by what is known about its first trial, or make it; `known` is the run of last time."""
        ...

    def open_trial(self, parent: str, snapshot: Snapshot) -> str:
        """Find the run with the trial's uid and replays, or make it; tell all that is known at its start."""
        ...

    def log_epochs(self, run: str, records: Sequence[Record]) -> int:
        """Tell epochs; returns how many points they are."""
        ...

    def end_trial(self, run: str, snapshot: Snapshot) -> None:
        """Tell how the trial ended, its artifacts before its state."""
        ...

    def sum_up(self, parent: str, summary: Summary) -> None:
        """Tell where the study stands."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What one round has done.

    Args:
        study: the study's name.
        sent: trials of which something was sent.
        points: metric points sent.
        pending: trials of which something is still to be sent.
        error: why, one line; None when the server is equal to the folders.

    """

    study: str
    sent: int = 0
    points: int = 0
    pending: int = 0
    error: str | None = None


def sync(journal: Journal, client: Client) -> Report:
    """Make the server equal to the study's folders; as often as you like, by several processes at once.

    Args:
        journal: the study's folders.
        client: the server.

    Returns:
        What was sent, and what could not be and why.

    Raises:
        PlaceError: the study's folder cannot be written.

    """
    if journal.definition() is None or not journal.trials():
        return Report(journal.folder.name)
    with cursors.alone(journal):
        return _Round(journal, client).tell()


def pending(journal: Journal, place: str) -> int:
    """Count the trials of which a server has not been told everything, by the files alone."""
    return cursors.count_behind(cursors.load(journal, place), journal.trials())


class Mirror:
    """A thread that keeps a server equal to a study's folders; a training never waits for it."""

    def __init__(
        self, journal: Journal, place: str, connect: Callable[[], Client], warn: Callable[[str], None]
    ) -> None:
        """Start the thread; it does nothing before the first `wake`.

        Args:
            journal: the study's folders.
            place: the server's name in the cursor.
            connect: reaches the server; called in the thread, again after each failure.
            warn: is told one line, once, when the server cannot be told; called in the thread.

        """
        self._journal, self._place, self._connect = journal, place, connect
        self._client: Client | None = None
        self._thread = Background(f"mirror of {journal.folder.name}", self._tell, warn)

    def wake(self) -> None:
        """Say that the folders have changed; returns at once."""
        self._thread.wake()

    def close(self, timeout: float) -> int:
        """Tell what is left, for `timeout` seconds at most; returns how many trials are not told whole."""
        self._thread.close(timeout)
        return pending(self._journal, self._place)

    def _tell(self) -> str | None:
        """Sync once; why not everything could be told, or None."""
        client, self._client = self._client or self._connect(), None
        error = sync(self._journal, client).error
        if error is None:
            self._client = client  # else reached anew next time
        return error


class _Round:
    """One pass over a study's folders; the lock is held."""

    def __init__(self, journal: Journal, client: Client) -> None:
        self._journal, self._client = journal, client
        self._cursor = cursors.load(journal, client.place)
        self._trials = journal.trials()
        self._sent = self._points = 0
        self._errors: list[str] = []

    def tell(self) -> Report:
        """Tell all that is new; a server that is away ends the round, a trial that cannot be told does not."""
        definition = self._journal.definition() or {}
        try:
            parent = self._client.open_study(definition, self._trials[0].about(), self._cursor.study_run)
            self._cursor.enter(parent)
            for trial in self._cursor.unfinished(self._trials):
                self._try(parent, trial)
            self._tell_study(parent, definition)
        except StudyError as error:
            self._errors.append(str(error))
        finally:
            self._store()
        behind = cursors.count_behind(self._cursor, self._trials)
        error = self._errors[0] if self._errors else None
        return Report(self._journal.folder.name, self._sent, self._points, behind, error)

    def _try(self, parent: str, trial: TrialFolder) -> None:
        try:
            snapshot = read(trial)
            if self._cursor.behind(snapshot):
                self._tell_trial(parent, snapshot)
        except PlaceError:
            raise
        except StudyError as error:  # a damaged folder, or the server does not take it
            self._cursor.trials.pop(trial.number, None)
            self._errors.append(str(error))

    def _tell_trial(self, parent: str, snapshot: Snapshot) -> None:
        number, told = snapshot.trial.number, self._cursor.told(snapshot)
        if told is None:
            told = Told(self._client.open_trial(parent, snapshot), snapshot.about["uid"], snapshot.replays)
            self._cursor.trials[number] = told
        if fresh := [record for epoch, record in sorted(snapshot.epochs.items()) if epoch > told.epochs]:
            self._points += self._client.log_epochs(told.run, fresh)
            told.epochs = snapshot.last
        if ended := snapshot.ended:
            self._client.end_trial(told.run, snapshot)
            told.state, told.value, told.time = ended.state, ended.value, ended.time
        self._sent += 1
        if self._sent % STORE_EVERY == 0:
            self._store()

    def _tell_study(self, parent: str, definition: Mapping[str, Any]) -> None:
        """Tell where the study stands, if that has changed."""
        summary = summarize(self._journal, definition, self._cursor, self._trials)
        files = {name: hashlib.sha256(content).hexdigest() for name, content in summary.files.items()}
        best = summary.best and summary.best.trial
        content = [definition, summary.counts, best, len(summary.climbs), summary.ended, summary.groups, files]
        mark = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        if mark != self._cursor.summary:
            self._client.sum_up(parent, summary)
            self._cursor.summary = mark

    def _store(self) -> None:
        cursors.store(self._journal, self._client.place, self._cursor)


def summarize(
    journal: Journal, definition: Mapping[str, Any], cursor: Cursor, trials: Sequence[TrialFolder]
) -> Summary:
    """Say where a study stands, by what the server has been told of its trials."""
    tolds = [(trial.number, cursor.trials.get(trial.number)) for trial in trials]
    ended = [(number, told) for number, told in tolds if told is not None and told.state is not None]
    first_running = next((number for number, told in tolds if told is None or told.state is None), math.inf)
    states = Counter(told.state for _, told in ended)
    climbs = _climbs(ended, Metric(definition["metric"], definition["direction"]))
    best = climbs[-1] if climbs else None
    return Summary(
        definition=definition,
        counts={"complete": states["complete"], "pruned": states["pruned"], "failed": states["failed"],
                "running": len(tolds) - len(ended)},
        best=best,
        recipe=journal.trial(best.trial).recipe() if best else None,
        climbs=[climb for climb in climbs if climb.trial < first_running],
        ended=max(told.time for _, told in ended) if len(ended) == len(tolds) else None,
        groups=journal.groups(),
        files=journal.files(),
    )  # fmt: skip


def _climbs(ended: Sequence[tuple[int, Told]], metric: Metric) -> list[Climb]:
    climbs: list[Climb] = []
    for number, told in ended:
        if told.state != "complete" or told.value is None:
            continue
        if not climbs or metric.better(told.value, climbs[-1].value):
            climbs.append(Climb(number, told.value, told.time))
    return climbs
