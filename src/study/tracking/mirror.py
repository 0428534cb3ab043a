"""Mirrors the trial folders to a tracking server, from a stored cursor; independent of MLflow.

The live thread and `study sync` call the same function. If a server is slow, unreachable or read-only, the user gets a
warning and nothing is lost: the folders hold everything, and the cursor says what each server has received.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from study.background import Background
from study.errors import Damaged, PlaceError, StudyError
from study.metric import Metric
from study.record import note, results
from study.record.trial import Trial
from study.tracking import cursor as cursors
from study.tracking.cursor import Cursor, SentTrial
from study.tracking.snapshot import NewBest, StudySnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from study.record.journal import Journal, TrialFolder

AT_ONCE = 50  # trials that are sent in one transaction
STORE_EVERY = 20  # trials sent between two writes of the cursor
SHARE = 0.01  # of the time that rounds take while a search goes on; a trial that ends between two of them is sent whole


class Refused(StudyError):
    """The server rejects the data of one trial; the other trials are still sent."""


class Client(Protocol):
    """A tracking server. All methods are idempotent: sending the same data twice changes nothing.

    Every method raises `PlaceError` if the server cannot be reached, and `Refused` if it rejects the data. `server` is
    the server's name in the cursor; `refused` gets a line for each piece of a trial that the server does not take, such
    as a tag, while it takes the rest.
    """

    server: str
    refused: list[str]

    def open_study(self, definition: Mapping[str, Any], first: Mapping[str, Any], known: str | None) -> str:
        """Find or make the study's run, by the first trial's `trial.json`; `known` is the run in the cursor, if any."""
        ...

    def open_trial(self, parent: str, trial: Trial) -> str:
        """Find or make the run with the trial's uid and replays; send everything known at the trial's start."""
        ...

    def send_ended(self, parent: str, trials: Sequence[Trial]) -> Mapping[int, str]:
        """Send those of some ended trials that the server has nothing of, at the same time; give their runs."""
        ...

    def log_epochs(self, run: str, trial: Trial, after: int) -> int:
        """Send the epochs with a number above `after`; return the number of metric points."""
        ...

    def end_trial(self, run: str, trial: Trial) -> None:
        """Send how the trial ended: its artifacts first, its state last."""
        ...

    def update_study(self, parent: str, summary: StudySnapshot) -> None:
        """Send the state of the study as a whole."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one synchronization.

    Args:
        study: the study's name.
        sent: number of trials of which something was sent.
        points: number of metric points sent.
        pending: number of trials of which something is still to be sent.
        error: why something could not be sent, one line; None if the server is equal to the folders.
        refused: a line for each piece of a trial that the server does not take; it is not sent again.

    """

    study: str
    sent: int = 0
    points: int = 0
    pending: int = 0
    error: str | None = None
    refused: tuple[str, ...] = ()


def sync(journal: Journal, client: Client) -> Report:
    """Make the server equal to the study's folders. Idempotent, and safe in several processes at once.

    Args:
        journal: the study's folders.
        client: the server.

    Returns:
        What was sent, and why something could not be.

    Raises:
        PlaceError: the study's folder cannot be written.

    """
    if journal.definition() is None or not journal.trials():
        return Report(journal.folder.name)
    with cursors.locked(journal):
        return _Round(journal, client).send()


def pending(journal: Journal, server: str) -> int:
    """Count the trials of which a server has not received everything, from the files alone."""
    return cursors.count_behind(cursors.load(journal, server), journal.trials())


def is_told(journal: Journal, server: str) -> bool:
    """Tell whether a server has received everything, from the files alone."""
    cursor, trials = cursors.load(journal, server), journal.trials()
    if not trials:
        return True
    if cursors.count_behind(cursor, trials):
        return False
    return _mark(summarize(journal, journal.definition() or {}, cursor, trials)) == cursor.summary


class Mirror:
    """A thread that keeps a server equal to a study's folders; trainings never wait for it."""

    def __init__(
        self, journal: Journal, server: str, connect: Callable[[], Client], warn: Callable[[str], None]
    ) -> None:
        """Start the thread; it does nothing before the first `wake`.

        Args:
            journal: the study's folders.
            server: the server's name in the cursor.
            connect: connects to the server; called in the thread, again after each failure.
            warn: called in the thread: once with why the server cannot be updated, and with each piece that it refuses.

        """
        self._journal, self._server, self._connect = journal, server, connect
        self._client: Client | None = None
        self._warn = warn
        self._thread = Background(f"mirror of {journal.folder.name}", self._sync, warn, share=SHARE)

    def wake(self) -> None:
        """Signal that the folders have changed; returns at once."""
        self._thread.wake()

    def close(self, timeout: float) -> int:
        """Send what is left, for at most `timeout` seconds; return the number of trials not sent completely."""
        self._thread.close(timeout)
        return pending(self._journal, self._server)

    def _sync(self) -> str | None:
        """Synchronize once; return why something could not be sent, or None."""
        client, self._client = self._client or self._connect(), None
        report = sync(self._journal, client)
        for line in report.refused:
            self._warn(line)
        if report.error is None:
            self._client = client  # after an error, the next call connects again
        return report.error


class _Round:
    """One pass over a study's folders; the caller holds the lock."""

    def __init__(self, journal: Journal, client: Client) -> None:
        self._journal, self._client = journal, client
        self._began = time.time()
        self._cursor = cursors.load(journal, client.server)
        self._trials = journal.trials()
        self._sent = self._points = 0
        self._errors: list[str] = []

    def send(self) -> Report:
        """Send everything new. An unreachable server ends the round; a trial that cannot be sent does not."""
        definition = self._journal.definition() or {}
        try:
            parent = self._client.open_study(definition, self._first(), self._cursor.study_run)
            self._cursor.set_run(parent)
            self._send_ended(parent)
            for folder in self._cursor.unfinished(self._trials):
                with suppress(Damaged):  # the search, or the command, has named it
                    self._sync_trial(parent, folder)
            self._send_study(parent, definition)
        except StudyError as error:
            self._errors.append(str(error))
        finally:
            self._store()
        behind = cursors.count_behind(self._cursor, self._trials)
        error = self._errors[0] if self._errors else None
        refused = tuple(self._client.refused)
        self._client.refused.clear()
        return Report(self._journal.folder.name, self._sent, self._points, behind, error, refused)

    def _send_ended(self, parent: str) -> None:
        """Send trials that ended before anything of them was sent, many at once."""
        new = [folder for folder in self._cursor.unfinished(self._trials) if folder.number not in self._cursor.trials]
        for start in range(0, len(new), AT_ONCE):
            read = (results.whole(folder) for folder in new[start : start + AT_ONCE])
            ended = {trial.number: trial for trial in read if trial and trial.history.ended}
            for number, run in self._client.send_ended(parent, list(ended.values())).items() if ended else ():
                about, history = ended[number].about, ended[number].history
                assert history.ended is not None
                end = history.ended.state, history.ended.value, history.ended.time
                sent = SentTrial(run, about["uid"], history.replays, len(history.epochs), *end)
                self._cursor.trials[number] = sent
                self._sent += 1
                self._points += sum(1 + len(epoch.metrics) for epoch in history.epochs)
            self._store()

    def _first(self) -> dict[str, Any]:
        """Read what is known of the first trial that is not damaged."""
        for folder in self._trials[:-1]:
            with suppress(Damaged):
                return folder.about()
        return self._trials[-1].about()

    def _sync_trial(self, parent: str, folder: TrialFolder) -> None:
        try:
            trial = Trial.of(folder)
            if self._cursor.behind(trial):
                self._send_trial(parent, trial)
        except (PlaceError, Damaged):
            raise
        except StudyError as error:  # the server rejects the trial
            self._cursor.trials.pop(folder.number, None)
            self._errors.append(str(error))

    def _send_trial(self, parent: str, trial: Trial) -> None:
        history, sent = trial.history, self._cursor.sent(trial)
        if sent is None:
            sent = SentTrial(self._client.open_trial(parent, trial), trial.about["uid"], history.replays)
            self._cursor.trials[trial.number] = sent
        if len(history.epochs) > sent.epochs:
            self._points += self._client.log_epochs(sent.run, trial, sent.epochs)
            sent.epochs = len(history.epochs)
        if ended := history.ended:
            self._client.end_trial(sent.run, trial)
            sent.state, sent.value, sent.time = ended.state, ended.value, ended.time
        self._sent += 1
        if self._sent % STORE_EVERY == 0:
            self._store()

    def _send_study(self, parent: str, definition: Mapping[str, Any]) -> None:
        """Send the state of the study as a whole, if it has changed."""
        summary = summarize(self._journal, definition, self._cursor, self._trials, self._began)
        mark = _mark(summary)
        if mark != self._cursor.summary:
            self._client.update_study(parent, summary)
            self._cursor.summary = mark

    def _store(self) -> None:
        cursors.store(self._journal, self._client.server, self._cursor)


def summarize(
    journal: Journal,
    definition: Mapping[str, Any],
    cursor: Cursor,
    trials: Sequence[TrialFolder],
    began: float = math.inf,
) -> StudySnapshot:
    """Make a study's snapshot from what the server has received of its trials.

    Args:
        journal: the study's folders.
        definition: as stored.
        cursor: what the server has received.
        trials: the study's.
        began: when the first of their logs was read, in seconds since 1970: what ended before was received.

    """
    sent_trials = [(trial.number, cursor.trials.get(trial.number)) for trial in trials]
    ended = [(number, sent) for number, sent in sent_trials if sent is not None and sent.state is not None]
    states, is_over = Counter(sent.state for _, sent in ended), len(ended) == len(sent_trials)
    metric = Metric(definition["metric"], definition["direction"])
    new_bests = _new_bests(ended, metric)
    best = next((each for each in reversed(new_bests) if results.whole(journal.trial(each.trial))), None)
    if definition.get("pruner") == "promotion":  # a paused trial is passed by many others
        by_time = _new_bests(sorted(ended, key=lambda each: each[1].time), metric)
        known = by_time if is_over else [each for each in by_time if each.time < began]
    else:
        first_running = next((number for number, sent in sent_trials if sent is None or sent.state is None), math.inf)
        known = [each for each in new_bests if each.trial < first_running]
    return StudySnapshot(
        definition=definition,
        counts={"complete": states["complete"], "pruned": states["pruned"], "failed": states["failed"],
                "running": len(sent_trials) - len(ended)},
        best=best,
        recipe=journal.trial(best.trial).recipe() if best else None,
        new_bests=known,
        ended=max(sent.time for _, sent in ended) if is_over else None,
        note=note.of_study(journal, best and best.trial, best and best.value),
        groups=journal.groups(),
        files=journal.files(),
    )  # fmt: skip


def _mark(summary: StudySnapshot) -> str:
    """Give another text for each state of a study as a whole."""
    files = {name: hashlib.sha256(content).hexdigest() for name, content in summary.files.items()}
    best, definition = summary.best and summary.best.trial, summary.definition
    content = [definition, summary.counts, best, len(summary.new_bests), summary.ended, summary.groups, files,
               summary.note]  # fmt: skip
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _new_bests(ended: Sequence[tuple[int, SentTrial]], metric: Metric) -> list[NewBest]:
    new_bests: list[NewBest] = []
    for number, sent in ended:
        if sent.state != "complete" or sent.value is None:
            continue
        if not new_bests or metric.better(sent.value, new_bests[-1].value):
            new_bests.append(NewBest(number, sent.value, sent.time))
    return new_bests
