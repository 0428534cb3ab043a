"""What recipe and data set must have in common: refused in the Recipe's own words where it needs the data to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.errors import RecipeError

if TYPE_CHECKING:
    from study.engine.data import Data
    from study.recipe import Recipe

FOR_IMAGES = ("normalize", "pixel_range", "augment_flip", "augment_crop", "augment_rotate", "augment_cutout")


def refuse_misfits(recipe: Recipe, data: Data) -> None:
    """Refuse a recipe that its data set makes impossible, or of which it makes a knob have no effect.

    Raises:
        RecipeError: which knob, and why.

    """
    if data.kind == "table":
        for knob in FOR_IMAGES:
            value = getattr(recipe, knob)
            if value != type(recipe).model_fields[knob].default:
                raise RecipeError(f"{knob}={value} has no effect with dataset={data.name}, which is a table")
    else:
        side = min(data.shape[1:])
        for knob, value in (("augment_crop", recipe.augment_crop), ("augment_cutout", recipe.augment_cutout)):
            if value >= side:
                raise RecipeError(f"{knob}={value} leaves nothing of images of {side} pixels")
    if recipe.loss == "bce" and len(data.classes) != 2:
        raise RecipeError(f"loss=bce is for two classes, and dataset={data.name} has {len(data.classes)}")
    if recipe.batch_size != "full" and recipe.batch_size > len(data.train):
        raise RecipeError(f"batch_size={recipe.batch_size} is more than the {len(data.train)} examples to train on")
