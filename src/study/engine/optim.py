"""torch's optimizers by the names of the Recipe; a knob that is None keeps torch's own default."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from study.recipe import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from study.recipe import Recipe

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "adamax": torch.optim.Adamax,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "adafactor": torch.optim.Adafactor,
    "rmsprop": torch.optim.RMSprop,
    "rprop": torch.optim.Rprop,
    "asgd": torch.optim.ASGD,
}
# Spelt in torch as in the Recipe, and passed on as they are.
SAME_NAMES = (
    "momentum", "dampening", "nesterov", "eps", "amsgrad", "momentum_decay", "rho", "alpha", "centered", "lr_decay",
    "initial_accumulator_value",
)  # fmt: skip


def build(recipe: Recipe, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Build the recipe's optimizer with one parameter group, fused into one kernel where torch can.

    Args:
        recipe: its optimizer, learning rate, weight decay and the optimizer's own knobs.
        parameters: what to optimize, already on its device.

    """
    parameters = list(parameters)
    make = OPTIMIZERS[recipe.optimizer]
    has = inspect.signature(make).parameters
    knobs: dict[str, Any] = {name: getattr(recipe, name) for name in SAME_NAMES}
    given = {name: value for name, value in knobs.items() if value is not None and value is not False}
    if "weight_decay" in has:
        given["weight_decay"] = recipe.weight_decay  # never torch's own default, which is 0.01 for AdamW
    if recipe.beta1 is not None or recipe.beta2 is not None:
        beta1, beta2 = has["betas"].default
        given["betas"] = (
            beta1 if recipe.beta1 is None else recipe.beta1,
            beta2 if recipe.beta2 is None else recipe.beta2,
        )
    if "fused" in has and all(parameter.device.type in {"cpu", "cuda"} for parameter in parameters):
        given["fused"] = True
    return make(parameters, lr=recipe.lr, **given)


def step_of(optimizer: torch.optim.Optimizer) -> Callable[[], Any]:
    """Give what makes a step: of a fused Adam its kernel, for what its class does around it costs as much again.

    It is good until a state is loaded into the optimizer.
    """
    group = optimizer.param_groups[0]
    if not isinstance(optimizer, torch.optim.Adam) or not group["fused"] or group["amsgrad"]:
        return optimizer.step
    kernel: Any = getattr(torch, "_fused_adamw_" if group["decoupled_weight_decay"] else "_fused_adam_")
    parameters: list[Tensor] = group["params"]
    plain = [parameter.detach() for parameter in parameters]  # the same memory, of which autograd knows nothing
    means: list[Tensor] = []
    squares: list[Tensor] = []
    steps: list[Tensor] = []

    def step() -> None:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if len(gradients) < len(parameters) or len(optimizer.state) < len(parameters):
            optimizer.step()  # the first step, which makes the state, or a network that does not use all of itself
            return
        if not steps:
            for lists, name in ((means, "exp_avg"), (squares, "exp_avg_sq"), (steps, "step")):
                lists += [optimizer.state[parameter][name] for parameter in parameters]
        torch._foreach_add_(steps, 1)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
        beta1, beta2 = group["betas"]
        kernel(
            plain, gradients, means, squares, [], steps, lr=group["lr"], beta1=beta1, beta2=beta2,
            weight_decay=group["weight_decay"], eps=group["eps"], amsgrad=False, maximize=False,
        )  # fmt: skip

    return step


def decay(recipe: Recipe, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    """Let the weight decay act in an epoch, counted from 1, or not."""
    for group in optimizer.param_groups:
        if "weight_decay" in group:
            group["weight_decay"] = recipe.weight_decay if within(recipe.weight_decay_epochs, epoch) else 0.0
