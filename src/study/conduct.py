"""How trials are conducted, whatever they are for: one coordinator, folders first, an executor, the mirror."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from study import environment, space, storage
from study.durable import require_room
from study.errors import InputError, Interrupted
from study.journal import Journal
from study.loop import Loop
from study.progress import Notice, Progress, SearchStarted
from study.pruning import PRUNERS
from study.tracking import tracked
from study.trials import SAMPLERS, Trials

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from study.definition import Study
    from study.loop import Source
    from study.settings import Settings


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
        timeout: seconds after which running trials save their epoch and the search ends, and all that follows on it.
        accept: go on with a stored study that was defined otherwise.
        track: mirror to MLflow while searching.
        began: when the timeout began to run, of `time.monotonic`.

    """

    trials: int = 100
    workers: int | None = None
    device: str = "auto"
    executor: str = "local"
    sampler: str = "tpe"
    pruner: str = "median"
    seed: int = 0
    timeout: float | None = None
    accept: bool = False
    track: bool = True
    began: float = field(default_factory=time.monotonic, compare=False)

    @property
    def deadline(self) -> float:
        """When the time is up, of `time.monotonic`; never, without a timeout."""
        return math.inf if self.timeout is None else self.began + self.timeout

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


def conduct(
    study: Study,
    settings: Settings,
    options: Options,
    stop: threading.Event,
    source: Source,
    definition: Mapping[str, Any],
    *,
    test: bool = False,
    grouped: bool = False,
) -> Iterator[Progress]:
    """Run the source's trials; everything was checked, and only from here on is anything written.

    Args:
        study: that the trials belong to.
        settings: where things are kept.
        options: how to run.
        stop: set it, and running trials save their present epoch and it ends with Interrupted.
        source: of the trials.
        definition: what is stored about the study, and compared with what was stored before.
        test: whether each trial, once complete, is also judged on the test split.
        grouped: whether the trials of a variant belong together, as the same recipe on several seeds.

    Raises:
        InputError: another process runs the study, its stored definition differs, or a place cannot be used.
        Interrupted: `stop` was set; the same call goes on.
        StudyError: too many failures, or an epoch that is not repeatable.

    """
    from study.prepare import make_executor  # noqa: PLC0415 - torch

    journal = Journal(settings.study_folder(study.name))
    require_room(settings.home)
    with storage.opened(settings.storage) as database, storage.held(study.name, journal.folder, database):
        _settle_definition(journal, definition, accept=options.accept)
        storage.sync(journal, database, study.name, study.direction)
        trials = Trials(study, database, journal, options.sampler, options.pruner, options.seed)
        if elsewhere := trials.elsewhere():
            yield Notice(
                f"of the trials that count, {elsewhere} {'has' if elsewhere == 1 else 'have'} no folder here: another "
                f"machine's, added by hand, or deleted; `study remove {study.name}` forgets all of the study's"
            )
        if source.is_done(trials):
            yield SearchStarted(study.name, source.target(trials), trials.finished(), 0, 0, None)
            return
        asked = {"trials": source.target(trials), "finished": trials.finished(), "since": time.time()}
        journal.store_question("run", asked)
        about = {"study": study.name, "metric": study.metric, "direction": study.direction, "data": definition["data"]}
        about |= {"environment": environment.versions(), "git": environment.git(), "grouped": grouped}
        with closing(make_executor(options)) as executor:
            loop = Loop(study, journal, trials, executor, source, stop, about, options.deadline, test)
            yield from tracked(loop.run(), journal, settings) if options.track else loop.run()
            trials.catch_up(journal)
        if stop.is_set() and not source.is_done(trials):
            raise Interrupted(
                f"stopped with {trials.finished()} of {source.target(trials)} trials finished, everything saved",
                where=study.name,
                fix="The same command goes on.",
            )


def _settle_definition(journal: Journal, definition: Mapping[str, Any], *, accept: bool) -> None:
    stored = journal.definition()
    if stored is None:
        journal.store_definition(definition)
        return
    accepted = space.require_same(stored, definition, accept=accept)
    if accepted:
        history = [*stored.get("accepted", []), {"time": time.time(), "differences": accepted}]
        journal.store_definition({**definition, "accepted": history})
