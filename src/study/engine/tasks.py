"""Tasks: what the outputs of a network mean, which losses fit, and what is counted of its predictions.

Numbers to predict are standardised by the training rows, and predicted in that scale. What is told of them, such as
`val_rmse`, is in their own unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from study.knobs import LOSS_OF_NUMBERS
from study.objectives import SCORES

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from study.data.forms import Task as Name


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of the numbers to predict, over the training rows; 0 and 1 for classes."""

    mean: float = 0.0
    deviation: float = 1.0


PLAIN = Scale()  # of classes and labels


@dataclass(frozen=True, slots=True)
class Task:
    """What a network is trained for.

    Args:
        name: as packs spell it.
        losses: those of ours that fit.
        predict: from outputs (N, outputs) to predictions: classes, int64 (N,); numbers in the scale of the training,
            (N,); or whether an example has each label, int64 (N, labels).
        scores: names of what `count` gives.
        count: from predictions and targets, in the scale of the training, to a number for each score.

    """

    name: Name
    losses: tuple[str, ...]
    predict: Callable[[Tensor], Tensor]
    scores: tuple[str, ...]
    count: Callable[[Tensor, Tensor, Scale], dict[str, float]]


def classes_of(logits: Tensor) -> Tensor:
    """Give the most likely class of each row, int64; one output decides by its sign."""
    return logits.argmax(1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long()


def numbers_of(outputs: Tensor) -> Tensor:
    """Give the one output of each row."""
    return outputs.detach()[:, 0]


def labels_of(logits: Tensor) -> Tensor:
    """Tell which labels each row has, int64: those whose output is above 0."""
    return (logits > 0).long()


def _accuracy(predictions: Tensor, targets: Tensor, _: Scale) -> dict[str, float]:
    return {"accuracy": int((predictions == targets).sum()) / len(targets)}


def _errors(predictions: Tensor, targets: Tensor, scale: Scale) -> dict[str, float]:
    """Compute scikit-learn's root_mean_squared_error, mean_absolute_error and r2_score."""
    error, target = predictions.double() - targets.double(), targets.double()
    squares, spread = error.square().sum(), (target - target.mean()).square().sum()
    one = 1.0 if not squares else 0.0
    return {
        "rmse": (squares / len(error)).sqrt().item() * scale.deviation,
        "mae": error.abs().mean().item() * scale.deviation,
        "r2": 1 - (squares / spread).item() if spread else one,
    }


def _labels(predictions: Tensor, targets: Tensor, _: Scale) -> dict[str, float]:
    """Compute scikit-learn's accuracy_score (of whole rows), and f1_score with average micro and macro."""
    both, either = (predictions & targets).sum(0).double(), (predictions + targets).sum(0).double()
    f1 = torch.where(either > 0, 2 * both / either.clamp(min=1), 0.0)
    return {
        "accuracy": int((predictions == targets).all(1).sum()) / len(targets),
        "f1_micro": (2 * both.sum() / either.sum().clamp(min=1)).item(),
        "f1_macro": f1.mean().item(),
    }


MEANING = {"classification": "classes", "regression": "numbers to predict", "multilabel": "several labels each"}
TASKS: dict[Name, Task] = {
    "classification": Task("classification", ("cross_entropy", "bce"), classes_of, SCORES["classification"], _accuracy),
    "regression": Task("regression", LOSS_OF_NUMBERS, numbers_of, SCORES["regression"], _errors),
    "multilabel": Task("multilabel", ("bce",), labels_of, SCORES["multilabel"], _labels),
}
CLASSIFICATION = TASKS["classification"]
