"""A look inside a network: weights, activations and gradients of each layer, and the filters of a convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from study.engine import models
from study.engine.checkpoint import load_weights
from study.engine.train import Parts, assemble, isolated_rng
from study.errors import RecipeError
from study.inspection import Filters
from study.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

EXAMPLES = 512  # over which a layer is looked at


@dataclass(frozen=True, eq=False)
class Layer:
    """Weights, activations and gradients of a layer on one batch, each array flattened.

    Args:
        name: of the module within the network.
        weights: of the layer, biases apart.
        activations: what the next layer with weights is given; of the last layer its outputs, the logits.
        gradients: of the mean loss by the layer's outputs, before its activation, times the number of examples.

    """

    name: str
    weights: NDArray[np.float64]
    activations: NDArray[np.float64]
    gradients: NDArray[np.float64]


def layer_distributions(recipe: Recipe, weights: Path | None = None) -> list[Layer]:
    """Run the first 512 training examples forward and backward, and record each layer with weights.

    Args:
        recipe: its network, data, initial weights and seed.
        weights: a safetensors file of a trained network; None is the network as it is initialized.

    Raises:
        RecipeError: knobs, model and data set that do not go together, by name.
        DataError: the data set cannot be had.

    """
    parts = _assemble(recipe, weights)
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    layers = list(_layers(parts.model))
    weight_of = {name: weight for name, _, weight in layers}
    handles = [module.register_forward_hook(_noting(seen, name)) for name, module, _ in layers]
    rows = parts.data.train.rows[:EXAMPLES]
    with isolated_rng("cpu"):
        torch.manual_seed(0)  # of dropout
        logits = parts.forward(parts.prepare(parts.data.train.x.index_select(0, rows)))
        (parts.loss(logits, parts.data.train.y.index_select(0, rows)) * len(rows)).backward()
    for handle in handles:
        handle.remove()
    inputs = [given for given, _ in seen.values()]
    activations = [*inputs[1:], logits.detach()]
    return [
        Layer(name, _flat(weight_of[name]), _flat(after), _flat(output.grad))
        for (name, (_, output)), after in zip(seen.items(), activations, strict=True)
        if output.grad is not None
    ]


def first_filters(recipe: Recipe, weights: Path | None = None, example: int = 0) -> Filters:
    """Show the filters of the network's first convolution, and their activations on one training example.

    Args:
        recipe: its network and data.
        weights: a safetensors file of the trained network, such as a trial's; None is the network as initialized.
        example: its place in the training split as the data set has it.

    Raises:
        RecipeError: the network has no convolution, or as `layer_distributions`.
        DataError: the data set cannot be had.

    """
    parts = _assemble(recipe, weights)
    convolution = next((layer for _, layer, _ in _layers(parts.model) if isinstance(layer, nn.Conv2d)), None)
    if convolution is None:
        raise RecipeError("the network has no convolution whose filters could be shown")
    image = parts.prepare(parts.data.train.x[example : example + 1])
    with torch.inference_mode():
        activations = models.activation_of(recipe)(convolution(image))
    return Filters(convolution.weight.detach().numpy(), image[0].numpy(), activations[0].numpy())


def _assemble(recipe: Recipe, weights: Path | None) -> Parts:
    """Make the parts in double precision: the weights are those of a training, the figures finer."""
    parts = assemble(Recipe.model_validate({**recipe.model_dump(), "precision": "float64"}), "cpu")
    if weights is not None:
        parts.model.load_state_dict(load_weights(weights))
    return parts


def _layers(model: nn.Module) -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Name the layers with weights, in the order in which they were made."""
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, torch.Tensor) and weight.ndim >= 2:
            yield name, module, weight


def _noting(seen: dict[str, tuple[Tensor, Tensor]], name: str):  # noqa: ANN202 - torch's hook
    def note(_: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        output.retain_grad()
        seen[name] = given[0].detach(), output

    return note


def _flat(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().flatten().numpy()
