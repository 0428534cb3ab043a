"""Evaluation of a network over a split: in large batches, read by the host at the end, and a report for people."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from study.engine import own
from study.engine.scores import score_of
from study.engine.tasks import CLASSIFICATION, PLAIN
from study.errors import RecipeError, StudyFileError
from study.knobs import is_own, short_name
from study.objectives import SCORES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from study.data.forms import Task as Name
    from study.engine.data import Split
    from study.engine.losses import Loss
    from study.engine.tasks import Scale, Task
    from study.recipe import Recipe

    Metric = Callable[[Tensor, Tensor], dict[str, float]]

BATCH = 512  # examples; 256 to 1,024 take the same time
PARTS = 5  # of the examples, by the number to predict
REPORTED = {  # in any report
    *chain(*SCORES.values()), "loss", "classes", "confusion", "per_class", "test", "errors", "correct",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well a network does on a split.

    Args:
        loss: mean over the examples.
        scores: of the task, such as the accuracy, the share of right predictions in [0, 1]; and the recipe's metric.
        targets: the true classes, int64 (N,), or labels, int64 (N, labels), or numbers in their unit, float64 (N,); on
            the CPU.
        predictions: the predicted ones, likewise.
        task: what is predicted.

    """

    loss: float
    scores: Mapping[str, float]
    targets: Tensor
    predictions: Tensor
    task: Name

    @property
    def correct(self) -> np.ndarray:
        """Tell which examples are predicted right, with several labels in all of them, bool (N,)."""
        right = self.predictions == self.targets
        return (right if right.ndim == 1 else right.all(1)).numpy()


@torch.inference_mode()
def evaluate(
    forward: Callable[[Tensor], Tensor],
    prepare: Callable[[Tensor], Tensor],
    loss: Loss,
    split: Split,
    metric: Metric | None = None,
    task: Task = CLASSIFICATION,
    scale: Scale = PLAIN,
) -> Evaluation | None:
    """Run a network, which the caller has put in evaluation mode, over a split; None if its outputs are not finite.

    Args:
        forward: from inputs to logits.
        prepare: from stored examples to inputs.
        loss: of outputs and targets.
        split: not empty.
        metric: of all logits and classes of the split, or of all predictions and numbers in their unit.
        task: what is predicted.
        scale: of the numbers to predict.

    """
    targets, is_number = split.y.index_select(0, split.rows), task.name == "regression"
    losses: list[Tensor] = []
    predictions: list[Tensor] = []
    all_logits: list[Tensor] = []
    finite: list[Tensor] = []
    for rows, some in zip(split.rows.split(BATCH), targets.split(BATCH), strict=True):
        logits = forward(prepare(split.x.index_select(0, rows)))
        losses.append(loss(logits, some, "sum"))
        predictions.append(task.predict(logits))
        finite.append((logits if is_number else logits.amax(1)).isfinite().all())  # a masked class may be at -inf
        if metric and not is_number:
            all_logits.append(logits)
    if not torch.stack(finite).all():
        return None
    predicted, targets = torch.cat(predictions).cpu(), targets.cpu()
    scores = task.count(predicted, targets, scale)
    if is_number:
        predicted, targets = (each.double() * scale.deviation + scale.mean for each in (predicted, targets))
    more = metric(predicted if is_number else torch.cat(all_logits).cpu(), targets) if metric else {}
    mean = float(torch.stack(losses).cpu().double().sum()) / len(split)
    return Evaluation(mean, {**scores, **more}, targets, predicted, task.name)


def metric_of(recipe: Recipe, task: Task = CLASSIFICATION, classes: int = 2) -> Metric | None:
    """Make the recipe's metric: a function of logits (N, outputs) and classes (N,), on the CPU, to a number.

    Args:
        recipe: its metric.
        task: of the data set.
        classes: or labels, of the data set.

    Raises:
        RecipeError: an argument that it does not have, or a name that is taken.
        StudyFileError: it cannot be imported.

    """
    path = recipe.metric
    if path is None:
        return None
    name = short_name(path)
    if not is_own(path):
        score = score_of(path, task.name, classes)
        return lambda outputs, targets: {name: score(outputs, targets)}
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


def further(recipe: Recipe) -> list[str]:
    """Name the recipe's metric, if it has one, as an evaluation has it beside the scores of the task."""
    return [short_name(recipe.metric)] if recipe.metric else []


def try_metric(recipe: Recipe, task: Task, classes: int, targets: Tensor, outputs: int, judged_by: str = "") -> None:
    """See that each epoch will have the metrics that are wanted, which may need examples of each class to be held out.

    Args:
        recipe: its metric.
        task: of the data set.
        classes: or labels, of the data set.
        targets: of the validation examples, on the CPU; empty if none are held out.
        outputs: of the network.
        judged_by: a metric that each epoch must have; empty for none.

    Raises:
        RecipeError: there is no such metric, or it cannot be computed of these examples.
        StudyFileError: it cannot be imported.

    """
    metric = metric_of(recipe, task, classes)
    names = [*task.scores, "loss", *further(recipe)]
    known = [f"{split}_{name}" for split in (("val", "train") if len(targets) else ("train",)) for name in names]
    if judged_by and judged_by not in known:
        why = "" if len(targets) else " with val_fraction=0"
        raise RecipeError(f"no epoch has the metric {judged_by!r}{why}", fix=f"There are {', '.join(known)}.")
    if metric and not is_own(recipe.metric) and len(targets):
        random = torch.randn(len(targets), outputs, generator=torch.Generator().manual_seed(0))
        metric(random[:, 0] if task.name == "regression" else random, targets)


def report(evaluation: Evaluation, classes: Sequence[str]) -> dict[str, Any]:
    """Report the scores, loss, and what goes wrong: of classes the confusion matrix (rows true, columns predicted).

    Args:
        evaluation: of any split.
        classes: all names, those without an example too; none for numbers.

    Returns:
        JSON values. A precision without predictions and a recall without examples are 0.

    """
    told = {**evaluation.scores, "loss": evaluation.loss}
    if evaluation.task == "regression":
        return {**told, "errors": _errors(evaluation.targets.numpy(), evaluation.predictions.numpy())}
    if evaluation.task == "multilabel":
        return {**told, "per_class": _per_label(evaluation.targets.numpy(), evaluation.predictions.numpy(), classes)}
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (evaluation.targets.numpy(), evaluation.predictions.numpy()), 1)
    right, support, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    return {
        "accuracy": told.pop("accuracy"),
        "loss": told.pop("loss"),
        **told,
        "classes": list(classes),
        "confusion": confusion.tolist(),
        "per_class": _of_each(classes, right, support, predicted),
    }


def _errors(targets: np.ndarray, predictions: np.ndarray) -> list[dict[str, Any]]:
    """Part the examples by the number to predict into fifths, and tell the errors of each, in the numbers' unit."""
    order = np.argsort(targets, kind="stable")
    found: list[dict[str, Any]] = []
    for some in np.array_split(order, PARTS):
        if len(some):
            error = predictions[some] - targets[some]
            found.append({
                "from": float(targets[some[0]]), "to": float(targets[some[-1]]), "examples": len(some),
                "mean_error": float(error.mean()), "rmse": float(np.sqrt(np.square(error).mean())),
            })  # fmt: skip
    return found


def _per_label(targets: np.ndarray, predictions: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    return _of_each(names, (targets & predictions).sum(0), targets.sum(0), predictions.sum(0))


def _of_each(
    names: Sequence[str], right: np.ndarray, support: np.ndarray, predicted: np.ndarray
) -> list[dict[str, Any]]:
    """Compute the metrics of each class from its counts of right predictions, examples and predictions."""
    columns = (right / predicted.clip(1), right / support.clip(1), 2 * right / (support + predicted).clip(1), support)
    return [
        {"class": name, "precision": precision, "recall": recall, "f1": f1, "support": number}
        for name, precision, recall, f1, number in zip(names, *(each.tolist() for each in columns), strict=True)
    ]
