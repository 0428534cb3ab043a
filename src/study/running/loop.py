"""The main loop: starts the next trial when a slot is free, records its epochs and asks the pruner.

The trial folders are the state: a killed search continues from them. The loop never waits for a database.
"""

from __future__ import annotations

import math
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from study import stopping
from study.definition import OUR_TRAIN
from study.differences import difference, settings
from study.errors import StudyError
from study.events import Died, Epoch, Event, Failed, Finished, Started, Stopped, Stuck
from study.executors import Job
from study.formatting import duration
from study.imports import reference_to
from study.progress import Notice, Progress, SearchStarted, TrialEnded, TrialEpoch, TrialPlaced, TrialStarted
from study.recipe import to_json
from study.record.history import same_result
from study.running.clock import Clock
from study.running.twins import Twins

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Iterator, Mapping

    from pydantic import BaseModel

    from study.definition import Study
    from study.executors import Executor
    from study.record.history import History, State
    from study.record.journal import Journal, TrialFolder
    from study.sampling.trials import NextTrial, Trials

RETRIES = 3  # retries of a trial whose worker died; any new epoch resets the count
LOST = 10  # lost workers, through no fault of their trials and without a new epoch, before the search gives up
TOGETHER = 5.0  # losses within these seconds count as one: a lost node takes all its workers along
SETTLING = 1.0  # seconds to wait after a death: if the signal also reaches this process, the death counts as no retry
FAILURES = 5  # consecutive failed trials before the search gives up
PATIENCE = 0.5  # longest wait for events in seconds


class Source(Protocol):
    """A source of trials: a search asks Optuna, a comparison has a list."""

    def target(self, trials: Trials) -> int:
        """Return the number of finished trials at the end; an upper bound if it is unknown."""
        ...

    def is_done(self, trials: Trials) -> bool:
        """Tell whether there is nothing left to run."""
        ...

    def next(self, trials: Trials, under_way: Collection[int]) -> NextTrial | None:
        """Return the next trial, interrupted ones first; None while all remaining trials are running."""
        ...

    def may_prune(self, trial: NextTrial) -> bool:
        """Tell whether the trial may be stopped early."""
        ...


class Watch(Protocol):
    """Watches what happens outside the trainings, such as an unavailable database."""

    over: StudyError | None  # why the search must end after the current epochs

    def look(self) -> Iterator[Notice]:
        """Yield new notices; called about twice a second."""
        ...


@dataclass(slots=True)
class _Running:
    folder: TrialFolder
    trial: NextTrial
    history: History
    settings: Mapping[str, Any]  # as shown to people
    known: int = 0  # epochs in the log when the job was submitted: the pruner was asked about all but the last
    ending: str = ""  # why it is being stopped for good
    hung: str = ""  # why its worker was killed
    died: Died | None = None
    settled: float = math.inf  # time at which its death is handled


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
    running: dict[int, _Running] = field(default_factory=dict[int, _Running])
    failures: int = 0
    lost: int = 0  # workers lost through no fault of their trials since the latest epoch
    lost_at: float = -math.inf
    clock: Clock = field(init=False)
    time_is_up: bool = False
    twins: Twins = field(init=False)

    def __post_init__(self) -> None:
        """Create the clock and the twins."""
        self.clock = Clock(self.hang)
        self.twins = Twins(self.study, self.journal, self.about)

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
        while True:
            if time.monotonic() > self.deadline and not self.time_is_up:
                self.time_is_up = True
                yield Notice("time is up: running trials stop after their current epoch; the same command continues")
            if self.watch:
                yield from self.watch.look()
            yield from self._see_to_the_dead()
            while trial := self._next():
                yield from self._start(trial)
            if not self.running:
                return
            if stopping.is_over(self.stop):
                self.executor.close()  # their epochs restart from the checkpoints
                return
            for number, event in self.executor.events(PATIENCE):
                yield from self._take(number, event)
            self._end_hanging()

    def _end_hanging(self) -> None:
        for number, seconds in self.clock.hanging(is_stopping=self._is_stopping()).items():
            self.clock.ends(number)
            self.running[number].hung = f"an epoch has not ended within {duration(seconds)} (see --hang)"
            self.executor.kill(number)

    def _is_stopping(self) -> bool:
        return self.time_is_up or self.stop.is_set() or (self.watch is not None and self.watch.over is not None)

    def _next(self) -> NextTrial | None:
        if self._is_stopping() or len(self.running) >= self.executor.slots:
            return None
        self.trials.refresh()
        return self.source.next(self.trials, self.running.keys())

    def _start(self, trial: NextTrial) -> Iterator[Progress]:
        folder = self._resumed(trial) if trial.resumed else self._new(trial)
        history = folder.history()
        recipe = type(self.study.recipe).model_validate(folder.recipe())
        each = _Running(folder, trial, history, settings(recipe, self.study.recipe), len(history.epochs))
        self.running[folder.number] = each
        self.clock.learn(max((epoch.seconds for epoch in history.epochs), default=0.0))
        twin = self.twins.of(folder)
        if twin is None:
            self._submit(each)
        if not trial.resumed:
            self.trials.add(folder)
        yield TrialStarted(folder.number, trial.variant, each.settings, len(history.epochs))
        if twin is not None:
            yield from self._repeat(each, twin)

    def _submit(self, each: _Running) -> None:
        folder = each.folder
        job = Job.of(self.study, folder.number, folder.recipe(), folder, test=self.test, chip=each.history.chip,
                     data=self.about.get("data"))  # fmt: skip
        self.executor.submit(job)
        self.clock.begins(folder.number)

    def _new(self, trial: NextTrial) -> TrialFolder:
        recipe = self.study.recipe_for(trial.overrides)
        about = self._about(trial, recipe)
        if (known := self.twins.number_of(recipe)) is not None:
            about["repeats"] = known
        return self.journal.create(trial.number, to_json(recipe), about)

    def _resumed(self, trial: NextTrial) -> TrialFolder:
        folder = self.journal.trial(trial.number)
        if not folder.path.exists():  # started on another machine that shares the database
            recipe = self.study.recipe_for(trial.overrides)
            self.journal.create(trial.number, to_json(recipe), self._about(trial, recipe))
        folder.repair()
        return folder

    def _about(self, trial: NextTrial, recipe: BaseModel) -> dict[str, Any]:
        about = {**trial.about(), "overrides": difference(recipe, self.study.recipe), **self.about}
        return {**about, "uid": trial.uid or uuid.uuid4().hex, "created": time.time()}

    def _repeat(self, each: _Running, twin: TrialFolder) -> Iterator[Progress]:
        """Copy the results of a trial with the same recipe and seed, without training."""
        history = twin.history()
        for epoch in history.epochs[len(each.history.epochs) :]:
            metrics = dict(epoch.metrics)
            each.history.take(each.folder.append("epoch", number=epoch.number, metrics=metrics, seconds=0.0))
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
                if each.ending:
                    yield from self._end(each, "pruned", reason=each.ending)
                else:
                    del self.running[number]
            case Failed(reason=reason, traceback=traceback):
                yield from self._end(each, "failed", reason=reason, traceback=traceback)
            case Stuck(error=error):
                raise error
            case Died():
                each.died, each.settled = event, time.monotonic() + (0.0 if each.hung else SETTLING)

    def _take_start(self, each: _Running, event: Started) -> Iterator[Progress]:
        number, where = each.folder.number, {"chip": event.chip, "host": event.host} if event.chip else {}
        each.history.take(each.folder.append("started", device=event.device, **where))
        each.hung = ""  # it may have waited for a slot
        self.clock.begins(number)  # leaves out the start of its process
        if event.host:
            yield TrialPlaced(number, event.host, self.executor.slots)
        if event.damaged:
            yield Notice(f"trial {number}: {event.damaged}; it continues from epoch {event.epochs}")
        if event.anew and each.history.epochs:
            each.history.take(each.folder.append("restarted", epochs=0))
            each.known = 0
            yield Notice(f"trial {number}: {event.anew}; it starts again from its first epoch")

    def _take_epoch(self, each: _Running, epoch: Epoch) -> Iterator[Progress]:
        number, value = each.folder.number, epoch.metrics[self.study.metric]
        taken = self.clock.ends(number)
        if epoch.number <= len(each.history.epochs):
            yield from self._compare(each, epoch)
        if epoch.number > len(each.history.epochs):
            metrics = dict(epoch.metrics)
            each.history.take(each.folder.append("epoch", number=epoch.number, metrics=metrics, seconds=epoch.seconds))
            self.clock.learn(taken)
            self.lost = 0
        self.clock.begins(number)  # until the next event after the answer
        if not math.isfinite(value):
            each.ending = f"diverged in epoch {epoch.number}: {self.study.metric} is {value}"
            self.executor.answer(number, go_on=False)
            return
        self.trials.report(number, epoch)
        may_prune = self.source.may_prune(each.trial) and epoch.number >= each.known and not epoch.last
        each.ending = f"{self.trials.pruner} pruner" if may_prune and self.trials.should_prune(number) else ""
        self.executor.answer(number, go_on=not (each.ending or self._is_stopping()))
        yield TrialEpoch(number, epoch)

    def _compare(self, each: _Running, epoch: Epoch) -> Iterator[Progress]:
        """Check a resumed epoch against the log: both must be equal to the bit."""
        known = each.history.epochs[epoch.number - 1]
        if same_result(known, epoch):
            return
        what = f"epoch {epoch.number} was {dict(known.metrics)} and is now {dict(epoch.metrics)}"
        if reference_to(self.study.train) == OUR_TRAIN:
            fix = "Was the trial started with other versions, or on another machine? Delete its folder to run it again."
            raise StudyError(f"not the same training: {what}", where=f"trial {each.folder.number}", fix=fix)
        each.history.take(each.folder.append("restarted", epochs=epoch.number - 1))
        yield Notice(f"trial {each.folder.number} resumed from an earlier epoch and is not repeatable: {what}")

    def _end(self, each: _Running, state: State, *, reason: str = "", **more: Any) -> Iterator[Progress]:
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
        each.history.take(each.folder.append("ended", state=state, value=value, reason=reason, **more))
        ended = each.history.ended
        assert ended is not None
        self.trials.end(number, ended)
        each.folder.discard_checkpoint()
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

    def _revive(self, each: _Running) -> Iterator[Progress]:
        assert each.died is not None
        reason, counts, which = each.hung or each.died.reason, bool(each.hung) or each.died.is_own, "it is continued"
        each.died, each.hung = None, ""
        if counts:
            each.history.take(each.folder.append("died", reason=reason))
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
        self._submit(each)
