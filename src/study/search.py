"""A search: the loop over what Optuna asks for, the study's variants first."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from study import environment, space, storage
from study.errors import InputError, Interrupted
from study.journal import Journal
from study.loop import Loop
from study.progress import Progress, SearchStarted
from study.pruning import PRUNERS
from study.tracking import tracked
from study.trials import SAMPLERS, Candidate, Trials

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Iterator

    from study.definition import Study
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


@dataclass(frozen=True, slots=True)
class Asking:
    """The source of a search: trials that were left, the study's variants, then Optuna's sampler."""

    study: Study
    trials_wanted: int

    def target(self, trials: Trials) -> int:  # noqa: ARG002 - the number was given
        """Give the number of finished trials in the end."""
        return self.trials_wanted

    def next(self, trials: Trials, under_way: Collection[int]) -> Candidate | None:
        """Give the next trial to run."""
        if trials.finished() + len(under_way) >= self.trials_wanted:
            return None
        for number in trials.running():
            if number not in under_way:
                return trials.left(number)
        seen = trials.variants_seen()
        variant = next((name for name in self.study.variants if name not in seen), None)
        return trials.of_variant(variant) if variant else trials.ask()

    def may_prune(self, candidate: Candidate) -> bool:
        """Variants run to their end: they are what is asked about."""
        return candidate.variant is None


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
        trials = Trials(study, database, options.sampler, options.pruner, options.seed)
        if trials.finished() >= options.trials:
            yield SearchStarted(study.name, options.trials, trials.finished(), 0, 0, None)
            return
        about = {"study": study.name, "metric": study.metric, "direction": study.direction, "data": data}
        about |= {"environment": environment.versions(), "git": environment.git()}
        with closing(make_executor(options)) as executor:
            source = Asking(study, options.trials)
            loop = Loop(study, journal, trials, executor, source, stop, about, options.timeout)
            yield from tracked(loop.run(), journal, settings) if options.track else loop.run()
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
