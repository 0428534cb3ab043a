"""The main loop: starts the next trial when a slot is free, records its epochs and asks the pruner.

The trial folders are the state: a killed search continues from them. The loop never waits for a database.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from study import stopping
from study.errors import StudyError
from study.events import Died, Epoch, Event, Failed, Finished, Started, Stopped, Stuck
from study.executors import Job
from study.formatting import duration
from study.progress import Notice, Progress, SearchStarted, TrialEnded, TrialEpoch, TrialPlaced, TrialStarted
from study.running.batch import Batch
from study.running.hangs import HangDetector
from study.running.making import Maker, Running
from study.running.repeated_epochs import compared
from study.running.twins import Twins

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from study.definition import Study
    from study.executors import Executor
    from study.record.history import State
    from study.record.journal import Journal, TrialFolder
    from study.running.source import Source, Watch
    from study.sampling.trials import Trials

RETRIES = 3  # retries of a trial whose worker died; any new epoch resets the count
LOST = 10  # lost workers, through no fault of their trials and without a new epoch, before the search gives up
TOGETHER = 5.0  # losses within these seconds count as one: a lost node takes all its workers along
SETTLING = 1.0  # seconds to wait after a death: if the signal also reaches this process, the death counts as no retry
FAILURES = 5  # consecutive failed trials before the search gives up
PATIENCE = 0.5  # longest wait for events in seconds
ASKED = 64  # trials that are asked for in one round at most
ASKING = 0.05  # seconds in which they are asked for, before events are taken again
SLOTS_AHEAD = 50  # slots for each trial that is asked for ahead of need: none on one machine, 20 at a thousand


@dataclass(slots=True)
class Loop:
    """The loop and its state, which can be rebuilt from the folders."""

    study: Study
    journal: Journal
    trials: Trials
    executor: Executor
    source: Source
    stop: threading.Event
    about: Mapping[str, Any]
    deadline: float = math.inf
    hang: float = 0.0
    test: bool = False
    watch: Watch | None = None
    most: float = math.inf  # finished trials of the study, beyond which none is begun
    running: dict[int, Running] = field(default_factory=dict[int, Running])
    prepared: deque[Running] = field(default_factory=deque[Running])  # those of them that wait for a slot
    got: int = 0  # trials that the source gave when it was asked last
    is_dry: bool = False  # whether it had no more
    is_enough: bool = False  # whether it was not asked, because of `most`
    is_idle: bool = True  # nothing has happened in the last round
    is_over: bool = False
    failures: int = 0
    lost: int = 0  # workers lost through no fault of their trials since the latest epoch
    lost_at: float = -math.inf
    clock: HangDetector = field(init=False)
    time_is_up: bool = False
    twins: Twins = field(init=False)
    batch: Batch = field(init=False)
    maker: Maker = field(init=False)

    def __post_init__(self) -> None:
        """Create the clock, the batch and the twins."""
        self.clock, self.batch = HangDetector(self.hang), Batch(self.journal)
        self.twins = Twins(self.study, self.journal, self.about)
        self.maker = Maker(self.study, self.journal, self.trials, self.about, self.twins, self.batch)

    def run(self) -> Iterator[Progress]:
        """Run until the source has no more trials or `stop` is set."""
        yield SearchStarted(
            study=self.study.name,
            target=self.source.target(self.trials),
            finished=self.trials.finished(),
            resumed=len(self.trials.running()),
            slots=self.executor.slots,
            epochs=getattr(self.study.recipe, "epochs", None),
        )
        try:
            while not self.is_over:
                yield from self.batch.recorded(self._round())
            yield from self.batch.settled()
        finally:
            self.batch.close()

    def _round(self) -> Iterator[Progress]:
        """Start what can be started, and take what has happened."""
        if time.monotonic() > self.deadline and not self.time_is_up:
            self.time_is_up = True
            yield Notice("time is up: running trials stop after their current epoch; the same command continues")
        if self.watch:
            yield from self.watch.look()
        yield from self._see_to_the_dead()
        yield from self._start_prepared()
        wanted, asked = self._wanted(), 0
        if wanted and (self._free() or self.is_idle):
            asked = min(wanted, ASKED if self.source.at_once and self._free() else 1)
            yield from self._ask(asked)
            wanted = 0 if self.is_dry else wanted - self.got
        if not self.running:
            if asked and not self.is_dry:  # what was asked for has ended at once: it repeats other trials
                return
            ends_paused = self.trials.paused and not (self.is_enough or self.source.is_done(self.trials))
            if asked and ends_paused and not self._is_stopping():
                yield from self._end_paused()
                return
            self.is_over = True
        elif stopping.is_over(self.stop):
            self.batch.commit()
            self.executor.close()  # their epochs restart from the checkpoints
            self.is_over = True
        else:
            events = self.executor.events(0.0 if wanted or not self.batch.is_empty else PATIENCE)
            self.is_idle = not events
            for number, event in events:
                yield from self._take(number, event)
            self._end_hanging()

    def _end_hanging(self) -> None:
        for number, seconds in self.clock.hanging(is_stopping=self._is_stopping()).items():
            self.clock.ends(number)
            self.running[number].hung = f"an epoch has not ended within {duration(seconds)} (see --hang)"
            self.executor.kill(number)

    def _is_stopping(self) -> bool:
        return self.time_is_up or self.stop.is_set() or (self.watch is not None and self.watch.over is not None)

    def _free(self) -> int:
        """Count the slots that can take a trial now; where none is ready, a first trial waits for one."""
        slots = max(1, self.executor.slots)
        return 0 if self._is_stopping() else max(0, slots - len(self.running) + len(self.prepared))

    def _wanted(self) -> int:
        """Count the trials to ask for: one for each free slot, and at many slots some ahead of need."""
        if self._is_stopping():
            return 0
        ahead = self.executor.slots // SLOTS_AHEAD if self.source.at_once else 0
        return max(0, self._free() + ahead - len(self.prepared))

    def _ask(self, count: int) -> Iterator[Progress]:
        """Ask for trials, up to a number of them, and make their folders; then start those that have a slot."""
        begun: list[Running] = []
        until, self.is_dry = time.monotonic() + ASKING, False
        while len(begun) < count and (not begun or time.monotonic() < until):
            self.trials.refresh()
            self.is_enough = self.trials.finished() + len(self.running) >= self.most
            trial = None if self.is_enough else self.source.next(self.trials, self.running.keys())
            if trial is None:
                self.is_dry = True
                break
            begun.append(each := self.maker.make(trial))
            self.running[trial.number] = each
            self.clock.learn(max((epoch.seconds for epoch in each.history.epochs), default=0.0))
        self.prepared.extend(begun)
        self.got = len(begun)
        yield from self._start_prepared()

    def _start_prepared(self) -> Iterator[Progress]:
        """Start trials in free slots; if the search is stopping, the next one begins with those that are left."""
        while self.prepared and (self._free() or self._is_stopping()):
            each = self.prepared.popleft()
            if self._is_stopping():
                del self.running[each.folder.number]
                continue
            if each.twin is None:
                self.batch.then(partial(self._submit, each))
            yield TrialStarted(each.folder.number, each.trial.variant, each.settings, len(each.history.epochs))
            if each.twin is not None:
                yield from self._repeat(each, each.twin)

    def _submit(self, each: Running) -> None:
        folder = each.folder
        job = Job.of(self.study, folder.number, each.recipe, folder, test=self.test, chip=each.history.chip,
                     data=self.about.get("data"))  # fmt: skip
        self.executor.submit(job)
        self.clock.begins(folder.number)

    def _repeat(self, each: Running, twin: TrialFolder) -> Iterator[Progress]:
        """Copy the results of a trial with the same recipe and seed, without training."""
        self.batch.commit()  # its folder, and the twin's end
        history = twin.history()
        self.trials.repeats(each.folder.number)
        for epoch in history.epochs[len(each.history.epochs) :]:
            metrics = dict(epoch.metrics)
            each.history.take(
                self.batch.append(each.folder, "epoch", number=epoch.number, metrics=metrics, seconds=0.0)
            )
            self.trials.report(each.folder.number, epoch)
        each.folder.copy_weights(twin)
        assert history.ended is not None
        yield from self._end(each, "complete", evaluation=history.ended.evaluation, repeats=twin.number)

    def _take(self, number: int, event: Event) -> Iterator[Progress]:
        each = self.running[number]
        if not isinstance(event, Started | Epoch):
            self.clock.ends(number)
        match event:
            case Started():
                yield from self._take_start(each, event)
            case Epoch():
                yield from self._take_epoch(each, event)
            case Finished(evaluation=evaluation):
                yield from self._end(each, "complete", evaluation=evaluation)
            case Stopped():
                yield from self._take_stop(each)
            case Failed(reason=reason, traceback=traceback):
                yield from self._end(each, "failed", reason=reason, traceback=traceback)
            case Stuck(error=error):
                raise error
            case Died():
                each.died, each.settled = event, time.monotonic() + (0.0 if each.hung else SETTLING)

    def _take_start(self, each: Running, event: Started) -> Iterator[Progress]:
        number, where = each.folder.number, {"chip": event.chip, "host": event.host} if event.chip else {}
        each.history.take(self.batch.append(each.folder, "started", device=event.device, **where))
        each.hung = ""  # it may have waited for a slot
        self.clock.begins(number)  # leaves out the start of its process
        if event.host:
            yield TrialPlaced(number, event.host, self.executor.slots)
        if event.damaged:
            yield Notice(f"trial {number}: {event.damaged}; it continues from epoch {event.epochs}")
        if event.anew and each.history.epochs:
            each.history.take(self.batch.append(each.folder, "restarted", epochs=0))
            each.known = 0
            yield Notice(f"trial {number}: {event.anew}; it starts again from its first epoch")

    def _take_stop(self, each: Running) -> Iterator[Progress]:
        """End a trial that the pruner ends, or let it pause; others go on when the search does."""
        if each.ending:
            yield from self._end(each, "pruned", reason=each.ending)
            return
        del self.running[each.folder.number]
        if each.pausing:
            yield self.maker.pause(each)

    def _end_paused(self) -> Iterator[Progress]:
        """End paused trials when nothing is left to run, the worst first: as many as are wanted, some in a round."""
        finished = self.trials.finished()
        count = int(min(ASKED, self.source.target(self.trials) - finished, self.most - finished))
        for each in [self.maker.make(self.trials.left(number)) for number in self.trials.worst()[:count]]:
            self.running[each.folder.number] = each
            yield from self._end(each, "pruned", reason=f"{self.trials.pruner} pruner")

    def _take_epoch(self, each: Running, epoch: Epoch) -> Iterator[Progress]:
        number, value = each.folder.number, epoch.metrics[self.study.metric]
        taken = self.clock.ends(number)
        if epoch.number <= len(each.history.epochs):
            yield from compared(each, epoch, self.study, self.batch)
        if epoch.number > len(each.history.epochs):
            metrics = dict(epoch.metrics)
            each.history.take(
                self.batch.append(each.folder, "epoch", number=epoch.number, metrics=metrics, seconds=epoch.seconds)
            )
            self.clock.learn(taken)
            self.lost = 0
        self.clock.begins(number)  # until the next event after the answer
        if not math.isfinite(value):
            each.ending = f"diverged in epoch {epoch.number}: {self.study.metric} is {value}"
            self.batch.then(partial(self.executor.answer, number, go_on=False))
            return
        self.trials.report(number, epoch)
        may_prune = self.source.may_prune(each.trial) and epoch.number >= each.known and not epoch.last
        is_bad = may_prune and self.trials.should_prune(number)
        each.pausing = is_bad and self.trials.pauses
        if each.pausing and not each.folder.checkpoint.exists():  # it would begin again
            is_bad = each.pausing = False
        each.ending = f"{self.trials.pruner} pruner" if is_bad and not each.pausing else ""
        if (audited := self.trials.audits.pop(number, None)) is not None and each.history.audited is None:
            each.history.take(self.batch.append(each.folder, "audited", epoch=audited))
        self.batch.then(partial(self.executor.answer, number, go_on=not (is_bad or self._is_stopping())))
        yield TrialEpoch(number, epoch)

    def _end(self, each: Running, state: State, *, reason: str = "", **more: Any) -> Iterator[Progress]:
        number, epochs = each.folder.number, each.history.epochs
        values = [epoch.metrics[self.study.metric] for epoch in epochs]
        value = next((value for value in reversed(values) if math.isfinite(value)), None)
        if state == "complete" and value is None:
            state, reason = "failed", "the training yielded no epoch"
        more = {"evaluation": None, **more}
        if tested := (more["evaluation"] or {}).get("test"):  # a custom training may have no test split
            name = self.study.objective.measure
            value = tested.get(name)
            if value is None:
                state = "failed"
                reason = f"its test has no {name!r}, by which the study judges; it has {', '.join(tested)}"
        elif self.study.test:  # the epochs' values are of another split
            value = None
        each.history.take(self.batch.append(each.folder, "ended", state=state, value=value, reason=reason, **more))
        ended = each.history.ended
        assert ended is not None
        self.trials.end(number, ended)
        self.batch.then(each.folder.discard_checkpoint)
        if state == "complete":
            self.twins.note(each.folder)
        del self.running[number]
        yield TrialEnded(number, each.trial.variant, each.settings, len(epochs), ended)
        self.failures = self.failures + 1 if state == "failed" else 0
        if self.failures == FAILURES:
            what = f"{FAILURES} trials in a row failed, the last one with: {reason}"
            raise StudyError(what, where=self.study.name, fix=f"See `study show {self.study.name} --trial {number}`.")

    def _see_to_the_dead(self) -> Iterator[Progress]:
        """Retry the trials whose workers died; if the search is stopping, the deaths do not count."""
        for each in [each for each in self.running.values() if each.died]:
            if self._is_stopping():
                del self.running[each.folder.number]
            elif time.monotonic() >= each.settled:
                yield from self._revive(each)

    def _revive(self, each: Running) -> Iterator[Progress]:
        assert each.died is not None
        reason, counts, which = each.hung or each.died.reason, bool(each.hung) or each.died.is_own, "it is continued"
        each.died, each.hung = None, ""
        if counts:
            each.history.take(self.batch.append(each.folder, "died", reason=reason))
            tries = each.history.deaths_in_vain
            if tries > RETRIES:
                yield from self._end(each, "failed", reason=f"{reason}, {tries} times without a new epoch")
                return
            which = f"retry {tries} of {RETRIES}"
        else:
            if time.monotonic() - self.lost_at > TOGETHER:
                self.lost, self.lost_at = self.lost + 1, time.monotonic()
            if self.lost > LOST:
                raise StudyError(f"{reason}, {self.lost} times without a new epoch", where=self.study.name)
        each.known = len(each.history.epochs)
        yield Notice(f"trial {each.folder.number}: {reason}; {which} from epoch {each.known}")
        self.batch.then(partial(self._submit, each))
