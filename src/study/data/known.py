"""The data sets known by name, their classes, and how a test split is held out.

This module imports no torch, so that listing and importing data need none. An import under a known name takes its
classes from here, so that a label's number means the same as in torchvision's files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.data.forms import Task

DIGITS = tuple("0123456789")
PARQUET = frozenset({".parquet", ".pq"})
TABLES = frozenset({".csv", ".tsv", ".txt", ".data", ".feather"}) | PARQUET  # usual suffixes of tables
TEST_SHARE = 0.2  # held out if a data set has no test split
TEST_SEED = 42  # splits breast_cancer as in the write-up of the NYU course that uses it


@dataclass(frozen=True, slots=True)
class Known:
    """A data set that can be fetched by its name alone.

    Args:
        kind: of its examples.
        origin: the library that provides it.
        made_by: the class of `torchvision.datasets` or the loader of `sklearn.datasets` that reads it.
        classes: names in the order of the label numbers; empty if that is their sorted order, or for numbers.
        files: of torchvision, below its folder: what tells that the data set is there, unpacked or as it was loaded.
        task: what is predicted.

    """

    kind: Literal["image", "table"]
    origin: Literal["torchvision", "scikit-learn"]
    made_by: str
    classes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    task: Task = "classification"


def _idx(folder: str) -> tuple[str, ...]:
    return f"{folder}/raw/train-images-idx3-ubyte", f"{folder}/raw/train-images-idx3-ubyte.gz"


KNOWN: dict[str, Known] = {
    "cifar10": Known("image", "torchvision", "CIFAR10", (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ), ("cifar-10-batches-py", "cifar-10-python.tar.gz")),
    "cifar100": Known("image", "torchvision", "CIFAR100", (), ("cifar-100-python", "cifar-100-python.tar.gz")),
    "mnist": Known("image", "torchvision", "MNIST", DIGITS, _idx("MNIST")),
    "fashion_mnist": Known("image", "torchvision", "FashionMNIST", (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ), _idx("FashionMNIST")),
    "kmnist": Known("image", "torchvision", "KMNIST", (
        "o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo",
    ), _idx("KMNIST")),
    "svhn": Known("image", "torchvision", "SVHN", DIGITS, ("train_32x32.mat",)),
    "usps": Known("image", "torchvision", "USPS", DIGITS, ("usps.bz2",)),
    "digits": Known("image", "scikit-learn", "load_digits", DIGITS),
    "breast_cancer": Known("table", "scikit-learn", "load_breast_cancer", ("benign", "malignant")),
    "iris": Known("table", "scikit-learn", "load_iris", ("setosa", "versicolor", "virginica")),
    "diabetes": Known("table", "scikit-learn", "load_diabetes", task="regression"),
    "wine": Known("table", "scikit-learn", "load_wine", ("class_0", "class_1", "class_2")),
}  # fmt: skip


def hold_out(
    labels: np.ndarray, *, share: float = TEST_SHARE, stratify: bool = True, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Choose test examples for a data set without a test split, always the same ones.

    Args:
        labels: int [N].
        share: of the test split, in (0, 1).
        stratify: whether to choose the same share of every class.
        where: what errors name as their place, such as the file.

    Returns:
        Indices of the training examples and of the test examples, both in random order.

    Raises:
        DataError: too few examples for that share.

    """
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - a second that only an import needs

    if not 0 < share < 1:
        raise DataError(
            f"a share of {share:g} cannot be held out for the test", where=where, fix="Give 0.2, for example."
        )
    try:
        train, test = train_test_split(
            np.arange(len(labels)), test_size=share, random_state=TEST_SEED, stratify=labels if stratify else None
        )
    except ValueError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        fix = "Add examples to each class, or give a test split."
        raise DataError(f"{share:.0%} cannot be held out for the test: {reason}", where=where, fix=fix) from error
    return np.asarray(train), np.asarray(test)


def known_number(label: str, known: Sequence[str]) -> int | None:
    """Find a folder's class by its name, ignoring case and punctuation (`t_shirt_top`), or by its number."""
    names = [re.sub(r"[^a-z0-9]", "", each.lower()) for each in known]
    plain = re.sub(r"[^a-z0-9]", "", label.lower())
    if plain in names:
        return names.index(plain)
    return int(label) if re.fullmatch(r"[0-9]{1,4}", label) else None
