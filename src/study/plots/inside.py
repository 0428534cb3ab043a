"""Pictures of a network's inside, as SVG and PNG: distributions layer by layer, filters and their activations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from study.plots.figures import COLOURS, DPI, INK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

BINS = 60
COLUMNS = 8  # filters in a row
SHOWN = 64  # largest number of filters to draw


class Layer(Protocol):
    """A layer's flattened arrays, as `engine.inspect.Layer` holds them."""

    @property
    def weights(self) -> NDArray[np.float64]:
        """Weights without biases."""
        ...

    @property
    def activations(self) -> NDArray[np.float64]:
        """Activations: the inputs of the next layer with weights."""
        ...

    @property
    def gradients(self) -> NDArray[np.float64]:
        """Gradients of the loss with respect to the layer's outputs."""
        ...


class Filters(Protocol):
    """Filters and their activations on an image, as `engine.inspect.Filters` holds them."""

    @property
    def weights(self) -> NDArray[np.float64]:
        """Shape (filters, channels, height, width)."""
        ...

    @property
    def image(self) -> NDArray[np.float64]:
        """Shape (channels, height, width)."""
        ...

    @property
    def activations(self) -> NDArray[np.float64]:
        """Shape (filters, height, width)."""
        ...


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
