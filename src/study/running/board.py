"""Where a search stands, kept by its progress events: what the live view draws and the lines tell."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from study.metric import Metric, sign_of
from study.progress import Preparing, SearchStarted, TrialEnded, TrialEpoch, TrialPlaced, TrialStarted
from study.record import family, results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from study.progress import Progress
    from study.record.trial import TrialRow

LEADERS = 5  # trials on the leaderboard


@dataclass(frozen=True, slots=True)
class Running:
    """A trial that a worker trains: its epochs so far, those when taken up, the metric after the last, its node."""

    number: int
    variant: str | None
    overrides: Mapping[str, Any]
    epochs: int
    before: int
    value: float | None
    host: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """A trial that has ended, as the leaderboard and the line of the last one show it."""

    number: int
    variant: str | None
    overrides: Mapping[str, Any]
    state: str
    epochs: int
    value: float | None


@dataclass(slots=True)
class Board:
    """The state of a run, from its folders and its events.

    Args:
        metric: what is optimized.
        epochs: epochs of a full-length trial, if known.
        clock: seconds, monotonic.
        doing: what is done before the search starts.

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
    running: dict[int, Running] = field(default_factory=dict[int, Running])
    began: float = 0.0
    ended_here: int = 0
    epochs_here: int = 0
    slots: int = 0  # of a cluster
    stopping: str = ""  # what is said of it
    doing: str = ""

    @property
    def best(self) -> Placed | None:
        """The best complete trial."""
        return self.leaders[0] if self.leaders else None

    @property
    def finished(self) -> int:
        """Trials that count towards the target."""
        return self.complete + self.pruned

    def start(self, progress: SearchStarted, metric: Metric, before: Sequence[TrialRow]) -> None:
        """Begin from what the folders tell; call it before `take` gets the same event."""
        self.study, self.target, self.began = progress.study, progress.target, self.clock()
        self.epochs, self.metric = progress.epochs, metric.seen(row.value or 0.0 for row in before)
        self.complete = self.pruned = self.failed = self.ended_here = self.epochs_here = 0
        self.leaders, self.last = [], None
        for row in before:
            self.complete += row.state == "complete"
            self.pruned += row.state == "pruned"
            self.failed += row.state == "failed"
            self._place(Placed(row.number, row.variant, row.overrides, row.state, row.epochs, row.value))

    def follow(self, progress: Progress, home: Path) -> None:
        """Apply the next event of a run; when a run starts, read what its folders hold."""
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
                self.running[progress.trial] = Running(
                    progress.trial, progress.variant, progress.overrides, progress.epochs, progress.epochs, None
                )
            case TrialPlaced(number, host, slots):
                self.slots = slots
                if known := self.running.get(number):
                    self.running[number] = replace(known, host=host)
            case TrialEpoch():
                self._epoch(progress)
            case TrialEnded():
                self._ended(progress)
            case _:
                pass

    def length(self, trial: Running) -> int | None:
        """Epochs of the trial at full length, if known."""
        own = trial.overrides.get("epochs")
        return own if isinstance(own, int) else self.epochs

    def per_minute(self) -> float | None:
        """Trials a minute since the start, running ones by their share of epochs; None too early to tell."""
        seconds = self.clock() - self.began
        done = self.ended_here + self._shares()
        return 60 * done / seconds if seconds > 1 and done >= 0.5 else None

    def seconds_left(self) -> float | None:
        """Expected seconds until the target is reached."""
        rate = self.per_minute()
        return None if rate is None else 60 * max(0.0, self.target - self.finished - self._shares()) / rate

    def _shares(self) -> float:
        running = tuple(self.running.values())  # the live view asks from its own thread
        return sum(min(1.0, (trial.epochs - trial.before) / (self.length(trial) or 10)) for trial in running)

    def _epoch(self, progress: TrialEpoch) -> None:
        if not self.epochs_here:
            self.began = self.clock() - progress.epoch.seconds  # what workers need to start is no part of the pace
        self.epochs_here += 1
        known = self.running.get(progress.trial) or Running(progress.trial, None, {}, 0, 0, None)
        value = progress.epoch.metrics.get(self.metric.name)
        self.metric = self.metric.seen([value or 0.0])
        self.running[progress.trial] = replace(known, epochs=progress.epoch.number, value=value)

    def _ended(self, progress: TrialEnded) -> None:
        self.running.pop(progress.trial, None)
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
        """Put a trial among the best, if it is complete; of equal ones the earlier leads."""
        if trial.state != "complete" or trial.value is None or math.isnan(trial.value):
            return
        sign = sign_of(self.metric.direction)
        ranked = sorted([*self.leaders, trial], key=lambda each: (-sign * (each.value or 0.0), each.number))
        self.leaders = ranked[:LEADERS]  # a new list: the live view reads it from its own thread
