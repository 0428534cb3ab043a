"""A stored recipe is read without its class: same knobs, same fingerprint."""

import pytest
from pydantic import BaseModel, ValidationError

from study.definition import override
from study.errors import RecipeError
from study.recipe import Recipe, fingerprint
from study.stored_recipe import recipe_class


class Own(BaseModel, frozen=True, extra="forbid"):
    lr: float = 1.0
    sizes: tuple[int, ...] = (1, 2)
    model_size: int | None = None


class Ours(Recipe):
    beta1: float = 0.8
    twist: float = 0.5


def test_our_recipe_is_itself():
    assert recipe_class("study.recipe:Recipe", {}) is Recipe


@pytest.mark.parametrize("recipe", [Own(), Own(lr=0.5, model_size=3), Ours(optimizer="sgd", twist=2)])
@pytest.mark.parametrize("change", [{}, {"lr": 2}])
def test_a_stand_in_has_the_fingerprint_of_the_recipe_that_was_run(recipe, change):
    stored = recipe.model_dump(mode="json")
    again = recipe_class("nowhere:Own", stored).model_validate(stored)
    assert isinstance(again, Recipe) == isinstance(recipe, Recipe)
    assert fingerprint(override(again, change)) == fingerprint(override(recipe, change))


def test_a_stand_in_knows_its_knobs_and_cannot_be_changed():
    again = recipe_class("nowhere:Own", {"lr": 1.0})(lr=1)
    with pytest.raises(RecipeError, match=r"unknown knob 'lrr'. Did you mean 'lr'"):
        override(again, {"lrr": 1})
    with pytest.raises(ValidationError):
        again.lr = 2
