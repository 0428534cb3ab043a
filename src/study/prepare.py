"""What is settled before a search starts: the data, that recipes fit, who trains, and how long it will take."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.definition import override, reference_to
from study.errors import DataMissing, StudyError
from study.events import Epoch, Failed, Finished, Stopped, Stuck
from study.executors import Executor, Job
from study.imports import import_object
from study.journal import TrialFolder
from study.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from study.conduct import Options
    from study.definition import Study
    from study.space import Space

CHECKED_SAMPLES = 12  # of the space, for which the network is built before anything is written
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


def available_data(
    study: Study, *, fallback: bool, report: Callable[[str, float | None], None] | None = None
) -> tuple[Study, str]:
    """See to it that the study's data set is there; fall back on the study's other one, under another name, if not.

    Args:
        study: whose recipe names a data set; a recipe of one's own may have none.
        fallback: whether the study's fallback may be taken.
        report: hears of progress: a text, and a share in [0, 1] or None.

    Returns:
        The study, renamed `NAME@fallback` if it fell back; and why it fell back, else an empty string.

    Raises:
        DataError: neither on disk nor downloadable.

    """
    if not isinstance(study.recipe, Recipe):
        return study, ""
    from study.engine.sources import ensure  # noqa: PLC0415 - torchvision

    try:
        ensure(study.recipe.dataset, report)
    except DataMissing as error:
        if not (fallback and study.fallback) or study.fallback == study.recipe.dataset:
            raise
        ensure(study.fallback, report)
        return with_data(study, study.fallback), error.what
    return study, ""


def with_data(study: Study, dataset: str) -> Study:
    """Change the study's data set, and its name to `NAME@dataset`, so that no result is mistaken for another.

    What was published is of the other data, and is left out.

    Raises:
        RecipeError: the recipe has no knob `dataset`.

    """
    recipe = override(study.recipe, {"dataset": dataset})
    return replace(study, name=f"{study.name}@{dataset}", recipe=recipe, published={})


def check_recipes(study: Study, space: Space, device: str) -> dict[str, Any]:
    """Prove that the device is there and that recipes fit the network and the data; nothing is trained or written.

    Returns:
        What is recorded of the data: name, sha256, source, imported. Empty for a training of one's own.

    Raises:
        InputError: a device, an import path, a data set or a knob that does not fit, by name.

    """
    from study.engine.device import pick  # noqa: PLC0415 - torch

    chosen = pick(device)
    if not isinstance(study.train, str):
        reference_to(study.train)
    else:
        import_object(study.train)
    recipe = study.recipe
    if not isinstance(recipe, Recipe):
        return {}
    from study import packs  # noqa: PLC0415 - only where there is data
    from study.engine import check  # noqa: PLC0415 - torch

    variants = [study.recipe_for(overrides) for overrides in study.variants.values()]
    for each in (recipe, *variants, *space.recipes[:CHECKED_SAMPLES]):
        assert isinstance(each, Recipe)
        check(each, chosen)
    pack = packs.find(recipe.dataset)
    assert pack is not None
    return {"name": pack.name, "sha256": pack.sha256, "source": pack.source, "imported": pack.imported}


def fitting(device: str) -> Callable[[BaseModel], None]:
    """Give a function that raises RecipeError where model and data refuse a recipe of ours; others it lets pass."""
    from study.engine import check  # noqa: PLC0415 - torch
    from study.engine.device import pick  # noqa: PLC0415 - torch

    chosen = pick(device)

    def fits(recipe: BaseModel) -> None:
        if isinstance(recipe, Recipe):
            check(recipe, chosen)

    return fits


def make_executor(options: Options) -> Executor:
    """Make the executor: by default one process a core, or one a GPU."""
    from study.engine.device import pick  # noqa: PLC0415 - torch
    from study.executors.inline import Inline  # noqa: PLC0415 - not with Local
    from study.executors.local import Local, cores  # noqa: PLC0415 - not with Inline

    device = pick(options.device)
    if options.executor == "inline":
        return Inline(device)
    devices = _all_of(device) if options.device in {"auto", "cuda"} else [device]
    return Local(options.workers or (cores() if device == "cpu" else len(devices)), devices)


def _all_of(device: str) -> list[str]:
    """Every device of the chosen one's kind."""
    from study.engine.device import devices  # noqa: PLC0415 - torch

    kind = device.removesuffix(":0")
    return [each for each in devices() if each.startswith(kind)]


def plan(study: Study, options: Options, finished: int) -> Plan:
    """Measure two epochs on all workers at once, in a folder that is deleted, and reckon from them.

    Raises:
        StudyError: the training failed.

    """
    from study.engine.device import pick  # noqa: PLC0415 - torch

    shorter, share = _shortened(study)
    with closing(make_executor(options)) as executor, tempfile.TemporaryDirectory() as folder:
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
    from study import packs  # noqa: PLC0415 - only where there is data

    pack = packs.find(recipe.dataset)
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
