"""Evaluation of a network over a split: in large batches, with one host sync, and a report for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from study.engine import own
from study.engine.losses import predict
from study.errors import RecipeError, StudyFileError
from study.knobs import short_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from study.engine.data import Split
    from study.engine.losses import Loss
    from study.recipe import Recipe

    Metric = Callable[[Tensor, Tensor], dict[str, float]]

BATCH = 512  # examples; 256 to 1,024 take the same time
REPORTED = {
    "accuracy",
    "loss",
    "classes",
    "confusion",
    "per_class",
    "test",
    "correct",
}  # names that a report has anyway


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well a network does on a split.

    Args:
        loss: mean over the examples.
        accuracy: share of right predictions, in [0, 1].
        targets: int64 (N,), the true classes, on the CPU.
        predictions: int64 (N,), the predicted ones.
        more: the recipe's own metric by its name, if it has one.

    """

    loss: float
    accuracy: float
    targets: Tensor
    predictions: Tensor
    more: Mapping[str, float]

    @property
    def correct(self) -> np.ndarray:
        """Tell which predictions are right, bool (N,)."""
        return (self.predictions == self.targets).numpy()


@torch.inference_mode()
def evaluate(
    forward: Callable[[Tensor], Tensor],
    prepare: Callable[[Tensor], Tensor],
    loss: Loss,
    split: Split,
    metric: Metric | None = None,
) -> Evaluation:
    """Run a network, which the caller has put in evaluation mode, over a split.

    Args:
        forward: from inputs to logits.
        prepare: from stored examples to inputs.
        loss: of logits and classes.
        split: not empty.
        metric: of all logits and classes of the split.

    """
    targets = split.y.index_select(0, split.rows)
    losses: list[Tensor] = []
    predictions: list[Tensor] = []
    all_logits: list[Tensor] = []
    for rows, some in zip(split.rows.split(BATCH), targets.split(BATCH), strict=True):
        logits = forward(prepare(split.x.index_select(0, rows)))
        losses.append(loss(logits, some, "sum"))
        predictions.append(predict(logits))
        if metric:
            all_logits.append(logits.cpu())
    predicted, targets = torch.cat(predictions).cpu(), targets.cpu()
    right = int((predicted == targets).sum())
    more = metric(torch.cat(all_logits), targets) if metric else {}
    mean = float(torch.stack(losses).cpu().double().sum()) / len(split)
    return Evaluation(mean, right / len(split), targets, predicted, more)


def metric_of(recipe: Recipe) -> Metric | None:
    """Make the recipe's own metric: a function of logits (N, outputs) and classes (N,), on the CPU, to a number.

    Raises:
        RecipeError: an argument that it does not have, or a name that is taken.
        StudyFileError: it cannot be imported.

    """
    path = recipe.metric
    if path is None:
        return None
    name = short_name(path)
    if name in REPORTED:
        raise RecipeError(f"metric={path}: every training reports {name!r} already", fix="Give it another name.")
    function, given = own.bind(recipe, "metric", leading=2)

    def metric(logits: Tensor, targets: Tensor) -> dict[str, float]:
        value = function(logits, targets, **given)
        try:
            return {name: float(value)}
        except (TypeError, ValueError) as error:
            raise StudyFileError(f"it gave a {type(value).__name__}, not a number", where=path) from error

    return metric


def report(evaluation: Evaluation, classes: Sequence[str]) -> dict[str, Any]:
    """Report accuracy, loss, the confusion matrix (rows true, columns predicted) and the metrics of each class.

    Args:
        evaluation: of any split.
        classes: all names, those without an example too.

    Returns:
        JSON values. A precision without predictions and a recall without examples are 0.

    """
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (evaluation.targets.numpy(), evaluation.predictions.numpy()), 1)
    right, support, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    columns = (right / predicted.clip(1), right / support.clip(1), 2 * right / (support + predicted).clip(1), support)
    return {
        "accuracy": evaluation.accuracy,
        "loss": evaluation.loss,
        **evaluation.more,
        "classes": list(classes),
        "confusion": confusion.tolist(),
        "per_class": [
            {"class": name, "precision": precision, "recall": recall, "f1": f1, "support": number}
            for name, precision, recall, f1, number in zip(classes, *(each.tolist() for each in columns), strict=True)
        ],
    }
