"""The proof, without training, that a recipe fits its model and data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.engine.losses import outputs_of
from study.engine.train import assemble, random_numbers_apart
from study.errors import RecipeError

if TYPE_CHECKING:
    from torch import Tensor

    from study.engine.train import Parts
    from study.recipe import Recipe


def check(recipe: Recipe, device: str = "cpu") -> None:
    """Prove that the recipe can be trained: every knob has an effect, and a step's shapes go together.

    The data set is made or downloaded if it is not here.

    Args:
        recipe: every knob.
        device: as torch spells it.

    Raises:
        RecipeError: a knob without effect, or knobs, model and data set that do not go together, by name.
        StudyFileError: the model's import path fails.
        DataError: the data set cannot be had.

    """
    parts = assemble(recipe, device)
    train = parts.data.train
    last = len(train) % parts.batch_size or parts.batch_size  # examples in an epoch's last batch: batch norm minds one
    examples = train.x.index_select(0, train.rows[: min(last, 2)])
    with random_numbers_apart(device):
        logits = _try(parts, examples)
    wanted = (len(examples), outputs_of(recipe, len(parts.data.classes)))
    if tuple(logits.shape) != wanted:
        raise RecipeError(f"model={recipe.model} gives an output of shape {tuple(logits.shape)} instead of {wanted}")


def _try(parts: Parts, examples: Tensor) -> Tensor:
    parts.model.train()
    try:
        return parts.forward(parts.prepare(examples))
    except Exception as error:  # the model may be a person's own, which may raise anything
        count, *shape = examples.shape
        what = f"model={parts.recipe.model} cannot take a batch of {count} examples of shape {tuple(shape)}: {error}"
        fix = "Take a batch_size that leaves no single example over." if count == 1 else ""
        raise RecipeError(what, fix=fix) from error
