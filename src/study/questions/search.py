"""Search: runs the study's variants, then the trials that Optuna's sampler suggests."""

from __future__ import annotations

import sys
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from study.definition import OUR_TRAIN
from study.errors import Interrupted, StudyError
from study.imports import reference_to
from study.progress import Notice, Preparing, TrialEpoch
from study.recipe import Recipe
from study.record import summary
from study.record.journal import Journal
from study.running.coordinator import conduct
from study.running.preflight import check_recipes
from study.sampling import space
from study.sampling.rungs import FACTOR
from study.schemas import search as schemas
from study.text import search as text
from study.text.shown import Shown

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Generator, Iterator

    from study.definition import Study
    from study.executors import Executor
    from study.options import Options
    from study.progress import Progress
    from study.record.summary import Summary
    from study.sampling.trials import NextTrial, Trials
    from study.schemas.search import Status
    from study.settings import Settings
    from study.text.table import Block


WORTH = 120.0  # seconds of training after which a faster precision is looked for
FASTER = 1.2  # times as fast, from which on it is offered


@dataclass(frozen=True, slots=True)
class Asking:
    """The source of a search's trials: interrupted trials, the study's variants, then Optuna's sampler."""

    study: Study
    trials_wanted: int
    at_once: ClassVar[bool] = True

    def target(self, trials: Trials) -> int:  # noqa: ARG002 - the number was given
        """Return the number of finished trials at which the search ends."""
        return self.trials_wanted

    def is_done(self, trials: Trials) -> bool:
        """Tell whether the target number of finished trials is reached."""
        return trials.finished() >= self.trials_wanted

    def next(self, trials: Trials, under_way: Collection[int]) -> NextTrial | None:
        """Return the next trial to run."""
        if trials.finished() + len(under_way) >= self.trials_wanted:
            return None
        if (number := trials.interrupted(under_way)) is not None:
            return trials.left(number)
        if (promoted := trials.promote()) is not None:
            return promoted
        if trials.finished() + len(under_way) + len(trials.paused) >= self.trials_wanted:
            if under_way:
                return None
            return trials.promote(least=1 if trials.has_complete() else sys.maxsize)  # the search does not end before
        seen = trials.variants_seen()
        variant = next((name for name in self.study.fair_variants if name not in seen), None)
        return trials.of_variant(variant) if variant else trials.ask()

    def may_prune(self, trial: NextTrial) -> bool:
        """Tell whether a trial may be pruned: not a variant, which the user asked for, nor one of very few."""
        return trial.variant is None and self.trials_wanted >= FACTOR


@dataclass(frozen=True, slots=True)
class Outcome(Shown):
    """How a call of a search ended.

    Args:
        summary: summary of all trials of the study.
        status: finished, stopped by the time limit, interrupted or failed.
        target: requested number of finished trials.
        trained: whether a trial ended in this call.
        recorded: value of the same training in a recipe file; None if there is none.

    """

    summary: Summary
    status: Status
    target: int
    trained: bool = True
    recorded: float | None = None

    def record(self) -> schemas.EndedSearch:
        """Return the outcome as a record."""
        return schemas.EndedSearch(status=self.status, target=self.target, **self.summary.values())

    def blocks(self) -> list[Block]:
        """Show how the search ended."""
        return text.ended(self.record(), trained=self.trained, recorded=self.recorded)


def run(
    study: Study, settings: Settings, options: Options, stop: threading.Event
) -> Generator[Progress, None, Summary]:
    """Search a study; each iteration drives the run and yields its progress.

    Args:
        study: its data set is available (`preflight.available_data`).
        settings: where results are stored.
        options: options of the search.
        stop: once set, running trials save their current epoch and the search raises Interrupted.

    Returns:
        The summary of all trials of the study.

    Raises:
        InputError: an argument is wrong; nothing was written.
        Interrupted: `stop` was set; the same call resumes the search.
        StudyError: too many trials failed, or an epoch was not reproducible.

    """
    journal = Journal(settings.study_folder(study.name))
    options = options.started().continuing(journal.definition())
    options.check()
    if "seed" in type(study.recipe).model_fields and "seed" not in study.fixed and options.seed is not None:
        study = replace(study, recipe=study.recipe_for({"seed": options.seed}))
    found = space.probe(study)
    yield Preparing("loading torch in the workers")
    with closing(options.make_executor()) as executor:
        yield Preparing("checking the study, its recipes and its data")
        data = check_recipes(study, found, options.device, executor.call)
        how = {"sampler": options.sampler, "pruner": options.pruner, "seed": options.seed or 0}
        definition = space.describe(study, found, **how, data=data)
        trained = 0.0
        for each in conduct(study, settings, options, executor, stop, Asking(study, options.trials), definition):
            trained += each.epoch.seconds if isinstance(each, TrialEpoch) else 0.0
            yield each
        if trained > WORTH and not stop.is_set():
            yield from _offer(study, options, executor)
    return summary.of(journal)


def _offer(study: Study, options: Options, executor: Executor) -> Iterator[Notice]:
    """Say how much faster bfloat16 would have trained here, as measured now, if it is worth a word."""
    if options.executor != "local" or reference_to(study.train) != OUR_TRAIN or not isinstance(study.recipe, Recipe):
        return  # elsewhere than on this machine's worker, or something else than our engine
    factor = None
    with suppress(StudyError):  # the search is done, whatever becomes of an offer
        knobs = study.recipe.model_dump(mode="json")
        factor = executor.call("study.engine.faster:by_bfloat16", knobs, options.device)
    if factor is not None and factor >= FASTER:
        new = f"--set precision=bfloat16 --name {study.name.partition('@')[0]}_bf16"
        yield Notice(f"bfloat16 trains {factor:.1f} times as fast here, with other numbers: `{new}` searches so")


def ended(found: Summary, target: int, *, trained: bool, recorded: float | None = None) -> Outcome:
    """Describe a search that ran to its end or to its time limit."""
    return Outcome(found, "finished" if found.finished >= target else "stopped", target, trained, recorded)


def cut_short(study: Study, settings: Settings, target: int, error: BaseException) -> Outcome:
    """Describe, from its folders, a search that an error or a signal ended.

    Raises:
        StudyError: a file is damaged; the message names file and line.

    """
    status = "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failed"
    return Outcome(summary.of(Journal(settings.study_folder(study.name))), status, target)
