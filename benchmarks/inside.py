"""A look inside networks, for reproduce.py --pictures: distributions layer by layer, and filters with what they see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import nn

from study.engine.train import assemble, isolated_rng
from study.plots.figures import COLOURS, DPI, INK
from study.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from study.inspection import Filters

EXAMPLES = 512  # over which a layer is looked at
BINS = 60
COLUMNS = 8  # filters in a row
SHOWN = 64  # largest number of filters to draw


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


def layer_distributions(recipe: Recipe) -> list[Layer]:
    """Run the first 512 training examples forward and backward through a network as it is initialized, in float64.

    Args:
        recipe: its network, data, initial weights and seed.

    Returns:
        Each layer with weights, in the order in which they were made.

    Raises:
        RecipeError: knobs, model and data set that do not go together, by name.
        DataError: the data set cannot be had.

    """
    parts = assemble(Recipe.model_validate({**recipe.model_dump(), "precision": "float64"}), "cpu")
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


def distributions(by_variant: Mapping[str, Sequence[Layer]], what: str, title: str) -> Figure:
    """Draw a histogram for each variant (a row) and layer (a column), with its standard deviation.

    Each panel has its own scale: the shape matters, and how the standard deviation changes from layer to layer. Values
    of exactly 0, which ReLU produces, are not drawn; their share is written instead.

    Args:
        by_variant: the layers of each variant.
        what: `weights`, `activations` or `gradients`.
        title: above the picture.

    """
    columns = max(map(len, by_variant.values()))
    size = 1.0 + 2.6 * columns, 0.7 + 1.25 * len(by_variant)
    figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout="constrained")
    grid = figure.subplots(len(by_variant), columns, squeeze=False)
    for index, (name, layers) in enumerate(by_variant.items()):
        for column, axes in enumerate(grid[index]):
            if column < len(layers):
                _histogram(axes, getattr(layers[column], what), COLOURS[index % len(COLOURS)])
            else:
                axes.set_visible(False)
            if index == 0:
                axes.set_title(f"layer {column + 1}", loc="left", fontsize=9, color=INK)
        grid[index][0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def filters(found: Filters, title: str) -> Figure:
    """Draw the first convolution's filters, the image, and each filter's activations on it.

    Args:
        found: the filters; filters of several channels are drawn as the mean over their channels.
        title: above the picture.

    """
    count = min(len(found.weights), SHOWN)
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    size = 1.2 * (columns + 1), 0.6 + 2.6 * rows
    figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout="constrained")
    grid = figure.subplots(2 * rows, columns + 1, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    limit = float(np.abs(found.weights).max()) or 1.0
    for index in range(count):
        row, column = index // columns, 1 + index % columns
        weights = found.weights[index].mean(0)
        grid[row][column].imshow(weights, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        grid[row][column].set_title(f"filter {index + 1}", fontsize=8, color=INK)
        grid[rows + row][column].imshow(found.activations[index], cmap="Greys", interpolation="nearest")
    grid[rows][0].imshow(found.image.mean(0), cmap="Greys", interpolation="nearest")
    grid[rows][0].set_title("image", fontsize=8, color=INK)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def _histogram(axes: Axes, values: ArrayLike, colour: str) -> None:
    """Draw the middle 99.8 % of the values that are not exactly 0, and write the share of zeros."""
    values = np.asarray(values, float)
    others = values[values != 0]
    zeros = 1 - len(others) / len(values)
    if len(others):
        low, high = np.quantile(others, [0.001, 0.999])
        margin = 0.0 if low < high else 0.5
        axes.hist(others, bins=BINS, range=(low - margin, high + margin), color=colour, linewidth=0)
    words = f"sd {values.std():.2g}" + (f", {100 * zeros:.0f} % zero" if zeros else "")
    axes.set_title(words, loc="right", fontsize=8, color=INK)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right", "left"]].set_visible(False)


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
