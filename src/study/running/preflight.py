"""Checks data and recipes before a search starts. Functions that need torch are called where torch is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.definition import OUR_TRAIN, with_data
from study.errors import DataMissing, RecipeError
from study.executors import inline
from study.imports import reference_to
from study.knobs import is_own, unfit_for_data
from study.recipe import Recipe, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import BaseModel

    from study.definition import Study
    from study.executors import Call
    from study.sampling.space import Space

CHECKED_SAMPLES = 12  # samples of the space whose network is built before anything is written


def available_data(
    study: Study,
    *,
    fallback: bool,
    report: Callable[[str, float | None], None] | None = None,
    call: Call = inline.call,
) -> tuple[Study, str]:
    """Prepare the study's data set, or its fallback under another study name.

    Args:
        study: its recipe names a data set; a custom recipe may have none.
        fallback: whether the study's fallback may be used.
        report: called with progress: a text, and a share in [0, 1] or None.
        call: calls a function where torchvision is, to create a missing data set.

    Returns:
        The study, renamed `NAME@fallback` if it fell back; and why it fell back, or an empty string.

    Raises:
        DataError: the data set is neither on disk nor downloadable.

    """
    if not isinstance(study.recipe, Recipe):
        return study, ""
    try:
        _ensure(study.recipe.dataset, call, report)
    except DataMissing as error:
        if not (fallback and study.fallback) or study.fallback == study.recipe.dataset:
            raise
        _ensure(study.fallback, call, report)
        return with_data(study, study.fallback), error.what
    return study, ""


def data_name(study: Study) -> str:
    """Give the name of the study's data set; the study's own name where its recipe has none."""
    return str(getattr(study.recipe, "dataset", study.name))


def _ensure(dataset: str, call: Call, report: Callable[[str, float | None], None] | None) -> None:
    from study.data import packed  # noqa: PLC0415 - only where there is data

    if is_own(dataset):  # what the function gives now, which is compared with what is recorded
        call("study.engine.made:make", dataset, report=report)
    elif packed.find(dataset) is None:
        call("study.engine.sources:ensure", dataset, report=report)


def check_recipes(study: Study, space: Space, device: str, call: Call = inline.call) -> dict[str, Any]:
    """Check the device and that recipes fit the network and the data; train and write nothing.

    Args:
        study: its recipes are checked.
        space: its search space, with samples.
        device: device as the user named it, such as auto.
        call: calls a function where torch is.

    Returns:
        The data set's name, sha256, source and imported, to record. Empty for a custom training.

    Raises:
        InputError: a device, import path, data set or knob does not fit; the message names it.

    """
    recipe = study.recipe
    train = reference_to(study.train)
    if not isinstance(recipe, Recipe) or train != OUR_TRAIN:
        call("study.engine.check:check_training", train, device)
    if not isinstance(recipe, Recipe):
        return {}
    from study.data import packed  # noqa: PLC0415 - only where there is data

    variants = [study.recipe_for(overrides) for overrides in study.variants.values()]
    judged_by = study.metric if train == OUR_TRAIN else ""
    check_all((recipe, *variants, *space.recipes[:CHECKED_SAMPLES]), device, call, judged_by)
    pack = packed.find(recipe.dataset)
    assert pack is not None
    for each in space.recipes[CHECKED_SAMPLES:]:
        if unfit := unfit_for_data(each, pack.kind, pack.name):
            raise RecipeError(unfit)
    return {"name": pack.name, "sha256": pack.sha256, "source": pack.source, "imported": pack.imported}


def check_all(recipes: Iterable[BaseModel], device: str, call: Call, judged_by: str = "") -> None:
    """Check, where torch is, that recipes of one class fit the network and the data; equal ones are checked once.

    Args:
        recipes: of one class.
        device: as of `check_recipes`, as is the next one.
        call: calls a function.
        judged_by: a metric that each epoch must have; empty for none.

    Raises:
        InputError: see `check_recipes`.

    """
    each = {fingerprint(recipe): recipe for recipe in recipes}
    kind = reference_to(type(next(iter(each.values()))))
    values = [recipe.model_dump(mode="json") for recipe in each.values()]
    call("study.engine.check:check_all", kind, values, device, judged_by)


def fitting(device: str, call: Call = inline.call) -> Callable[[BaseModel], None]:
    """Return a function that raises RecipeError if a `Recipe` does not fit model and data; it accepts other types."""

    def fits(recipe: BaseModel) -> None:
        if isinstance(recipe, Recipe):
            check_all([recipe], device, call)

    return fits
