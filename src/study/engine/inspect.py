"""A look inside a network: the filters of its first convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from study.engine import models
from study.engine.checkpoint import load_weights
from study.engine.train import assemble
from study.errors import RecipeError
from study.inspection import Filters
from study.recipe import Recipe

if TYPE_CHECKING:
    from pathlib import Path


def first_filters(recipe: Recipe, weights: Path) -> Filters:
    """Show the filters of a trained network's first convolution, and their activations on the first training example.

    In double precision: the weights are those of the training, the activations finer.

    Args:
        recipe: its network and data.
        weights: a safetensors file of the trained network, such as a trial's.

    Raises:
        RecipeError: the network has no convolution; or knobs, model and data set do not go together, by name.
        DataError: the data set cannot be had.

    """
    parts = assemble(Recipe.model_validate({**recipe.model_dump(), "precision": "float64"}), "cpu")
    convolution = next((layer for layer in parts.model.modules() if isinstance(layer, nn.Conv2d)), None)
    if convolution is None:
        raise RecipeError("the network has no convolution whose filters could be shown")
    parts.model.load_state_dict(load_weights(weights))
    image = parts.prepare(parts.data.train.x[:1])
    with torch.inference_mode():
        activations = models.activation_of(recipe)(convolution(image))
    return Filters(convolution.weight.detach().numpy(), image[0].numpy(), activations[0].numpy())
