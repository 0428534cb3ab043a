"""How one batch is trained on: the only place that chooses between the plain way and faster ones.

A step has two halves: the gradient of the batch's loss, and the optimizer's update from it. Each half has ways, the
fastest first and the plain one last; a way that does not know the network, the loss or the device gives None. All ways
give the bits of the plain ones, which tests/engine/test_step.py holds for each of them. A new way is a row of a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from study.engine import models, optim, perceptron
from study.engine.losses import weighted_mean, with_gradient
from study.engine.tasks import classes_of

if TYPE_CHECKING:
    from torch import nn

    from study.engine.losses import Loss
    from study.recipe import Recipe

MICROBATCH = 2048  # examples whose gradient is computed at once, so that a full batch does not fill the memory

# From the function that makes the inputs of some rows, all rows of a batch (N,) and their targets (N,) to the mean loss
# and the predictions (N,). It leaves the gradient in the parameters' `.grad`.
Gradient = Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], tuple[Tensor, Tensor]]
Update = Callable[[], Any]  # changes the parameters by their `.grad`


@dataclass(frozen=True, eq=False)
class Training:
    """What a step is chosen by.

    Args:
        recipe: every knob.
        device: as torch spells it.
        model: the network, on the device.
        forward: from inputs to logits; the network, or what runs it in the recipe's precision.
        loss: in training.
        optimizer: over all parameters of the network.
        batch: number of examples of a full batch.
        predict: from outputs to predictions.
        divisors: weights of the classes, where the loss of a batch is divided by those of its examples; else None.

    """

    recipe: Recipe
    device: str
    model: nn.Module
    forward: Callable[[Tensor], Tensor]
    loss: Loss
    optimizer: torch.optim.Optimizer
    batch: int
    predict: Callable[[Tensor], Tensor] = classes_of
    divisors: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Step:
    """The chosen ways.

    Args:
        gradient_way: its name in GRADIENTS.
        gradient: computes the gradient of a batch.
        update_way: its name in UPDATES.
        new_update: makes the function that updates the parameters; good until a state is loaded into the optimizer.

    """

    gradient_way: str
    gradient: Gradient
    update_way: str
    new_update: Callable[[], Update]

    def mode(self) -> torch.inference_mode:
        """Make the context to train in: autograd is off unless it finds the gradient."""
        return torch.inference_mode(mode=self.gradient_way not in NEED_AUTOGRAD)


def choose(training: Training) -> Step:
    """Choose the first way of each half that knows the training."""
    gradients = ((name, way(training)) for name, way in GRADIENTS.items())
    gradient_way, gradient = next((name, made) for name, made in gradients if made)
    updates = ((name, way(training.optimizer)) for name, way in UPDATES.items())
    update_way, _ = next((name, made) for name, made in updates if made)

    def new_update() -> Update:
        update = UPDATES[update_way](training.optimizer)
        assert update is not None
        return update

    return Step(gradient_way, gradient, update_way, new_update)


def _written_out(training: Training) -> Gradient | None:
    """Use the gradient of a perceptron without autograd, on a CPU."""
    if not all(parameter.requires_grad for parameter in training.model.parameters()):
        return None
    if training.device != "cpu" or training.forward is not training.model or training.batch > MICROBATCH:
        return None
    compute = perceptron.gradient_of(training.model, with_gradient(training.recipe))
    return compute and (lambda inputs_of, rows, targets: compute(inputs_of(rows), targets))


def _autograd(training: Training) -> Gradient:
    """Let autograd find the gradient, in microbatches that fit the memory where the network permits.

    The parts of a batch are weighted by their number of examples, a loss of one's own, too.
    """
    size = training.batch if models.has_batch_norm(training.model) else MICROBATCH

    def part_of(logits: Tensor, theirs: Tensor, targets: Tensor) -> Tensor:
        if len(theirs) == len(targets):
            return training.loss(logits, theirs)
        if training.divisors is not None:
            return weighted_mean(training.loss(logits, theirs, "sum"), training.divisors, targets)
        return training.loss(logits, theirs) * (len(theirs) / len(targets))

    def gradient(inputs_of: Callable[[Tensor], Tensor], rows: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        training.optimizer.zero_grad()
        losses: list[Tensor] = []
        predictions: list[Tensor] = []
        for some, theirs in zip(rows.split(size), targets.split(size), strict=True):
            logits = training.forward(inputs_of(some))
            loss = part_of(logits, theirs, targets)
            loss.backward()
            losses.append(loss.detach())
            predictions.append(training.predict(logits))
        return (losses[0], predictions[0]) if len(losses) == 1 else (torch.stack(losses).sum(), torch.cat(predictions))

    return gradient


GRADIENTS: dict[str, Callable[[Training], Gradient | None]] = {"written_out": _written_out, "plain": _autograd}
UPDATES: dict[str, Callable[[torch.optim.Optimizer], Update | None]] = {
    "adam_kernel": optim.adam_kernel,
    "plain": lambda optimizer: optimizer.step,
}
NEED_AUTOGRAD = {"plain"}  # ways to the gradient
