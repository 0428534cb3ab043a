"""Fine-tuning: weights from a file, layers that stay as they are, and a learning rate for each group of layers.

Patterns are those of file names (`fnmatch`), over the names of the network's parameters, such as `0.weight`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from study.engine.layers import Torchvision
from study.engine.optim import FACTOR
from study.errors import RecipeError
from study.formatting import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

    from study.recipe import Recipe


_carried: dict[str, Path] = {}  # copies of another machine's files, by the names that recipes give them


def carry(files: Mapping[str, Path]) -> None:
    """Read weights from copies of another machine's files from now on, by the names that recipes give them."""
    _carried.clear()
    _carried.update(files)


def prepare(recipe: Recipe, model: nn.Module) -> None:
    """Load the recipe's weights into a network, and freeze what it names.

    The file has every weight of the network under the network's names, but perhaps those of its last layer, whose
    number of outputs may be another one: that layer then keeps its initial weights. What else it holds is left out.

    Raises:
        RecipeError: a file that cannot be read or does not fit, or a pattern that fits nothing; by name.

    """
    if recipe.weights is not None:
        _load(recipe.weights, model)
    for pattern in recipe.freeze:
        for parameter in _named(model, pattern, "freeze"):
            parameter.requires_grad = False
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise RecipeError("freeze leaves no weights to train")


def set_training(recipe: Recipe, model: nn.Module) -> None:
    """Set a network to training, but for frozen batch normalizations, whose statistics stay as well."""
    model.train()
    if recipe.freeze:
        for module in model.modules():
            weight = getattr(module, "weight", None)
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and weight is not None and not weight.requires_grad:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the class that all have in common
                module.eval()


def groups(recipe: Recipe, model: nn.Module) -> list[Any]:
    """Part the parameters into torch's groups, each with its `lr_factor`; without factors, list the parameters.

    Raises:
        RecipeError: a pattern that fits nothing, or two that fit one parameter.

    """
    parameters = list(model.parameters())
    if not recipe.lr_factors:
        return parameters
    of: dict[int, str] = {}
    for pattern in recipe.lr_factors:
        for parameter in _named(model, pattern, "lr_factors"):
            if (other := of.setdefault(id(parameter), pattern)) != pattern:
                raise RecipeError(f"lr_factors: {other!r} and {pattern!r} fit the same weights")
    parted = {pattern: [each for each in parameters if of.get(id(each)) == pattern] for pattern in (None, *of.values())}
    factors = {None: 1.0, **recipe.lr_factors}
    return [{"params": some, FACTOR: factors[pattern]} for pattern, some in parted.items() if some]


def _named(model: nn.Module, pattern: str, knob: str) -> Iterable[nn.Parameter]:
    weights = dict(_with_usual_names(model).named_parameters())
    found = [weights[name] for name in weights if fnmatchcase(name, pattern)]
    if not found:
        names = list(weights)
        raise RecipeError(f"{knob}: {pattern!r} fits no weights", fix=nearest(pattern, names, else_say="There are"))
    return found


def _load(file: str, model: nn.Module) -> None:
    try:
        found = load_file(_carried.get(file, file))
    except (OSError, SafetensorError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        fix = "Give a file of safetensors.torch.save_file(model.state_dict(), FILE)."
        raise RecipeError(f"weights={file} cannot be read: {reason}", fix=fix) from error
    named = _with_usual_names(model)
    if named is not model:  # as a trial of ours stores them
        found = {name.removeprefix("net."): each for name, each in found.items()}
    last = _last_layer(named)
    for name, mine in named.state_dict(keep_vars=True).items():
        given = found.get(name)
        if given is not None and given.shape == mine.shape:
            _copy(given, mine)
        elif name.rpartition(".")[0] != last:
            what = "are not in it" if given is None else f"have the shape {tuple(given.shape)} there"
            fix = nearest(name, list(found), else_say="It has") if given is None else f"Here it is {tuple(mine.shape)}."
            raise RecipeError(f"weights={file}: {name} {what}", fix=fix)


@torch.no_grad()
def _copy(given: Tensor, mine: Tensor) -> None:
    mine.copy_(given)


def _with_usual_names(model: nn.Module) -> nn.Module:
    """Give the network whose weights have the names that its files use: of torchvision's, the one within ours."""
    return model.net if isinstance(model, Torchvision) else model


def _last_layer(model: nn.Module) -> str:
    """Name the module of the last parameter, which by custom makes the outputs."""
    return [name for name, _ in model.named_parameters()][-1].rpartition(".")[0]
