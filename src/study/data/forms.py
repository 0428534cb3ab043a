"""What the arrays of a data set may be: images, rows, tokens or tensors, with classes, numbers or several labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["image", "table", "tokens", "tensor"]
Task = Literal["classification", "regression", "multilabel"]
EXAMPLES: dict[Kind, tuple[str, int | None]] = {  # types and numbers of axes; None is any number above 1
    "image": ("uint8", 4), "table": ("float32", 2), "tokens": ("int64", 2), "tensor": ("float32", None),
}  # fmt: skip
LABELS: dict[Task, tuple[str, int]] = {  # likewise
    "classification": ("int64", 1), "regression": ("float64", 1), "multilabel": ("int64", 2),
}  # fmt: skip


def check(name: str, arrays: Mapping[str, np.ndarray], kind: Kind, task: Task, classes: int) -> None:
    """Reject arrays that no training could use.

    Raises:
        DataError: types, shapes or labels that do not fit together.

    """
    (dtype, axes), (of_labels, label_axes) = EXAMPLES[kind], LABELS[task]
    for split in ("train", "test"):
        x, y = arrays[f"{split}_x"], arrays[f"{split}_y"]
        if (
            x.dtype.name != dtype
            or (x.ndim < 2 if axes is None else x.ndim != axes)
            or y.dtype.name != of_labels
            or (y.ndim, len(y)) != (label_axes, len(x))
        ):
            raise DataError(f"{split}: {x.dtype.name} {x.shape} with labels {y.dtype.name} {y.shape} is no {kind} data",
                            where=name)  # fmt: skip
        if task == "regression":
            if not np.isfinite(y).all():
                raise DataError(f"{split}: numbers to predict that are not finite", where=name)
        elif task == "multilabel" and y.shape[1] != classes:
            raise DataError(f"{split}: {y.shape[1]} columns of labels for {classes} names", where=name)
        elif len(y) and not 0 <= y.min() <= y.max() < (2 if task == "multilabel" else classes):
            raise DataError(f"{split}: labels from {y.min()} to {y.max()} for {classes} classes", where=name)
    if kind == "tokens" and min(int(arrays[f"{split}_x"].min(initial=0)) for split in ("train", "test")) < 0:
        raise DataError("tokens below 0", where=name, fix="Count them from 0, which is the padding.")
    if not len(arrays["train_y"]) or arrays["train_x"].shape[1:] != arrays["test_x"].shape[1:]:
        raise DataError("no training examples, or test examples of another shape", where=name)


def vocabulary(arrays: Mapping[str, np.ndarray]) -> int:
    """Count the tokens, from 0 to the largest of both splits."""
    return 1 + max(int(arrays[f"{split}_x"].max(initial=0)) for split in ("train", "test"))
