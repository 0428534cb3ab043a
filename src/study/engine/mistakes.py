"""What a trained network gets wrong: the images of a split whose class it is surest of, and wrong about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from study.engine.data import open_test
from study.engine.evaluate import BATCH
from study.engine.losses import predict
from study.engine.train import assemble, isolated_rng
from study.errors import RecipeError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from study.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Mistakes:
    """The surest errors over a split.

    Args:
        images: uint8 (n, height, width, channels), as stored.
        targets: int64 (n,), the true classes.
        predictions: int64 (n,), the classes that the network predicts.
        sureness: (n,), the probability that it gives to its prediction, highest first, in [0, 1].
        wrong: errors over the whole split.
        total: examples in it.
        classes: names, in the order of the class numbers.

    """

    images: NDArray[np.uint8]
    targets: NDArray[np.int64]
    predictions: NDArray[np.int64]
    sureness: NDArray[np.float64]
    wrong: int
    total: int
    classes: tuple[str, ...]


def surest_mistakes(recipe: Recipe, weights: Path, *, test: bool = False, most: int = 24) -> Mistakes:
    """Run a trained network over its validation examples, or over the test split where that has been opened before.

    Dropout is off, whatever the recipe says of it.

    Args:
        recipe: its network and data.
        weights: a safetensors file of the trained network.
        test: whether to look at the test split.
        most: images to give at most.

    Raises:
        RecipeError: the data set is a table, nothing is held out, or knobs, model and data that do not go together.
        DataError: the data set cannot be had.

    """
    parts = assemble(recipe, "cpu")
    if parts.data.kind == "table":
        raise RecipeError(f"{parts.data.name} is a table: there are no images to show")
    split = open_test(recipe, "cpu") if test else parts.data.val
    if not len(split):
        raise RecipeError("nothing is held out for validation")
    parts.model.load_state_dict(load_file(weights))
    parts.model.eval()
    with isolated_rng("cpu"), torch.inference_mode():
        logits = [parts.forward(parts.prepare(split.x.index_select(0, rows))) for rows in split.rows.split(BATCH)]
    predictions, sureness = _judged(torch.cat(logits))
    targets = split.y.index_select(0, split.rows)
    wrong = (predictions != targets).nonzero()[:, 0]
    chosen = wrong[sureness[wrong].argsort(descending=True, stable=True)][:most]
    return Mistakes(
        images=split.x.index_select(0, split.rows[chosen]).numpy(),
        targets=targets[chosen].numpy(),
        predictions=predictions[chosen].numpy(),
        sureness=sureness[chosen].numpy(),
        wrong=len(wrong),
        total=len(split),
        classes=parts.data.classes,
    )


def _judged(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Give the predicted class of each row and its probability."""
    sureness = logits.double().softmax(1).amax(1) if logits.shape[1] > 1 else logits[:, 0].double().abs().sigmoid()
    return predict(logits), sureness
