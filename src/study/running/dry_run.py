"""What a search would do: two epochs are measured, and the rest is computed from them."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from study.definition import override
from study.errors import StudyError
from study.events import Epoch, Failed, Finished, Stopped, Stuck
from study.executors import Job
from study.recipe import Recipe
from study.record.journal import TrialFolder

if TYPE_CHECKING:
    from pydantic import BaseModel

    from study.definition import Study
    from study.executors import Executor
    from study.options import Options

MEASURED_EXAMPLES = 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """What a search would do.

    Args:
        study: its name.
        finished: trials that are finished already.
        target: finished trials in the end.
        slots: jobs at a time.
        device: where they run.
        epochs: epochs of a full-length trial, None when the recipe does not say.
        seconds_per_epoch: of one job while all slots are busy, measured now.
        expected_seconds: until the end, as if nothing were pruned; None when epochs is.
        disk_bytes: of all trials that are still to come.

    """

    study: str
    finished: int
    target: int
    slots: int
    device: str
    epochs: int | None
    seconds_per_epoch: float
    expected_seconds: float | None
    disk_bytes: int


def plan(study: Study, options: Options, finished: int) -> Plan:
    """Measure two epochs on all workers at once, in a folder that is deleted, and reckon from them.

    Raises:
        StudyError: the training failed.

    """
    from study.engine.device import pick  # noqa: PLC0415 - torch

    shorter, share = _shortened(study)
    with closing(options.make_executor()) as executor, tempfile.TemporaryDirectory() as folder:
        seconds, size = _measure(replace(study, recipe=shorter), executor, Path(folder))
        slots = executor.slots
    epochs = getattr(study.recipe, "epochs", None)
    left = max(0, options.trials - finished)
    seconds /= share
    rounds = -(-left // slots)
    return Plan(
        study=study.name,
        finished=finished,
        target=options.trials,
        slots=slots,
        device=pick(options.device),
        epochs=epochs,
        seconds_per_epoch=seconds,
        expected_seconds=seconds * epochs * rounds if epochs else None,
        disk_bytes=size * left,
    )


def _shortened(study: Study) -> tuple[BaseModel, float]:
    """Two epochs on some thousand examples, and the share of a full epoch that they are."""
    recipe = study.recipe
    if not isinstance(recipe, Recipe):
        return recipe, 1.0
    from study.data import packed  # noqa: PLC0415 - only where there is data

    pack = packed.find(recipe.dataset)
    assert pack is not None
    full = recipe.train_size or int(pack.train * (1 - recipe.val_fraction))
    if full <= MEASURED_EXAMPLES:
        return override(recipe, {"epochs": 2}), 1.0
    validation = pack.train * recipe.val_fraction
    share = (MEASURED_EXAMPLES + validation / 3) / (full + validation / 3)  # forward alone is a third of a step
    return override(recipe, {"epochs": 2, "train_size": MEASURED_EXAMPLES}), share


def _measure(study: Study, executor: Executor, folder: Path) -> tuple[float, int]:
    """Seconds of a second epoch with all slots busy, and the bytes that one trial leaves."""
    seconds: list[float] = []
    for slot in range(executor.slots):
        place = TrialFolder(folder / str(slot))
        place.path.mkdir()
        executor.submit(Job.of(study, slot, study.recipe.model_dump(mode="json"), place))
    deadline, busy = time.monotonic() + 600, executor.slots
    while busy and time.monotonic() < deadline:
        for slot, event in executor.events(1.0):
            if isinstance(event, Epoch):
                executor.answer(slot, go_on=event.number < 2)
                if event.number == 2:
                    seconds.append(event.seconds)
            elif isinstance(event, Finished | Stopped):
                busy -= 1
            elif isinstance(event, Stuck):
                raise event.error
            elif isinstance(event, Failed):
                raise StudyError(f"the training failed: {event.reason}", fix="Run with --debug for the traceback.")
    if not seconds:
        raise StudyError("the training yielded no second epoch in ten minutes")
    kept = [file for file in (folder / "0").rglob("*") if file.name != "checkpoint.pt"]
    kept += [file for file in kept if file == TrialFolder(folder / "0").best]  # the last weights are as large
    return sum(seconds) / len(seconds), sum(file.stat().st_size for file in kept) + 8192
