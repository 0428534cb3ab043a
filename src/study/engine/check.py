"""The proof, without training, that a recipe fits its model and data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.engine import models
from study.engine.losses import outputs_of
from study.engine.train import assemble, own_state

if TYPE_CHECKING:
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
    last = len(train) % parts.batch or parts.batch  # examples in an epoch's last batch: batch norm minds a single one
    examples = train.x.index_select(0, train.rows[: min(last, 2)])
    parts.model.train()
    with own_state(device):
        models.prove(recipe, parts.forward, parts.prepare(examples), outputs_of(recipe, len(parts.data.classes)))
