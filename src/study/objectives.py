"""What a training of ours can be judged by: the scores of each task, and metrics by scikit-learn's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.knobs import LOSS_OF_NUMBERS, short_name

if TYPE_CHECKING:
    from pydantic import BaseModel

SCORES = {  # what a training of ours says of its predictions, by task; the first one is the usual objective
    "classification": ("accuracy",),
    "regression": ("rmse", "mae", "r2"),
    "multilabel": ("f1_micro", "f1_macro", "accuracy"),
}
METRICS = {  # of scikit-learn, by task; `roc_auc` of more than two classes is one against the rest, their plain mean
    "classification": (
        "balanced_accuracy", "f1", "f1_macro", "f1_micro", "f1_weighted", "precision", "precision_macro", "recall",
        "recall_macro", "jaccard_macro", "roc_auc", "average_precision", "log_loss", "brier_score",
        "matthews_corrcoef", "cohen_kappa",
    ),
    "regression": ("explained_variance", "median_absolute_error", "max_error", "mean_absolute_percentage_error"),
    "multilabel": (
        "f1_weighted", "f1_samples", "precision_micro", "precision_macro", "recall_micro", "recall_macro",
        "jaccard_samples", "roc_auc", "average_precision", "hamming_loss",
    ),
}  # fmt: skip
ALL_METRICS = tuple(dict.fromkeys(name for names in METRICS.values() for name in names))


def metrics_of(recipe: BaseModel) -> tuple[str, ...]:
    """List the metrics that an epoch of this recipe has, as `Study.metric` names them."""
    own: str | None = getattr(recipe, "metric", None)
    names = [name for task in tasks_of(recipe) for name in _of_task(task)]
    return tuple(
        dict.fromkeys([*names, *([f"{split}_{short_name(own)}" for split in ("val", "train")] if own else [])])
    )


def tasks_of(recipe: BaseModel) -> tuple[str, ...]:
    """List the tasks that a recipe's loss is for; with a loss of one's own the data set decides."""
    loss = getattr(recipe, "loss", "")
    if loss in LOSS_OF_NUMBERS:
        return ("regression",)
    return {"cross_entropy": ("classification",), "bce": ("classification", "multilabel")}.get(loss, tuple(SCORES))


def usual_metric(recipe: BaseModel) -> str:
    """Name the objective of a study that names none."""
    return f"val_{SCORES[tasks_of(recipe)[0]][0]}"


def _of_task(task: str) -> list[str]:
    scores = SCORES[task]
    return [f"{split}_{score}" for split in ("val", "train") for score in (*scores, "loss")]
