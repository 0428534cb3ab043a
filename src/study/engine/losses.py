"""Losses: cross-entropy, binary cross-entropy or a person's own; their predictions; the penalties on weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from study.engine import own
from study.errors import RecipeError, StudyFileError
from study.imports import import_object
from study.knobs import is_own, within

if TYPE_CHECKING:
    from collections.abc import Iterable

    from study.recipe import Recipe

# From logits (N, outputs) and classes (N,) to the mean loss and its gradient with respect to the logits.
LossWithGradient = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
aten: Any = torch.ops.aten
MEAN, NOTHING_IGNORED = 1, -100  # aten's reduction and ignore_index


class Loss(Protocol):
    """From logits (N, outputs) and classes (N,) to the mean or the sum over the batch, a scalar."""

    def __call__(self, logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Compute the loss."""
        ...


def loss_of(recipe: Recipe, *, training: bool) -> Loss:
    """Choose the recipe's loss; labels are smoothed in training alone, so that val_loss compares between recipes.

    Raises:
        RecipeError: an argument of a person's own loss that does not exist.
        StudyFileError: a person's own loss cannot be imported or made.

    """
    if recipe.loss == "bce":
        return _binary_cross_entropy
    if is_own(recipe.loss):
        return _own(recipe)
    smoothing = recipe.label_smoothing if training else 0.0

    def cross_entropy(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        return F.cross_entropy(logits, targets, reduction=reduction, label_smoothing=smoothing)

    return cross_entropy


def with_gradient(recipe: Recipe) -> LossWithGradient | None:
    """Give the recipe's loss in training with its gradient written out; None where autograd must find it."""
    return _cross_entropy_with_gradient if recipe.loss == "cross_entropy" and not recipe.label_smoothing else None


def outputs_of(recipe: Recipe, classes: int) -> int:
    """Count the outputs that the network needs.

    Raises:
        RecipeError: the loss is for another number of classes.

    """
    if recipe.loss == "bce" and classes != 2:
        raise RecipeError(f"loss=bce is for two classes, and the data set has {classes}")
    return 1 if recipe.loss == "bce" else classes


def predict(logits: Tensor) -> Tensor:
    """Give the most likely class of each row, int64; one output decides by its sign."""
    return logits.argmax(1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long()


def penalty_of(recipe: Recipe, epoch: int) -> Callable[[Iterable[Tensor]], None] | None:
    """Make the function that adds to the gradients of weights what l1 * sum |w| + l2 * sum w^2 in the loss would.

    Args:
        recipe: its penalties, and in which epochs they act.
        epoch: counted from 1.

    Returns:
        The function; None when nothing acts in this epoch.

    """
    l1 = recipe.l1 if within(recipe.l1_epochs, epoch) else 0.0
    l2 = recipe.l2 if within(recipe.l2_epochs, epoch) else 0.0

    def add(weights: Iterable[Tensor]) -> None:
        for weight in weights:
            if weight.grad is not None and l2:
                weight.grad += weight.detach() * (2 * l2)
            if weight.grad is not None and l1:
                weight.grad += weight.detach().sign() * l1

    return add if l1 or l2 else None


def _binary_cross_entropy(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    return F.binary_cross_entropy_with_logits(logits[:, 0], targets.to(logits.dtype), reduction=reduction)


def _own(recipe: Recipe) -> Loss:
    """Make a person's own loss: a function of logits, classes and arguments, or a class whose instance is one."""
    if inspect.isclass(import_object(recipe.loss)):
        make, given = own.bind(recipe, "loss")
        with own.running(recipe.loss):
            function = make(**given)
    else:
        make, given = own.bind(recipe, "loss", leading=2)
        function = partial(make, **given)

    def loss(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        value = function(logits, targets)
        if not isinstance(value, Tensor) or value.shape not in {(), (len(targets),)}:
            what = "it must give the mean over the batch, a scalar tensor, or one value per example"
            raise StudyFileError(what, where=recipe.loss)
        mean = value.mean() if value.ndim else value
        return mean if reduction == "mean" else mean * len(targets)

    return loss


def _cross_entropy_with_gradient(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Do what autograd does with F.cross_entropy, to the bit."""
    logs = torch.log_softmax(logits, 1)
    mean, weight = aten.nll_loss_forward.default(logs, targets, None, MEAN, NOTHING_IGNORED)
    one = torch.ones_like(mean)
    gradient = aten.nll_loss_backward.default(one, logs, targets, None, MEAN, NOTHING_IGNORED, weight)
    return mean, aten._log_softmax_backward_data.default(gradient, logs, 1, logits.dtype)  # noqa: SLF001 - its only name
