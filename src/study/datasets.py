"""The data sets that are known by name: what they are, where they come from, and their classes in torchvision's order.

Without torch, so that listing and importing need none. An import under one of these names takes the classes from here,
so that a label's number means the same as in torchvision's files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DIGITS = tuple("0123456789")


@dataclass(frozen=True, slots=True)
class Known:
    """A data set that can be made without being told how.

    Args:
        kind: of its examples.
        origin: who provides it.
        made_by: class of `torchvision.datasets` that reads it, or the loader of `sklearn.datasets`.
        classes: names in the order of the label numbers; empty where sorted names are in that order.

    """

    kind: Literal["image", "table"]
    origin: Literal["torchvision", "scikit-learn"]
    made_by: str
    classes: tuple[str, ...] = ()


KNOWN: dict[str, Known] = {
    "cifar10": Known("image", "torchvision", "CIFAR10", (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )),
    "cifar100": Known("image", "torchvision", "CIFAR100"),
    "mnist": Known("image", "torchvision", "MNIST", DIGITS),
    "fashion_mnist": Known("image", "torchvision", "FashionMNIST", (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )),
    "kmnist": Known("image", "torchvision", "KMNIST", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")),
    "svhn": Known("image", "torchvision", "SVHN", DIGITS),
    "digits": Known("image", "scikit-learn", "load_digits", DIGITS),
    "breast_cancer": Known("table", "scikit-learn", "load_breast_cancer", ("benign", "malignant")),
}  # fmt: skip
