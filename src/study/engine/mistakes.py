"""What a trained network gets wrong: the images of a split whose class it is surest of, and wrong about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from study.engine.checkpoint import load_weights
from study.engine.data import open_test
from study.engine.evaluate import BATCH
from study.engine.tasks import classes_of
from study.engine.train import assemble, isolated_rng
from study.errors import RecipeError
from study.inspection import Mistakes

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from study.recipe import Recipe


def surest_mistakes(recipe: Recipe, weights: Path, split: str = "validation", *, most: int = 24) -> Mistakes:
    """Run a trained network over its validation examples, or over the test split where that has been opened before.

    Dropout is off, whatever the recipe says of it.

    Args:
        recipe: its network and data.
        weights: a safetensors file of the trained network.
        split: "validation", or "test" to look at the test split.
        most: images to give at most.

    Raises:
        RecipeError: the data set is a table, nothing is held out, or knobs, model and data that do not go together.
        DataError: the data set cannot be had.

    """
    parts = assemble(recipe, "cpu")
    if parts.data.kind != "image":
        raise RecipeError(f"{parts.data.name} holds no images to show")
    if parts.task.name != "classification":
        raise RecipeError(f"{parts.data.name} has no classes to mistake")
    judged = open_test(recipe, "cpu") if split == "test" else parts.data.val
    if not len(judged):
        raise RecipeError("nothing is held out for validation")
    parts.model.load_state_dict(load_weights(weights))
    parts.model.eval()
    with isolated_rng("cpu"), torch.inference_mode():
        logits = [parts.forward(parts.prepare(judged.x.index_select(0, rows))) for rows in judged.rows.split(BATCH)]
    predictions, sureness = _judged(torch.cat(logits))
    targets = judged.y.index_select(0, judged.rows)
    wrong = (predictions != targets).nonzero()[:, 0]
    chosen = wrong[sureness[wrong].argsort(descending=True, stable=True)][:most]
    return Mistakes(
        images=judged.x.index_select(0, judged.rows[chosen]).numpy(),
        targets=targets[chosen].numpy(),
        predictions=predictions[chosen].numpy(),
        sureness=sureness[chosen].numpy(),
        wrong=len(wrong),
        total=len(judged),
        classes=parts.data.classes,
    )


def _judged(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Give the predicted class of each row and its probability."""
    sureness = logits.double().softmax(1).amax(1) if logits.shape[1] > 1 else logits[:, 0].double().abs().sigmoid()
    return classes_of(logits), sureness
