"""Losses: of classes, of labels, of numbers, or a person's own; and the penalties on weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from study.engine import own
from study.engine.tasks import MEANING, TASKS, Task
from study.errors import RecipeError, StudyFileError
from study.imports import import_object
from study.knobs import is_own, within

if TYPE_CHECKING:
    from collections.abc import Iterable

    from study.data.forms import Task as Name
    from study.engine.data import Data
    from study.recipe import Recipe

# From logits (N, outputs) and classes (N,) to the mean loss and its gradient with respect to the logits.
LossWithGradient = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
aten: Any = torch.ops.aten
MEAN, NOTHING_IGNORED = 1, -100  # aten's reduction and ignore_index


class Loss(Protocol):
    """From outputs (N, outputs) and targets, (N,) or (N, labels), to the mean or the sum over the batch, a scalar."""

    def __call__(self, logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Compute the loss."""
        ...


def task_of(name: Name, recipe: Recipe) -> Task:
    """Choose the task of a data set.

    Raises:
        RecipeError: the recipe's loss is for another task.

    """
    task = TASKS[name]
    if recipe.loss not in task.losses and not is_own(recipe.loss):
        what = f"loss={recipe.loss} does not fit a data set whose examples have {MEANING[name]}"
        raise RecipeError(what, fix=f"Use {' or '.join(task.losses)}, or a loss of your own.")
    return task


def loss_of(recipe: Recipe, *, training: bool, task: Name = "classification", weights: Tensor | None = None) -> Loss:
    """Choose the recipe's loss; labels are smoothed in training alone, so that val_loss compares between recipes.

    Args:
        recipe: its loss.
        training: whether it is that of the training or of an evaluation.
        weights: of the classes, or of the labels' presence, in training alone.
        task: a loss of one's own is given predictions and targets, each (N,), where numbers are predicted.

    Raises:
        RecipeError: an argument of a person's own loss that does not exist.
        StudyFileError: a person's own loss cannot be imported or made.

    """
    if recipe.loss == "bce":
        return partial(_binary_cross_entropy, weights=weights if training else None)
    if is_own(recipe.loss):
        return _own(recipe, task)
    if recipe.loss in OF_NUMBERS:
        return _of_numbers(recipe)
    smoothing = recipe.label_smoothing if training else 0.0
    without = weights is not None and bool((weights == 0).any())

    def cross_entropy(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        weight = None if weights is None else weights.to(logits.dtype)
        if without and weight is not None and reduction == "mean":
            return weighted_mean(cross_entropy(logits, targets, "sum"), weight, targets)
        return F.cross_entropy(logits, targets, weight, reduction=reduction, label_smoothing=smoothing)

    return cross_entropy


def weighted_mean(total: Tensor, weights: Tensor, targets: Tensor) -> Tensor:
    """Divide the sum of some examples' weighted losses by the weights; 0, not 0/0, if no class of theirs has a weight.

    Args:
        total: the sum, a scalar.
        weights: of the classes.
        targets: classes of all examples by which the mean is taken, int64 (N,).

    """
    whole = weights.index_select(0, targets).sum().to(total.dtype)
    return total * (whole > 0) / whole.where(whole > 0, 1)


def with_gradient(recipe: Recipe) -> LossWithGradient | None:
    """Give the recipe's loss in training with its gradient written out; None where autograd must find it."""
    return (
        _cross_entropy_with_gradient
        if recipe.loss == "cross_entropy" and not (recipe.label_smoothing or recipe.class_weight)
        else None
    )


def outputs_of(recipe: Recipe, classes: int, task: Name = "classification") -> int:
    """Count the outputs that the network needs.

    Args:
        recipe: its loss.
        classes: of the data set, or labels.
        task: of the data set.

    Raises:
        RecipeError: the loss is for another number of classes.

    """
    if task != "classification":
        return 1 if task == "regression" else classes
    if recipe.loss == "bce" and classes != 2:
        raise RecipeError(f"loss=bce is for two classes, and the data set has {classes}")
    return 1 if recipe.loss == "bce" else classes


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


def class_weights(recipe: Recipe, data: Data) -> Tensor | None:
    """Give the weight of each class in training, float64 (classes,), on the data's device; None for none.

    Of several labels it is the weight of a label's presence, balanced its absences by its presences.

    Raises:
        RecipeError: another number of weights than of classes.

    """
    wanted = recipe.class_weight
    if wanted is None:
        return None
    device, count = data.train.y.device, len(data.classes)
    if wanted != "balanced":
        if len(wanted) != count:
            raise RecipeError(f"class_weight has {len(wanted)} weights, and the data set {count} classes")
        return torch.tensor(wanted, dtype=torch.float64, device=device)
    labels = data.train.y.index_select(0, data.train.rows)
    if labels.ndim == 2:
        present = labels.sum(0).double()
        return (len(labels) - present) / present.clamp(min=1)
    return len(labels) / (count * torch.bincount(labels, minlength=count).double().clamp(min=1))


def divisors_of(recipe: Recipe, weights: Tensor | None) -> Tensor | None:
    """Give the class weights by which the loss of a batch is divided; None if the number of examples divides it."""
    return weights if recipe.loss == "cross_entropy" else None


def _binary_cross_entropy(
    logits: Tensor, targets: Tensor, reduction: str = "mean", weights: Tensor | None = None
) -> Tensor:
    weight = None if weights is None else weights.to(logits.dtype)
    if targets.ndim == 2:  # several labels: the mean over them, then over the examples
        losses = F.binary_cross_entropy_with_logits(
            logits, targets.to(logits.dtype), reduction="none", pos_weight=weight
        ).mean(1)
        return losses.mean() if reduction == "mean" else losses.sum()
    each = None if weight is None else weight.index_select(0, targets)
    return F.binary_cross_entropy_with_logits(logits[:, 0], targets.to(logits.dtype), each, reduction=reduction)


OF_NUMBERS: dict[str, Callable[..., Tensor]] = {"mse": F.mse_loss, "mae": F.l1_loss, "huber": F.huber_loss}


def _of_numbers(recipe: Recipe) -> Loss:
    function = OF_NUMBERS[recipe.loss]
    given = {"delta": recipe.huber_delta} if recipe.loss == "huber" else {}

    def loss(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        return function(logits[:, 0], targets.to(logits.dtype), reduction=reduction, **given)

    return loss


@dataclass(frozen=True, eq=False)
class OwnLoss:
    """A person's own loss.

    Args:
        path: that the recipe names it by.
        function: from outputs and targets to the mean over the batch, or to one value per example.
        of_numbers: whether numbers are predicted.

    """

    path: str
    function: Callable[[Tensor, Tensor], Any]
    of_numbers: bool

    @property
    def module(self) -> nn.Module | None:
        """What may have a state, which a training that is resumed needs; None for a function."""
        return self.function if isinstance(self.function, nn.Module) else None

    def __call__(self, logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Compute the loss; a module's buffers are brought to the device and the precision of the logits."""
        if self.of_numbers:  # of one shape: (N, 1) and (N,) would be compared each with each
            logits, targets = logits[:, 0], targets.to(logits.dtype)
        if self.module is not None:
            self.module.to(logits.device, logits.dtype)
        value = self.function(logits, targets)
        if not isinstance(value, Tensor) or value.shape not in {(), (len(targets),)}:
            what = "it must give the mean over the batch, a scalar tensor, or one value per example"
            raise StudyFileError(what, where=self.path)
        mean = value.mean() if value.ndim else value
        return mean if reduction == "mean" else mean * len(targets)


def _own(recipe: Recipe, task: Name) -> Loss:
    """Make a person's own loss: a function of logits, classes and arguments, or a class whose instance is one."""
    if inspect.isclass(import_object(recipe.loss)):
        make, given = own.bind(recipe, "loss")
        with own.running(recipe.loss):
            function = make(**given)
    else:
        make, given = own.bind(recipe, "loss", leading=2)
        function = partial(make, **given)
    return OwnLoss(recipe.loss, function, task == "regression")


def _cross_entropy_with_gradient(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Do what autograd does with F.cross_entropy, to the bit."""
    logs = torch.log_softmax(logits, 1)
    mean, weight = aten.nll_loss_forward.default(logs, targets, None, MEAN, NOTHING_IGNORED)
    one = torch.ones_like(mean)
    gradient = aten.nll_loss_backward.default(one, logs, targets, None, MEAN, NOTHING_IGNORED, weight)
    return mean, aten._log_softmax_backward_data.default(gradient, logs, 1, logits.dtype)  # noqa: SLF001 - its only name
