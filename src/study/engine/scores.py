"""Metrics by scikit-learn's names, computed by scikit-learn from the outputs for a whole split, at an epoch's end."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from study.errors import RecipeError
from study.objectives import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from study.data.forms import Task

    Score = Callable[[Any, Any, Any], float]  # of targets, predictions and probabilities

OF_TWO = ("f1", "precision", "recall", "average_precision", "brier_score")  # classes
AVERAGES = ("macro", "micro", "weighted", "samples")


def score_of(name: str, task: Task, classes: int) -> Callable[[Tensor, Tensor], float]:
    """Make the function from outputs and targets, on the CPU, to a metric.

    Args:
        name: one of `study.objectives.METRICS`.
        task: of the data set.
        classes: or labels, of the data set.

    Raises:
        RecipeError: the metric is for another task, or for two classes.

    """
    if name not in METRICS[task]:
        raise RecipeError(f"metric={name} is not for {task}", fix=f"For it there are {', '.join(METRICS[task])}.")
    if name in OF_TWO and task == "classification" and classes != 2:
        more = ", ".join(each for each in METRICS[task] if each not in OF_TWO)
        raise RecipeError(f"metric={name} is for two classes, and the data set has {classes}", fix=f"Use {more}.")
    compute = _of_numbers(name) if task == "regression" else _of_classes(name, task, classes)

    def score(outputs: Tensor, targets: Tensor) -> float:
        true = targets.numpy()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a class without examples or predictions counts as 0
                if task == "regression":
                    return float(compute(true, outputs.numpy(), None))
                shares = _shares(outputs, task)
                labels = shares > 0.5 if task == "multilabel" else shares.argmax(1)
                value = float(compute(true, labels.astype(np.int64), shares))
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise RecipeError(f"metric={name} cannot be computed: {reason}", fix="Hold out more examples.") from error
        if math.isnan(value):
            of = "label" if task == "multilabel" else "class"
            what = f"metric={name} cannot be computed: a {of} has no example, or all, among the {len(true)} held out"
            raise RecipeError(what, fix="Hold out more examples.")
        return value

    return score


def _shares(outputs: Tensor, task: Task) -> np.ndarray:
    """Give the probabilities of classes or labels, float64 (N, classes)."""
    if task == "multilabel":
        return outputs.double().sigmoid().numpy()
    if outputs.shape[1] == 1:
        share = outputs.double().sigmoid().numpy()
        return np.concatenate([1 - share, share], axis=1)
    return outputs.double().softmax(1).numpy()


def _of_numbers(name: str) -> Score:
    from sklearn import metrics  # noqa: PLC0415 - a second that only these metrics cost

    whole = {"explained_variance": "explained_variance_score"}.get(name, name)
    function = getattr(metrics, whole)
    return lambda true, predicted, _: function(true, predicted)


def _of_classes(name: str, task: Task, classes: int) -> Score:
    from sklearn import metrics  # noqa: PLC0415 - as above

    base, _, average = name.rpartition("_")
    if average in AVERAGES and base in {"f1", "precision", "recall", "jaccard"}:
        function = getattr(metrics, f"{base}_score")
        return lambda true, predicted, _: function(true, predicted, average=average, zero_division=0)
    if name in {"f1", "precision", "recall"}:
        function = getattr(metrics, f"{name}_score")
        return lambda true, predicted, _: function(true, predicted, zero_division=0)
    every = list(range(classes))
    if name in {"roc_auc", "average_precision"} and task == "multilabel":
        function = getattr(metrics, f"{name}_score")
        return lambda true, _, shares: function(true, shares, average="macro")
    table: dict[str, Score] = {
        "balanced_accuracy": lambda true, predicted, _: metrics.balanced_accuracy_score(true, predicted),
        "matthews_corrcoef": lambda true, predicted, _: metrics.matthews_corrcoef(true, predicted),
        "cohen_kappa": lambda true, predicted, _: metrics.cohen_kappa_score(true, predicted),
        "average_precision": lambda true, _, shares: metrics.average_precision_score(true, shares[:, 1]),
        "brier_score": lambda true, _, shares: metrics.brier_score_loss(true, shares[:, 1]),
        "log_loss": lambda true, _, shares: metrics.log_loss(true, shares, labels=every),
        "hamming_loss": lambda true, predicted, _: metrics.hamming_loss(true, predicted),
        "roc_auc": (lambda true, _, shares: metrics.roc_auc_score(true, shares[:, 1])) if classes == 2 else (
            lambda true, _, shares: metrics.roc_auc_score(true, shares, multi_class="ovr", labels=every)),
    }  # fmt: skip
    return table[name]
