"""Evaluation of a network over a split: in large batches, with one host sync, and a report for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from study.engine.losses import predict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from study.engine.data import Split
    from study.engine.losses import Loss

BATCH = 512  # examples; 256 to 1,024 take the same time


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a network makes of a split.

    Args:
        loss: mean over the examples.
        accuracy: share of right predictions, in [0, 1].
        targets: int64 (N,), the true classes, on the CPU.
        predictions: int64 (N,), the predicted ones.

    """

    loss: float
    accuracy: float
    targets: Tensor
    predictions: Tensor


@torch.inference_mode()
def evaluate(
    forward: Callable[[Tensor], Tensor], prepare: Callable[[Tensor], Tensor], loss: Loss, split: Split
) -> Evaluation:
    """Run a network, which the caller has put in evaluation mode, over a split.

    Args:
        forward: from inputs to logits.
        prepare: from examples as they lie in the data set to inputs.
        loss: of logits and classes.
        split: not empty.

    """
    targets = split.y.index_select(0, split.rows)
    losses: list[Tensor] = []
    predictions: list[Tensor] = []
    for rows, some in zip(split.rows.split(BATCH), targets.split(BATCH), strict=True):
        logits = forward(prepare(split.x.index_select(0, rows)))
        losses.append(loss(logits, some, "sum"))
        predictions.append(predict(logits))
    predicted, targets = torch.cat(predictions).cpu(), targets.cpu()
    right = int((predicted == targets).sum())
    return Evaluation(
        float(torch.stack(losses).cpu().double().sum()) / len(split), right / len(split), targets, predicted
    )


def report(evaluation: Evaluation, classes: Sequence[str]) -> dict[str, Any]:
    """Tell accuracy, loss, the confusion matrix (rows true, columns predicted) and the figures of each class.

    Args:
        evaluation: of any split.
        classes: all names, those without an example too.

    Returns:
        JSON values. A precision without predictions and a recall without examples are 0.

    """
    from sklearn import metrics  # noqa: PLC0415 - a second that only a training's end costs

    numbers = range(len(classes))
    true, predicted = evaluation.targets.numpy(), evaluation.predictions.numpy()
    figures: Any = metrics.precision_recall_fscore_support(
        true,
        predicted,
        labels=numbers,
        zero_division=0,  # pyright: ignore[reportArgumentType] - typed as its default is
    )
    return {
        "accuracy": evaluation.accuracy,
        "loss": evaluation.loss,
        "classes": list(classes),
        "confusion": metrics.confusion_matrix(true, predicted, labels=numbers).tolist(),
        "per_class": [
            {"class": name, "precision": precision, "recall": recall, "f1": f1, "support": support}
            for name, precision, recall, f1, support in zip(classes, *(each.tolist() for each in figures), strict=True)
        ],
    }
