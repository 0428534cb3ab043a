"""torch's optimizers by the names of the Recipe, or one's own; a knob that is None keeps torch's own default."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from study.engine import own
from study.errors import StudyFileError
from study.knobs import is_own, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor

    from study.recipe import Recipe


def _without_wrappers(kind: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """Derive a class whose methods are those behind torch's wrappers, which import torch._dynamo: 7 s on two cores.

    The wrappers keep torch.compile out of an optimizer, and switch autograd off during a step, as is done here.
    """
    names = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), {"__doc__": kind.__doc__, "__module__": __name__, **methods})


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    name: _without_wrappers(kind)
    for name, kind in {
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
    }.items()
}
# Spelt in torch as in the Recipe, and passed on as they are.
SAME_NAMES = (
    "momentum", "dampening", "nesterov", "eps", "amsgrad", "momentum_decay", "rho", "alpha", "centered", "lr_decay",
    "initial_accumulator_value",
)  # fmt: skip
FACTOR = "lr_factor"  # of a parameter group: what the schedule's learning rate is multiplied by
ADAMS = {torch.optim.Adam, torch.optim.AdamW, OPTIMIZERS["adam"], OPTIMIZERS["adamw"]}


def build(recipe: Recipe, parameters: Iterable[Any]) -> torch.optim.Optimizer:
    """Build the recipe's optimizer, fused into one kernel where torch can.

    Args:
        recipe: its optimizer, learning rate, weight decay and the optimizer's own knobs.
        parameters: what to optimize, already on its device; or torch's parameter groups, each with its `lr_factor`.

    Raises:
        RecipeError: an argument of a person's own optimizer that does not exist.
        StudyFileError: a person's own optimizer cannot be imported or built, or has other parameter groups.

    """
    groups = [{**each, "lr": recipe.lr * each[FACTOR]} if isinstance(each, dict) else each for each in parameters]
    flat = [each for some in groups for each in (some["params"] if isinstance(some, dict) else [some])]
    if is_own(recipe.optimizer):
        return _own(recipe, groups)
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
    if "fused" in has and all(parameter.device.type in {"cpu", "cuda"} for parameter in flat):
        given["fused"] = True
    return make(groups, lr=recipe.lr, **given)


def set_all(optimizer: torch.optim.Optimizer, settings: Mapping[str, Any]) -> None:
    """Set what the schedule says in each parameter group, the learning rate times the group's factor."""
    for group in optimizer.param_groups:
        group.update(settings)
        if FACTOR in group:
            group["lr"] = settings["lr"] * group[FACTOR]


def adam_kernel(optimizer: torch.optim.Optimizer) -> Callable[[], None] | None:
    """Make the step of a fused Adam that calls its kernel alone: what its class does around it costs as much again.

    Returns:
        The function, good until a state is loaded into the optimizer; None for another optimizer.

    """
    group = optimizer.param_groups[0]
    if len(optimizer.param_groups) > 1:
        return None
    if type(optimizer) not in ADAMS or not group["fused"] or group["amsgrad"]:
        return None
    if group["maximize"] or group["capturable"] or group["differentiable"]:  # as one of one's own may be set
        return None
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
    """Set the weight decay of an epoch, counted from 1: on within its window, off outside."""
    if is_own(recipe.optimizer) and not recipe.weight_decay:
        return  # it may have one of its own that is no argument
    for group in optimizer.param_groups:
        if "weight_decay" in group:
            group["weight_decay"] = recipe.weight_decay if within(recipe.weight_decay_epochs, epoch) else 0.0


def _own(recipe: Recipe, parameters: list[Any]) -> torch.optim.Optimizer:
    """Build a person's own optimizer: `make(parameters, lr=..., **arguments)`."""
    make, given = own.bind(recipe, "optimizer", {"lr": recipe.lr, "weight_decay": recipe.weight_decay}, leading=1)
    with own.running(recipe.optimizer):
        optimizer = make(parameters, **given)
    if not isinstance(optimizer, torch.optim.Optimizer):
        what = f"it gave a {type(optimizer).__name__}, not a torch.optim.Optimizer"
        raise StudyFileError(what, where=recipe.optimizer)
    wanted = len(parameters) if isinstance(parameters[0], dict) else 1
    if len(optimizer.param_groups) > wanted or "lr" not in optimizer.param_groups[0]:
        what = "its parameters are not in one group with an lr, which the schedule changes"
        raise StudyFileError(what, where=recipe.optimizer)
    return optimizer
