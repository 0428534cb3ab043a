"""The class of a stored recipe, for what only shows results: a person's own class is never imported for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, create_model, model_validator

from study.knobs import ALWAYS_WRITTEN
from study.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OURS = "study.recipe:Recipe"


class _Knobs(BaseModel):
    """Knobs of a class of a person's own, as they are stored: JSON values, each checked when it was run."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class _OurKnobs(Recipe):
    """Knobs of a class that is derived from ours; its defaults are not known, so neither is which knobs are unused."""

    model_config = ConfigDict(protected_namespaces=())

    @model_validator(mode="after")
    def _knobs_have_an_effect(self) -> Self:
        """Accept every combination: it was checked when it was run."""
        return self


def recipe_class(reference: str, knobs: Mapping[str, Any]) -> type[BaseModel]:
    """Give the class of a stored recipe without running a person's code.

    Args:
        reference: import path of the class, as stored.
        knobs: of a recipe of the class, as JSON values.

    Returns:
        Our `Recipe` where it is that. For any other class a stand-in with the same knobs, derived from `Recipe` where
        the knobs include all of ours. A stand-in checks the names of knobs but not their values, and its recipes have
        the same fingerprints.

    """
    if reference == OURS:
        return Recipe
    ours = knobs.keys() >= ALWAYS_WRITTEN
    own = {name: value for name, value in knobs.items() if not (ours and name in Recipe.model_fields)}
    fields: dict[str, Any] = {name: (Annotated[Any, BeforeValidator(_like(value))], ...) for name, value in own.items()}
    return create_model(reference.rpartition(":")[2], __base__=_OurKnobs if ours else _Knobs, **fields)


def _like(stored: Any) -> Callable[[Any], Any]:
    """Make an override like the stored value: where that is a float, 1 becomes 1.0, as the class itself made it."""

    def converted(value: Any) -> Any:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return float(value) if is_whole and isinstance(stored, float) else value

    return converted
