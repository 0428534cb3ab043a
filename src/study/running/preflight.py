"""What is settled before a search starts: the data, and that recipes fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.definition import reference_to, with_data
from study.errors import DataMissing, RecipeError
from study.imports import import_object
from study.knobs import unfit_for_data
from study.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from study.definition import Study
    from study.sampling.space import Space

CHECKED_SAMPLES = 12  # of the space, for which the network is built before anything is written
MEASURED_EXAMPLES = 4096


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
    from study.data import packed  # noqa: PLC0415 - only where there is data
    from study.engine import check  # noqa: PLC0415 - torch

    variants = [study.recipe_for(overrides) for overrides in study.variants.values()]
    for each in (recipe, *variants, *space.recipes[:CHECKED_SAMPLES]):
        assert isinstance(each, Recipe)
        check(each, chosen)
    pack = packed.find(recipe.dataset)
    assert pack is not None
    for each in space.recipes[CHECKED_SAMPLES:]:
        if unfit := unfit_for_data(each, pack.kind, pack.name):
            raise RecipeError(unfit)
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
