"""What one recipe has set other than another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.knobs import has_effect
from study.recipe import Recipe

if TYPE_CHECKING:
    from pydantic import BaseModel


def every_knob(recipe: BaseModel) -> dict[str, Any]:
    """Give all knobs of a recipe as JSON values, those too that `to_json` leaves out at their default."""
    return recipe.model_dump(mode="json", context={"every_knob": True})


def difference(recipe: BaseModel, base: BaseModel) -> dict[str, Any]:
    """Give the knobs in which a recipe differs from a base, as JSON values; applied to the base, they make it."""
    plain = every_knob(base)
    return {knob: value for knob, value in every_knob(recipe).items() if knob not in plain or plain[knob] != value}


def settings(recipe: BaseModel, base: BaseModel) -> dict[str, Any]:
    """Give what a training has set other than a base, as people are shown it: without the knobs that decide nothing."""
    lengths = {knob for knob in ("epochs", "steps") if isinstance(recipe, Recipe) and getattr(recipe, knob) is None}
    differing = difference(recipe, base).items()
    return {knob: value for knob, value in differing if knob not in lengths and has_effect(recipe, knob)}
