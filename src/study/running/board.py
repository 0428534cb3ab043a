"""The state of a search, updated from its progress events, for the live view and the plain lines."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from study.metric import Metric, sign_of
from study.progress import Preparing, SearchStarted, TrialEnded, TrialEpoch, TrialPaused, TrialPlaced, TrialStarted
from study.record import family, results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from study.progress import Progress
    from study.record.trial import TrialRow

LEADERS = 5  # trials on the leaderboard


@dataclass(frozen=True, slots=True)
class Running:
    """A running trial: epochs so far, epochs at the start of this run, metric after the latest epoch, node."""

    number: int
    variant: str | None
    overrides: Mapping[str, Any]
    epochs: int
    before: int
    value: float | None
    host: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """An ended trial, for the leaderboard and the line about the latest one."""

    number: int
    variant: str | None
    overrides: Mapping[str, Any]
    state: str
    epochs: int
    value: float | None


@dataclass(slots=True)
class Board:
    """The state of a run, read from its folders and updated from its events.

    Args:
        metric: the optimized metric.
        epochs: number of epochs of a full-length trial, if known.
        clock: returns monotonic seconds.
        doing: current step before the search starts.

    """

    metric: Metric = field(default_factory=lambda: Metric(""))
    epochs: int | None = None
    clock: Callable[[], float] = time.monotonic
    study: str = ""
    target: int = 0
    complete: int = 0
    pruned: int = 0
    failed: int = 0
    leaders: list[Placed] = field(default_factory=list[Placed])
    last: Placed | None = None
    paused: dict[int, Running] = field(default_factory=dict[int, Running])
    paused_before: int = 0  # this run
    running: dict[int, Running] = field(default_factory=dict[int, Running])
    began: float = 0.0
    ended_here: int = 0
    epochs_here: int = 0
    slots: int = 0  # of a cluster
    stopping: str = ""  # message about the stop
    doing: str = ""

    @property
    def best(self) -> Placed | None:
        """The best complete trial."""
        return self.leaders[0] if self.leaders else None

    @property
    def finished(self) -> int:
        """Number of trials that count towards the target."""
        return self.complete + self.pruned

    @property
    def reached(self) -> int:
        """Number of trials on the way to the target: finished ones, and paused ones, which end as pruned or go on."""
        return self.finished + len(self.paused)

    def start(self, progress: SearchStarted, metric: Metric, before: Sequence[TrialRow]) -> None:
        """Start from the trials in the folders; call before passing the same event to `take`."""
        self.study, self.target, self.began = progress.study, progress.target, self.clock()
        self.epochs, self.metric = progress.epochs, metric.seen(row.value or 0.0 for row in before)
        self.complete = self.pruned = self.failed = self.ended_here = self.epochs_here = 0
        self.leaders, self.last = [], None
        self.paused = {
            row.number: Running(row.number, row.variant, row.overrides, row.epochs, row.epochs, row.value)
            for row in before
            if row.paused
        }
        self.paused_before = len(self.paused)
        for row in before:
            self.complete += row.state == "complete"
            self.pruned += row.state == "pruned"
            self.failed += row.state == "failed"
            self._place(Placed(row.number, row.variant, row.overrides, row.state, row.epochs, row.value))

    def follow(self, progress: Progress, home: Path) -> None:
        """Apply the next event of a run; on its start, read its folders."""
        if isinstance(progress, SearchStarted):
            journal = family.journal(progress.study, home)
            trials = results.read(journal)
            self.start(progress, results.metric_of(journal, trials), [trial.row for trial in trials])
        self.take(progress)

    def take(self, progress: Progress) -> None:
        """Apply the next event."""
        match progress:
            case Preparing():
                self.doing = progress.text
            case TrialStarted():
                self.paused.pop(progress.trial, None)
                self.running[progress.trial] = Running(
                    progress.trial, progress.variant, progress.overrides, progress.epochs, progress.epochs, None
                )
            case TrialPlaced(number, host, slots):
                self.slots = slots
                if known := self.running.get(number):
                    self.running[number] = replace(known, host=host)
            case TrialEpoch():
                self._epoch(progress)
            case TrialPaused(number, epochs):
                known = self.running.pop(number, None) or Running(number, None, {}, epochs, epochs, None)
                self.paused[number] = known
            case TrialEnded():
                self._ended(progress)
            case _:
                pass

    def length(self, trial: Running) -> int | None:
        """Return the number of epochs of the trial at full length, if known."""
        own = trial.overrides.get("epochs")
        return own if isinstance(own, int) else self.epochs

    def per_minute(self) -> float | None:
        """Return trials per minute since the start; None if too early to tell.

        Running ones count in part, a pause as one, and a paused trial that goes on as minus one.
        """
        seconds = self.clock() - self.began
        done = self.ended_here + len(self.paused) - self.paused_before + self._shares()
        return 60 * done / seconds if seconds > 1 and done >= 0.5 else None

    def seconds_left(self) -> float | None:
        """Estimate the seconds until the target is reached."""
        rate = self.per_minute()
        return None if rate is None else 60 * max(0.0, self.target - self.reached - self._shares()) / rate

    def _shares(self) -> float:
        running = tuple(self.running.values())  # the live view calls this from its own thread
        return sum(min(1.0, (trial.epochs - trial.before) / (self.length(trial) or 10)) for trial in running)

    def _epoch(self, progress: TrialEpoch) -> None:
        if not self.epochs_here:
            self.began = self.clock() - progress.epoch.seconds  # leaves out the start of the workers
        self.epochs_here += 1
        known = self.running.get(progress.trial) or Running(progress.trial, None, {}, 0, 0, None)
        value = progress.epoch.metrics.get(self.metric.name)
        self.metric = self.metric.seen([value or 0.0])
        self.running[progress.trial] = replace(known, epochs=progress.epoch.number, value=value)

    def _ended(self, progress: TrialEnded) -> None:
        self.running.pop(progress.trial, None)
        self.paused.pop(progress.trial, None)
        self.ended_here += 1
        ended = progress.ended
        self.complete += ended.state == "complete"
        self.pruned += ended.state == "pruned"
        self.failed += ended.state == "failed"
        self.last = Placed(
            progress.trial, progress.variant, progress.overrides, ended.state, progress.epochs, ended.value
        )
        self._place(self.last)

    def _place(self, trial: Placed) -> None:
        """Add a complete trial to the leaderboard; on a tie, the earlier trial leads."""
        if trial.state != "complete" or trial.value is None or math.isnan(trial.value):
            return
        sign = sign_of(self.metric.direction)
        ranked = sorted([*self.leaders, trial], key=lambda each: (-sign * (each.value or 0.0), each.number))
        self.leaders = ranked[:LEADERS]  # a new list: the live view reads it from its own thread
