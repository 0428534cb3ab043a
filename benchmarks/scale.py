"""What the coordinator of a search keeps up with: real folders, real databases, a real sampler; trainings are played.

    python -m benchmarks.scale                   1,000 slots, 30 s a training, to 10,000 trials
    python -m benchmarks.scale --quick           the same for two minutes
    python -m benchmarks.scale --seconds 5       asks for 200 trials and 2,000 epochs a second
    python -m benchmarks.scale --profile         where the loop's time goes

An executor of this file stands for the cluster: it says that an epoch has ended when its time has come by the
clock, and goes on once it is answered. Epochs last as drawn from a log-normal distribution, some much longer; some
workers die. Lag is the time from the end of an epoch to the answer. Slot time is lost while an epoch waits for its
answer, and between the end of a training and the start of the next one in its slot. Nothing is sent to MLflow:
another process does that, later. Checkpoints are not played.
"""

from __future__ import annotations

import argparse
import cProfile
import heapq
import itertools
import math
import os
import platform
import pstats
import random
import sys
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from study import Study
from study.errors import Interrupted
from study.events import Died, Epoch, Event, Finished, Started, Stopped
from study.executors.server import cores
from study.options import Options
from study.progress import SearchStarted, TrialEnded
from study.questions.search import Asking
from study.running.coordinator import conduct
from study.sampling import space
from study.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from study.executors import Job
    from study.progress import Progress

EPOCHS = 10
SIGMA = 0.35  # of the logarithm of a training's speed
JITTER = 0.1  # of the logarithm of an epoch's duration
SLOW = (0.01, 4.0)  # share of epochs that take so many times as long
DEATHS = 0.0005  # share of epochs in which a worker dies
WINDOW = 30.0  # seconds before a mark over which rates and lags are taken
KNOBS = [f"x{index}" for index in range(6)]


class Knobs(BaseModel):
    """What a played training is given."""

    x0: float = 0.5
    x1: float = 0.5
    x2: float = 0.5
    x3: float = 0.5
    x4: float = 0.5
    x5: float = 0.5
    epochs: int = EPOCHS


def draw(trial: Any) -> dict[str, float]:
    """Suggest six numbers in [0, 1]."""
    return {name: trial.suggest_float(name, 0, 1) for name in KNOBS}


def train(_recipe: Knobs, _resume: object) -> Any:
    """Stand for a training: it is played."""
    raise AssertionError("the executor of this file plays it")


def value(recipe: Any, epoch: int) -> float:
    """Give a learning curve whose end depends on the knobs."""
    far = sum((recipe[name] - 0.3) ** 2 for name in KNOBS)
    return (1 - math.exp(-epoch / 3)) * math.exp(-far)


@dataclass
class Played:
    """An executor with many slots whose trainings are times in a heap.

    Args:
        slots: trainings at a time.
        seconds: mean duration of a training.
        reports: moment of each answer, and its lag in seconds.
        lost: moment, and seconds of a slot that were lost.

    """

    slots: int
    seconds: float
    reports: deque[tuple[float, float]] = field(default_factory=deque)
    lost: deque[tuple[float, float]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Begin with empty slots."""
        self._chance, self._count = random.Random(0), itertools.count()  # noqa: S311 - it draws durations
        self._due: list[tuple[float, int, int, Event]] = []
        self._jobs: dict[int, tuple[Job, float]] = {}  # and the seconds of its epochs
        self._done: dict[int, int] = {}  # epochs that are in the checkpoint, by number
        self._waits: dict[int, tuple[float, int]] = {}  # since when an epoch waits, and its number
        self._free = [0.0] * self.slots  # since when a slot is empty; 0 before its first training
        self.call = lambda *_arguments, **_more: None

    def submit(self, job: Job) -> None:
        """Begin a training in the slot that has been empty for longest."""
        now, since = time.monotonic(), heapq.heappop(self._free)
        if since:
            self.lost.append((now, now - since))
        normal = self.seconds / EPOCHS / math.exp(SIGMA**2 / 2)
        self._jobs[job.number] = job, normal * math.exp(self._chance.gauss(0, SIGMA))
        self._put(now, job.number, Started(self._done.get(job.number, 0), "cpu", chip="played", host="played"))
        if done := self._done.get(job.number, 0):  # the epochs of the checkpoint come again
            self._put(now, job.number, self._epoch(job, done))
        else:
            self._train(job.number, now, 1)

    def events(self, timeout: float) -> list[tuple[int, Event]]:
        """Give all that is due; wait for it."""
        until = time.monotonic() + timeout
        while (now := time.monotonic()) < until and (not self._due or self._due[0][0] > now):
            time.sleep(max(0.0, min(until, self._due[0][0] if self._due else until) - now))
        found: list[tuple[int, Event]] = []
        while self._due and self._due[0][0] <= time.monotonic():
            due, _, number, event = heapq.heappop(self._due)
            if isinstance(event, Epoch):
                self._waits[number], self._done[number] = (due, event.number), event.number
            elif not isinstance(event, Started):
                del self._jobs[number]
                heapq.heappush(self._free, due)
            found.append((number, event))
        return found

    def answer(self, number: int, *, go_on: bool) -> None:
        """Train the next epoch, or stop."""
        now, (due, epoch) = time.monotonic(), self._waits.pop(number)
        self.reports.append((now, now - due))
        self.lost.append((now, now - due))
        if not go_on:
            self._put(now, number, Stopped())
        elif epoch == EPOCHS:
            self._put(now, number, Finished(None))
        else:
            self._train(number, now, epoch + 1)

    def kill(self, number: int) -> None:
        """Do nothing: nothing hangs."""

    def close(self) -> None:
        """Drop everything."""
        self._due.clear()

    def _train(self, number: int, now: float, epoch: int) -> None:
        job, normal = self._jobs[number]
        seconds = normal * math.exp(self._chance.gauss(0, JITTER))
        if self._chance.random() < SLOW[0]:
            seconds *= SLOW[1]
        dies = self._chance.random() < DEATHS
        event = Died("the worker was ended by SIGKILL (out of memory?)") if dies else self._epoch(job, epoch)
        self._put(now + seconds, number, event)

    def _epoch(self, job: Job, epoch: int) -> Epoch:
        return Epoch(epoch, {"score": value(job.recipe, epoch)}, seconds=self._jobs[job.number][1])

    def _put(self, due: float, number: int, event: Event) -> None:
        heapq.heappush(self._due, (due, next(self._count), number, event))


@dataclass
class Meter:
    """Prints a row when a number of trials has been reached."""

    executor: Played
    home: Path
    ended: deque[float] = field(default_factory=deque)

    def row(self, trials: int) -> str:
        """Write what the last seconds were like."""
        now, executor = time.monotonic(), self.executor
        since = now - WINDOW
        for kept in (executor.reports, executor.lost):
            while kept and kept[0][0] < since:
                kept.popleft()
        while self.ended and self.ended[0] < since:
            self.ended.popleft()
        lags = 1000 * np.array([lag for _, lag in executor.reports] or [math.nan])
        lost = sum(seconds for _, seconds in executor.lost) / (WINDOW * executor.slots)
        cells = [
            f"{trials:,}", f"{len(self.ended) / WINDOW:.0f}", f"{len(executor.reports) / WINDOW:.0f}",
            f"{np.median(lags):.0f} ms", f"{np.percentile(lags, 99):.0f} ms", f"{100 * lost:.1f} %",
            f"{resident() >> 20} MB", f"{size(self.home / 'optuna.db') / 1e6:.0f} MB",
            f"{size(self.home / 'studies') / 1e6:.0f} MB",
        ]  # fmt: skip
        return f"| {' | '.join(cells)} |"


def resident() -> int:
    """Give the memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def size(path: Path) -> int:
    """Give the bytes that files take on the disk, with a database's log."""
    files = path.rglob("*") if path.is_dir() else path.parent.glob(f"{path.name}*")
    return sum(512 * each.stat().st_blocks for each in files)


def seconds_by_thread() -> dict[str, float]:
    """Give the seconds of CPU that each thread has had."""
    tick, found = os.sysconf("SC_CLK_TCK"), dict[str, float]()
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    for task in Path("/proc/self/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        name = names.get(int(task.name), "others")
        found[name] = found.get(name, 0.0) + (int(fields[11]) + int(fields[12])) / tick
    return found


def search(asked: argparse.Namespace, home: Path) -> None:
    """Run the search, and print a row at each mark."""
    study = Study(name="played", recipe=Knobs(), train=train, metric="score", space=draw)
    settings = Settings(home, f"sqlite:///{home}/optuna.db", "")
    options = Options(trials=asked.trials, sampler=asked.sampler, pruner=asked.pruner, track=False)
    executor, stop = Played(asked.slots, asked.seconds), threading.Event()
    definition = space.describe(study, space.probe(study), sampler=asked.sampler, pruner=asked.pruner, seed=0, data={})
    meter, began = Meter(executor, home), time.monotonic()
    marks = [mark for mark in (1000, 3000, 10_000, 30_000, 100_000) if mark < asked.trials]
    done = 0
    used: dict[str, float] = {}
    for progress in _until_stopped(
        conduct(study, settings, options, executor, stop, Asking(study, asked.trials), definition)
    ):
        if isinstance(progress, SearchStarted):
            began = time.monotonic()
        elif isinstance(progress, TrialEnded):
            meter.ended.append(time.monotonic())
            done += 1
            if marks and done >= marks[0]:
                print(meter.row(marks.pop(0)), flush=True)
            if done == asked.trials - asked.slots:  # fewer trainings run after that
                print(meter.row(done), flush=True)
                used = seconds_by_thread()
        if asked.limit and time.monotonic() - began > asked.limit and not stop.is_set():
            print(meter.row(done), flush=True)
            used = seconds_by_thread()
            stop.set()
    print(", ".join(f"{name} {seconds:.0f} s of CPU" for name, seconds in used.items() if seconds > 1), file=sys.stderr)


def machine() -> str:
    """Name the processor, its cores, and the versions that matter."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{model}, {cores()} cores, Python {platform.python_version()}, optuna {version('optuna')}"


def _until_stopped(events: Iterator[Progress]) -> Iterator[Progress]:
    try:
        yield from events
    except Interrupted:
        return


def main() -> None:
    """Parse the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30.0, help="mean duration of a training")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--limit", type=float, default=0.0, help="end after so many seconds")
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--pruner", default="none")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--home", type=Path, help="keep the results here")
    asked = parser.parse_args()
    asked.limit = 120.0 if asked.quick else asked.limit
    print("| trials | finished/s | reports/s | lag, median | lag, 99 % | slot time lost | memory | Optuna | folders |\n"
          "|---:|---:|---:|---:|---:|---:|---:|---:|---:|")  # fmt: skip
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        home = asked.home or Path(place)
        if not asked.profile:
            search(asked, home)
        else:
            with cProfile.Profile(time.thread_time) as profile:  # the processor, of the loop alone
                search(asked, home)
            pstats.Stats(profile).sort_stats("cumulative").print_stats(70)
    print(machine(), file=sys.stderr)


if __name__ == "__main__":
    from benchmarks import scale  # under its name, by which a training is found

    scale.main()
