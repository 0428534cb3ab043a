"""The one loop: asks for the next trial when a slot is free, gives it to an executor, records, prunes, goes on.

The state is the trial folders. Every step is written there before anyone is told, so that a search which was killed
anywhere is continued by reading: the same trials, from their checkpoints, to exactly the number asked for.
"""

from __future__ import annotations

import math
import time
import uuid
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from study import environment, space, storage
from study.definition import OUR_TRAIN, reference_to
from study.errors import InputError, Interrupted, StudyError
from study.events import Died, Epoch, Event, Failed, Finished, Started, Stopped
from study.executors import Job
from study.journal import History, Journal, State, TrialFolder
from study.progress import Notice, Progress, SearchStarted, TrialEnded, TrialEpoch, TrialStarted
from study.pruning import PRUNERS
from study.recipe import to_json
from study.tracking import tracked
from study.trials import SAMPLERS, Candidate, Trials

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from study.definition import Study
    from study.executors import Executor
    from study.settings import Settings

RETRIES = 3  # of a trial whose worker died
FAILURES = 5  # in a row, after which a search gives up
PATIENCE = 0.5  # seconds between two looks at the clock and at a database that is away


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to search.

    Args:
        trials: finished trials, complete or pruned, that the study has in the end.
        workers: jobs at a time; None is one a core, or one a GPU.
        device: auto, cpu, cuda, cuda:1, mps.
        executor: local (processes) or inline (this process, one job at a time).
        sampler: a name in `SAMPLERS`.
        pruner: a name in `PRUNERS`; variants are never pruned, they are what is asked about.
        seed: of the sampler, and of every trial's recipe that has a seed and was not given one.
        timeout: seconds after which running trials save their epoch and the search ends.
        accept: go on with a stored study that was defined otherwise.
        track: mirror to MLflow while searching.

    """

    trials: int
    workers: int | None = None
    device: str = "auto"
    executor: str = "local"
    sampler: str = "tpe"
    pruner: str = "median"
    seed: int = 0
    timeout: float | None = None
    accept: bool = False
    track: bool = True

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            InputError: which option, and what it may be.

        """
        for name, value, known in (
            ("sampler", self.sampler, tuple(SAMPLERS)),
            ("pruner", self.pruner, tuple(PRUNERS)),
            ("executor", self.executor, ("local", "inline")),
        ):
            if value not in known:
                raise InputError(f"unknown {name} {value!r}", fix=f"There are: {', '.join(known)}.")
        for name, number in (("trials", self.trials), ("workers", self.workers)):
            if number is not None and number < 1:
                raise InputError(f"--{name} must be 1 or more, not {number}")


@dataclass(slots=True)
class _Running:
    folder: TrialFolder
    candidate: Candidate
    history: History
    length: int | None
    known: int = 0  # epochs that the log held when the job was submitted: judged before
    pruned: bool = False


@dataclass(slots=True)
class Search:
    """What the loop holds on to; all of it can be read again from the folders."""

    study: Study
    journal: Journal
    trials: Trials
    executor: Executor
    options: Options
    stop: threading.Event
    about: Mapping[str, Any]
    running: dict[int, _Running] = field(default_factory=dict[int, _Running])
    waiting: list[int] = field(default_factory=list[int])
    failures: int = 0
    time_is_up: bool = False
    told_behind: bool = False

    def run(self) -> Iterator[Progress]:
        """Run to the number of trials asked for, or until told to stop."""
        self.waiting = self.trials.running()
        yield SearchStarted(
            study=self.study.name,
            target=self.options.trials,
            finished=self.trials.finished(),
            resumed=len(self.waiting),
            slots=self.executor.slots,
            epochs=getattr(self.study.recipe, "epochs", None),
        )
        deadline = time.monotonic() + self.options.timeout if self.options.timeout else math.inf
        while True:
            if time.monotonic() > deadline and not self.time_is_up:
                self.time_is_up = True
                yield Notice("time is up: running trials end after their present epoch; the same command goes on")
            while self._wants_more():
                yield from self._start_next()
            if not self.running:
                return
            for number, event in self.executor.events(PATIENCE):
                yield from self._take(number, event)
            yield from self._watch_database()

    def _is_stopping(self) -> bool:
        return self.time_is_up or self.stop.is_set()

    def _wants_more(self) -> bool:
        under_way = len(self.running)
        return (
            not self._is_stopping()
            and under_way < self.executor.slots
            and self.trials.finished() + under_way < self.options.trials
        )

    def _start_next(self) -> Iterator[Progress]:
        folder, candidate = self._resumed(self.waiting.pop(0)) if self.waiting else self._new()
        recipe = self.study.recipe_for(candidate.overrides)
        history = folder.history()
        if history.ended:  # its end was written, and only the database did not hear of it
            self.trials.end(folder.number, history.ended)
            return
        each = _Running(folder, candidate, history, getattr(recipe, "epochs", None), len(history.epochs))
        self.running[folder.number] = each
        yield TrialStarted(folder.number, candidate.variant, candidate.overrides, len(history.epochs))
        self._submit(each)

    def _submit(self, each: _Running) -> None:
        folder = each.folder
        job = Job.of(self.study, folder.number, folder.recipe(), folder.checkpoint, folder.best)
        self.executor.submit(job)

    def _new(self) -> tuple[TrialFolder, Candidate]:
        self.trials.refresh()
        seen = self.trials.variants_seen()
        variant = next((name for name in self.study.variants if name not in seen), None)
        candidate = self.trials.of_variant(variant) if variant else self.trials.ask()
        about = {**candidate.about(), **self.about, "uid": uuid.uuid4().hex, "created": time.time()}
        folder = self.journal.create(candidate.number, to_json(self.study.recipe_for(candidate.overrides)), about)
        self.trials.add(folder)
        return folder, candidate

    def _resumed(self, number: int) -> tuple[TrialFolder, Candidate]:
        folder = self.journal.trial(number)
        if not folder.path.exists():  # it was begun on another machine, from the same database
            about: dict[str, Any] = {**self.about, "created": time.time(), **self.trials.about(number)}
            self.journal.create(number, to_json(self.study.recipe_for(about["overrides"])), about)
        folder.repair()
        about = folder.about()
        return folder, Candidate(number, about["overrides"], about["variant"], about["params"])

    def _take(self, number: int, event: Event) -> Iterator[Progress]:
        each = self.running[number]
        match event:
            case Started(device=device):
                each.folder.append("started", device=device)
            case Epoch():
                yield from self._take_epoch(each, event)
            case Finished(evaluation=evaluation):
                yield from self._end(each, "complete", evaluation=evaluation)
            case Stopped():
                if each.pruned:
                    yield from self._end(each, "pruned", reason=f"{self.options.pruner} pruner")
                else:
                    del self.running[number]
            case Failed(reason=reason, traceback=traceback):
                yield from self._end(each, "failed", reason=reason, traceback=traceback)
            case Died(reason=reason):
                yield from self._revive(each, reason)

    def _take_epoch(self, each: _Running, epoch: Epoch) -> Iterator[Progress]:
        number = each.folder.number
        if epoch.number <= len(each.history.epochs):
            yield from self._compare(each, epoch)
        if epoch.number > len(each.history.epochs):
            metrics = dict(epoch.metrics)
            each.history.take(each.folder.append("epoch", number=epoch.number, metrics=metrics, seconds=epoch.seconds))
        if bad := [f"{name} is {value}" for name, value in epoch.metrics.items() if not math.isfinite(value)]:
            self.executor.answer(number, go_on=False)
            yield from self._end(each, "pruned", reason=f"diverged in epoch {epoch.number}: {bad[0]}")
            return
        judge = each.candidate.variant is None and epoch.number >= each.known and epoch.number != each.length
        each.pruned = self.trials.report(number, epoch, judge=judge)
        self.executor.answer(number, go_on=not (each.pruned or self._is_stopping()))
        self.trials.publish(number, epoch)
        yield TrialEpoch(number, epoch)

    def _compare(self, each: _Running, epoch: Epoch) -> Iterator[Progress]:
        """Meet an epoch that the log has already: it must be equal to the bit."""
        known = each.history.epochs[epoch.number - 1]
        if known == epoch:
            return
        what = f"epoch {epoch.number} was {dict(known.metrics)} and is now {dict(epoch.metrics)}"
        if reference_to(self.study.train) == OUR_TRAIN:
            fix = "Was the trial begun with other versions, or on another machine? Delete its folder to run it anew."
            raise StudyError(f"not the same training: {what}", where=f"trial {each.folder.number}", fix=fix)
        each.history.take(each.folder.append("restarted", epochs=epoch.number - 1))
        yield Notice(f"trial {each.folder.number} went on from an earlier epoch and is not repeatable: {what}")

    def _end(self, each: _Running, state: State, *, reason: str = "", **more: Any) -> Iterator[Progress]:
        number, epochs = each.folder.number, each.history.epochs
        values = [epoch.metrics[self.study.metric] for epoch in epochs]
        value = next((value for value in reversed(values) if math.isfinite(value)), None)
        if state == "complete" and value is None:
            state, reason = "failed", "the training yielded no epoch"
        more = {"evaluation": None, **more}
        each.history.take(each.folder.append("ended", state=state, value=value, reason=reason, **more))
        ended = each.history.ended
        assert ended is not None
        self.trials.end(number, ended)
        each.folder.discard_checkpoint()
        del self.running[number]
        yield TrialEnded(number, each.candidate.variant, each.candidate.overrides, len(epochs), ended)
        self.failures = self.failures + 1 if state == "failed" else 0
        if self.failures == FAILURES:
            raise StudyError(
                f"{FAILURES} trials in a row failed, the last one with: {reason}",
                where=self.study.name,
                fix=f"See `study show {self.study.name} --trial {number}`.",
            )

    def _revive(self, each: _Running, reason: str) -> Iterator[Progress]:
        each.history.take(each.folder.append("died", reason=reason))
        tries = len(each.history.deaths)
        if tries > RETRIES:
            yield from self._end(each, "failed", reason=f"{reason}, {tries} times")
            return
        each.known = len(each.history.epochs)
        yield Notice(f"trial {each.folder.number}: {reason}; retry {tries} of {RETRIES} from epoch {each.known}")
        self._submit(each)

    def _watch_database(self) -> Iterator[Progress]:
        if self.trials.behind:
            if not self.told_behind:
                self.told_behind = True
                yield Notice(
                    f"Optuna's storage is away ({self.trials.behind}); the search goes on and catches up later"
                )
            if self.trials.catch_up(self.journal):
                self.told_behind = False
                yield Notice("Optuna's storage is back and complete")


def run(study: Study, settings: Settings, options: Options, stop: threading.Event) -> Iterator[Progress]:
    """Search: iterate to make it go on; what it yields is for whoever watches.

    Args:
        study: with its data settled (`prepare.available_data`).
        settings: where things are kept.
        options: how to search.
        stop: set it, and running trials save their present epoch and the search ends with Interrupted.

    Raises:
        InputError: something given is wrong; nothing was written.
        Interrupted: `stop` was set; the same call goes on.
        StudyError: too many failures, or an epoch that is not repeatable.

    """
    from study.prepare import check_recipes, make_executor  # noqa: PLC0415 - torch

    options.check()
    if hasattr(study.recipe, "seed") and "seed" not in study.fixed and options.seed:
        study = replace(study, recipe=study.recipe_for({"seed": options.seed}))
    space_found = space.probe(study)
    data = check_recipes(study, space_found, options.device)
    journal = Journal(settings.study_folder(study.name))
    how = {"sampler": options.sampler, "pruner": options.pruner, "seed": options.seed}
    description = space.describe(study, space_found, **how, data=data)
    with storage.opened(settings.storage) as database, storage.held(study.name, journal.folder, database):
        _settle_definition(journal, description, accept=options.accept)
        storage.sync(journal, database, study.name, study.direction)
        trials = Trials(study, database, SAMPLERS[options.sampler], PRUNERS[options.pruner](), options.seed)
        if trials.finished() >= options.trials:
            yield SearchStarted(study.name, options.trials, trials.finished(), 0, 0, None)
            return
        about = {"study": study.name, "metric": study.metric, "direction": study.direction, "data": data}
        about |= {"environment": environment.versions(), "git": environment.git()}
        with closing(make_executor(options)) as executor:
            search = Search(study, journal, trials, executor, options, stop, about)
            yield from tracked(search.run(), journal, settings) if options.track else search.run()
            trials.catch_up(journal)
        if stop.is_set() and trials.finished() < options.trials:
            raise Interrupted(
                f"stopped with {trials.finished()} of {options.trials} trials finished, everything saved",
                where=study.name,
                fix="The same command goes on.",
            )


def _settle_definition(journal: Journal, description: dict[str, Any], *, accept: bool) -> None:
    stored = journal.definition()
    if stored is None:
        journal.store_definition(description)
        return
    accepted = space.require_same(stored, description, accept=accept)
    if accepted:
        history = [*stored.get("accepted", []), {"time": time.time(), "differences": accepted}]
        journal.store_definition({**description, "accepted": history})
