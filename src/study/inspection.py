"""What is seen of a trained network, as plain arrays: the engine finds it, where torch is, and a report draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


@dataclass(frozen=True, eq=False)
class Filters:
    """The first convolution of a network, and its activations on one image.

    Args:
        weights: (filters, channels, height, width).
        image: (channels, height, width), as the network is given it.
        activations: (filters, height, width), after the activation, before any pool.

    """

    weights: NDArray[np.float64]
    image: NDArray[np.float64]
    activations: NDArray[np.float64]
