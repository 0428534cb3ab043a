"""What is settled before a search starts: the data, and that recipes fit. What needs torch is called where torch is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.definition import OUR_TRAIN, with_data
from study.errors import DataMissing, RecipeError
from study.executors import inline
from study.imports import reference_to
from study.knobs import unfit_for_data
from study.recipe import Recipe, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import BaseModel

    from study.definition import Study
    from study.executors import Call
    from study.sampling.space import Space

CHECKED_SAMPLES = 12  # of the space, for which the network is built before anything is written


def available_data(
    study: Study,
    *,
    fallback: bool,
    report: Callable[[str, float | None], None] | None = None,
    call: Call = inline.call,
) -> tuple[Study, str]:
    """See to it that the study's data set is there; fall back on the study's other one, under another name, if not.

    Args:
        study: whose recipe names a data set; a recipe of one's own may have none.
        fallback: whether the study's fallback may be taken.
        report: hears of progress: a text, and a share in [0, 1] or None.
        call: makes a data set where torchvision is, unless it is there.

    Returns:
        The study, renamed `NAME@fallback` if it fell back; and why it fell back, else an empty string.

    Raises:
        DataError: neither on disk nor downloadable.

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


def _ensure(dataset: str, call: Call, report: Callable[[str, float | None], None] | None) -> None:
    from study.data import packed  # noqa: PLC0415 - only where there is data

    if packed.find(dataset) is None:
        call("study.engine.sources:ensure", dataset, report=report)


def check_recipes(study: Study, space: Space, device: str, call: Call = inline.call) -> dict[str, Any]:
    """Prove that the device is there and that recipes fit the network and the data; nothing is trained or written.

    Args:
        study: whose recipes are checked.
        space: its search space, with samples.
        device: as a person names it, such as auto.
        call: checks where torch is.

    Returns:
        What is recorded of the data: name, sha256, source, imported. Empty for a training of one's own.

    Raises:
        InputError: a device, an import path, a data set or a knob that does not fit, by name.

    """
    recipe = study.recipe
    train = reference_to(study.train)
    if not isinstance(recipe, Recipe) or train != OUR_TRAIN:
        call("study.engine.check:check_training", train, device)
    if not isinstance(recipe, Recipe):
        return {}
    from study.data import packed  # noqa: PLC0415 - only where there is data

    variants = [study.recipe_for(overrides) for overrides in study.variants.values()]
    check_all((recipe, *variants, *space.recipes[:CHECKED_SAMPLES]), device, call)
    pack = packed.find(recipe.dataset)
    assert pack is not None
    for each in space.recipes[CHECKED_SAMPLES:]:
        if unfit := unfit_for_data(each, pack.kind, pack.name):
            raise RecipeError(unfit)
    return {"name": pack.name, "sha256": pack.sha256, "source": pack.source, "imported": pack.imported}


def check_all(recipes: Iterable[BaseModel], device: str, call: Call) -> None:
    """Prove where torch is that recipes of one class fit network and data; equal ones are tried once.

    Raises:
        InputError: as `check_recipes`.

    """
    each = {fingerprint(recipe): recipe for recipe in recipes}
    kind = reference_to(type(next(iter(each.values()))))
    call("study.engine.check:check_all", kind, [recipe.model_dump(mode="json") for recipe in each.values()], device)


def fitting(device: str, call: Call = inline.call) -> Callable[[BaseModel], None]:
    """Give a function that raises RecipeError where model and data refuse a recipe of ours; others it lets pass."""

    def fits(recipe: BaseModel) -> None:
        if isinstance(recipe, Recipe):
            check_all([recipe], device, call)

    return fits
