"""Plans a search: measures two epochs and computes the rest from them."""

from __future__ import annotations

import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ClassVar

from study.definition import override
from study.errors import StudyError
from study.progress import TrialEnded, TrialEpoch
from study.recipe import Recipe
from study.record.journal import Journal
from study.running.loop import Loop
from study.sampling.trials import Trials
from study.schemas import search as schemas
from study.text import search as text
from study.text.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic import BaseModel

    from study.definition import Study
    from study.executors import Executor
    from study.options import Options
    from study.sampling.trials import NextTrial
    from study.text.table import Block

MEASURED_EXAMPLES = 4096
MEASURED_SECONDS = 600.0  # longest measurement


@dataclass(frozen=True, slots=True)
class Plan(Shown):
    """The plan of a search: see `schemas.search.Plan`."""

    found: schemas.Plan

    def record(self) -> schemas.Plan:
        """Return the plan as a record."""
        return self.found

    def rows(self) -> list[dict[str, Any]]:
        """Return the plan as a single row."""
        return [self.found.plain()]

    def blocks(self) -> list[Block]:
        """Describe what the search would do, how long it would take and how much disk space it would use."""
        return [text.plan(self.found)]


def plan(study: Study, options: Options, finished: int) -> Plan:
    """Measure two epochs on all workers at once, in a temporary folder, and compute the plan.

    Raises:
        StudyError: the training failed.

    """
    shorter, share = _shortened(study)
    with closing(options.make_executor()) as executor, tempfile.TemporaryDirectory() as folder:
        slots = max(1, executor.slots)
        seconds, size = _measure(replace(study, recipe=shorter), executor, slots, Path(folder))
        device = executor.call("study.engine.device:pick", options.device)
    epochs = getattr(study.recipe, "epochs", None)
    left = max(0, options.trials - finished)
    seconds /= share
    rounds = -(-left // slots)
    found = schemas.Plan(
        study=study.name,
        finished=finished,
        target=options.trials,
        slots=slots,
        device=device,
        epochs=epochs,
        seconds_per_epoch=seconds,
        expected_seconds=seconds * epochs * rounds if epochs else None,
        disk_bytes=size * left,
    )
    return Plan(found)


def _shortened(study: Study) -> tuple[BaseModel, float]:
    """Return a recipe of two or more epochs on a few thousand examples, and the cost of one relative to a full one."""
    recipe = study.recipe
    if not isinstance(recipe, Recipe):
        return recipe, 1.0
    from study.data import packed  # noqa: PLC0415 - only where there is data

    pack = packed.find(recipe.dataset)
    assert pack is not None
    validation = pack.held_out(recipe.val_fraction)
    full = recipe.train_size or pack.train - validation
    batch = None if recipe.batch_size == "full" else recipe.batch_size
    measured = min(full, max(MEASURED_EXAMPLES, batch or 0))
    steps = -(-measured // (batch or measured))  # of an epoch
    changed: dict[str, Any] = {"train_size": measured} if measured < full else {}
    if recipe.epochs == 1:
        changed["epochs"] = 2
    elif recipe.steps is not None and recipe.steps <= steps:
        changed["steps"] = 2 * steps
    share = (measured + validation / 3) / (full + validation / 3)  # a forward pass is a third of a step
    return override(recipe, changed), share


@dataclass(frozen=True, slots=True)
class _EachSlot:
    """The source of a measurement: one trial per slot."""

    slots: int
    at_once: ClassVar[bool] = True

    def target(self, trials: Trials) -> int:  # noqa: ARG002 - the number was given
        """Return the number of trials."""
        return self.slots

    def is_done(self, trials: Trials) -> bool:
        """Tell whether all of them have ended."""
        return trials.finished() >= self.slots

    def next(self, trials: Trials, under_way: Collection[int]) -> NextTrial | None:  # noqa: ARG002 - none is resumed
        """Return the next trial, with the study's own recipe."""
        trial = trials.fixed({}, "measured")
        return trial if trial.number < self.slots else None

    def may_prune(self, trial: NextTrial) -> bool:  # noqa: ARG002 - no trial may
        """Return False: all trials are stopped together."""
        return False


def _measure(study: Study, executor: Executor, slots: int, folder: Path) -> tuple[float, int]:
    """Return the seconds of a later epoch with all slots busy, and the bytes that a trial leaves on disk."""
    journal, stop = Journal(folder), threading.Event()
    trials = Trials(study, journal, SimpleQueue(), "random", "none", 0)
    about = {"metric": study.metric, "direction": study.direction}
    deadline = time.monotonic() + MEASURED_SECONDS
    seconds: dict[int, list[float]] = {}
    for progress in Loop(study, journal, trials, executor, _EachSlot(slots), stop, about, deadline).run():
        if isinstance(progress, TrialEpoch) and progress.epoch.number > 1:
            seconds.setdefault(progress.trial, []).append(progress.epoch.seconds)
            if len(seconds) == slots:
                stop.set()
        elif isinstance(progress, TrialEnded) and progress.ended.state == "failed":
            fix = "Run with --debug for the traceback."
            raise StudyError(f"the training failed: {progress.ended.reason}", fix=fix)
    if not seconds:
        has_ended = any(folder.history().ended for folder in journal.trials())
        what = "the training has a single epoch" if has_ended else "the training yielded no second epoch in ten minutes"
        raise StudyError(f"{what}: there is nothing to measure")
    measured = [epoch for epochs in seconds.values() for epoch in epochs]
    first = journal.trial(0)
    passing = {first.last, *first.path.glob(f"{first.checkpoint.name}*")}
    kept = [file for file in first.path.rglob("*") if file not in passing]
    kept += [file for file in kept if file == first.best]  # the last weights have the same size
    return sum(measured) / len(measured), sum(file.stat().st_size for file in kept) + 8192
