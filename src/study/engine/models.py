"""Networks: ours, torchvision's, or one's own by import path; their activations and initial weights."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from study.engine import own
from study.engine.layers import ConvBlocks, Dropout, Perceptron, Torchvision
from study.errors import RecipeError, StudyFileError
from study.formatting import nearest, reason
from study.knobs import TORCHVISION, is_own, unused_knob, used_by

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from study.recipe import Recipe

LARGEST_SIDE = 1024  # pixels; images are not scaled up beyond

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softmax": lambda: nn.Softmax(dim=1),
    "elu": nn.ELU,
    "selu": nn.SELU,
    "celu": nn.CELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish,
    "identity": nn.Identity,
}
# These never decrease, so the activation of a maximum is the maximum of the activations: after a 2x2 pool they give
# equal values for a quarter of the work.
MONOTONE = frozenset(ACTIVATIONS) - {"softmax", "gelu", "silu", "mish", "hardswish"}

Shape = tuple[int, ...]


def build(recipe: Recipe, shape: Shape, outputs: int, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Build the network of a recipe with its initial weights, drawn from torch's global generator.

    Args:
        recipe: its model, and the knobs of the network.
        shape: of one input, (C, H, W) or (F,).
        outputs: classes, or 1 for a single logit.
        dtype: of the input, int64 for tokens.

    Raises:
        RecipeError: the model does not exist or does not fit, or a knob has no effect on it, by name.
        StudyFileError: the import path fails.

    """
    refuse_unused(recipe)
    if len(shape) != 3 and (recipe.model in SMALLEST or recipe.model.startswith(TORCHVISION)):
        is_what = "is a table" if len(shape) == 1 else f"has tensors of shape {shape}"
        raise RecipeError(f"model={recipe.model} needs images, and the data set {is_what}",
                          fix="Use model=mlp or logistic.")  # fmt: skip
    if recipe.model in OURS:
        model = _ours(recipe, shape, outputs)
    elif recipe.model.startswith(TORCHVISION):
        model = _torchvision(recipe.model, shape, outputs)
    else:
        model = _own(recipe, "model", _offered(recipe, shape, outputs))
        _make_lazy_weights(recipe, model, torch.zeros(2, *shape, dtype=dtype))
    if not any(parameter.requires_grad for parameter in model.parameters()):
        fix = "Make its layers in __init__, or use lazy ones such as LazyLinear." if is_own(recipe.model) else ""
        raise RecipeError(f"model={recipe.model} has no weights to train", fix=fix)
    initialize(model, recipe.init, recipe.init_scale)
    return model


def _ours(recipe: Recipe, shape: Shape, outputs: int) -> nn.Module:
    """Build a network of ours, if there is room for it."""
    try:
        return OURS[recipe.model](recipe, shape, outputs)
    except (RuntimeError, MemoryError, OverflowError, TypeError, ValueError) as error:  # torch's ways to say: too large
        what = f"model={recipe.model} cannot be made with hidden={list(recipe.hidden)}: {reason(error)}"
        raise RecipeError(what, fix="Use fewer units.") from error


def _make_lazy_weights(recipe: Recipe, model: nn.Module, zeros: Tensor) -> None:
    """Run a batch of zeros through a network with layers such as LazyLinear, whose weights a first batch decides."""
    if any(nn.parameter.is_lazy(each) for each in (*model.parameters(), *model.buffers())):
        was_training = model.training
        with own.running(recipe.model), torch.no_grad():
            model.eval()(zeros)
        model.train(was_training)


def prove(recipe: Recipe, model: nn.Module, forward: Callable[[Tensor], Tensor], inputs: Tensor, outputs: int) -> None:
    """Run a batch through a network, to prove that input and output have the right shapes.

    Args:
        recipe: its model.
        model: the network.
        forward: from inputs to outputs; the network, or what runs it in the recipe's precision.
        inputs: a batch.
        outputs: of the network that are wanted.

    Raises:
        RecipeError: it does not, and why.

    """
    if not (inputs.is_floating_point() or is_own(recipe.model)):
        fix = "Use a network of your own with an embedding: model=mypackage.nets:Words."
        raise RecipeError(f"model={recipe.model} takes numbers, and the data set holds tokens", fix=fix)
    known = len(list(model.parameters()))
    try:
        found: Any = forward(inputs)
    except (Exception, SystemExit) as error:  # the network may be a person's own, which may raise anything
        what = f"model={recipe.model} cannot take a batch of shape {tuple(inputs.shape)}: {reason(error)}"
        fix = "Use a batch_size that leaves no single example over." if len(inputs) == 1 else ""
        raise RecipeError(what, fix=fix) from error
    if not isinstance(found, Tensor):
        what = f"model={recipe.model} gives a {type(found).__name__} where a tensor is wanted"
        raise RecipeError(what, fix=f"Return the outputs alone, of the shape (N, {outputs}).")
    shape = tuple(found.shape)
    if shape != (len(inputs), outputs):
        wanted = (len(inputs), outputs)
        raise RecipeError(f"model={recipe.model} gives an output of shape {shape} where {wanted} is wanted")
    if not (found.is_floating_point() and found.requires_grad):
        what = f"model={recipe.model} gives outputs of {found.dtype}, from which no gradient leads to its weights"
        raise RecipeError(what, fix="Return floating-point outputs that are computed of the weights.")
    if len(list(model.parameters())) > known:
        what = f"model={recipe.model} makes weights in its first forward pass, which the optimizer would not know"
        raise RecipeError(what, fix="Make its layers in __init__, or use lazy ones such as LazyLinear.")


def refuse_unused(recipe: Recipe) -> None:
    """Refuse a knob of the network that has no effect on the recipe's model.

    Raises:
        RecipeError: the knob, its value and the models that do use it.

    """
    if is_own(recipe.model):
        return  # its signature is asked as it is built
    used = used_by(type(recipe), "model").get(recipe.model, frozenset())  # torchvision's networks use none
    if recipe.model == "mlp" and not recipe.hidden:
        used = frozenset({"hidden"})  # an mlp without hidden layers has nothing else to adjust
    if idle := unused_knob(recipe, "model", used):
        raise RecipeError(idle)


def upscaling(recipe: Recipe, shape: Shape) -> int:
    """Find the smallest whole factor by which images must grow for the recipe's model; 1 for an imported one.

    Args:
        recipe: its model.
        shape: of one image as the data set has it, (C, H, W), (F,) for a table, or that of another tensor.

    Raises:
        RecipeError: the model takes no images of this shape at any size.

    """
    if len(shape) != 3 or recipe.model in {"mlp", "logistic"}:
        return 1
    if recipe.model in SMALLEST:
        return -(-SMALLEST[recipe.model] // min(shape[1:]))
    return _torchvision_upscaling(recipe.model, shape) if recipe.model.startswith(TORCHVISION) else 1


def initialize(model: nn.Module, init: str, scale: float | None) -> None:
    """Draw all weights, which are the parameters with two dimensions or more, anew; "default" leaves them."""
    if init == "default":
        return
    scale = 1.0 if scale is None else scale
    draw: dict[str, Callable[[Tensor], Any]] = {
        "zero": nn.init.zeros_,
        "normal": lambda weight: nn.init.normal_(weight, std=scale),
        "uniform": lambda weight: nn.init.uniform_(weight, -scale, scale),
        "xavier_uniform": nn.init.xavier_uniform_,
        "xavier_normal": nn.init.xavier_normal_,
        "kaiming_uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
        "kaiming_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
        "orthogonal": nn.init.orthogonal_,
    }
    for weight in weights(model):
        draw[init](weight)


def activation_of(recipe: Recipe) -> nn.Module:
    """Make what follows each hidden layer.

    Raises:
        RecipeError: an argument of a person's own activation that does not exist.
        StudyFileError: a person's own activation cannot be imported or made.

    """
    return _own(recipe, "activation") if is_own(recipe.activation) else ACTIVATIONS[recipe.activation]()


def weights(model: nn.Module) -> list[nn.Parameter]:
    """List what is drawn by `init` and shrunk by `l1` and `l2`: parameters with two dimensions or more."""
    return [parameter for parameter in model.parameters() if parameter.ndim >= 2]


def has_batch_norm(model: nn.Module) -> bool:
    """Tell whether the network uses statistics of the whole batch, so that it cannot be split into microbatches."""
    return any(isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)) for module in model.modules())


def keep_dropout_on(model: nn.Module) -> None:
    """Keep dropout active after `model.eval()`."""
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the class that all have in common
            module.train()


def _mlp(recipe: Recipe, shape: Shape, outputs: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    width = _product(shape)
    for units in recipe.hidden:
        layers += [nn.Linear(width, units), *_hidden(recipe, nn.BatchNorm1d(units))]
        width = units
    return Perceptron(*layers, nn.Linear(width, outputs))


def _logistic(_: Recipe, shape: Shape, outputs: int) -> nn.Module:
    return Perceptron(nn.Flatten(), nn.Linear(_product(shape), outputs))


def _cnn3(recipe: Recipe, shape: Shape, outputs: int) -> nn.Module:
    """The network of TensorFlow's tutorial "Convolutional Neural Network (CNN)"."""
    return nn.Sequential(
        ConvBlocks(
            *_conv(recipe, shape[0], 32, kernel=3, pool=True),
            *_conv(recipe, 32, 64, kernel=3, pool=True),
            *_conv(recipe, 64, 64, kernel=3, pool=False),
        ),
        nn.Flatten(),
        nn.Linear(64 * _product([((side - 2) // 2 - 2) // 2 - 2 for side in shape[1:]]), 64),
        *_hidden(recipe, nn.BatchNorm1d(64)),
        nn.Linear(64, outputs),
    )


def _cnn2(recipe: Recipe, shape: Shape, outputs: int) -> nn.Module:
    """The network of 5,994 parameters (on MNIST) of the University of Melbourne's workshop on CNNs."""
    return nn.Sequential(
        ConvBlocks(*_conv(recipe, shape[0], 8, kernel=5, pool=True), *_conv(recipe, 8, 16, kernel=5, pool=True)),
        nn.Flatten(),
        *_dropout(recipe.dropout_dense),
        nn.Linear(16 * _product([((side - 4) // 2 - 4) // 2 for side in shape[1:]]), outputs),
    )


OURS: dict[str, Callable[[Recipe, Shape, int], nn.Module]] = {
    "mlp": _mlp,
    "logistic": _logistic,
    "cnn3": _cnn3,
    "cnn2": _cnn2,
}
SMALLEST = {"cnn3": 18, "cnn2": 16}  # pixels a side that leave one pixel to the last convolution


def _conv(recipe: Recipe, before: int, after: int, *, kernel: int, pool: bool) -> list[nn.Module]:
    """A conv block: convolution, norm, activation and pool (in the cheaper order of the two), dropout."""
    norm = [nn.BatchNorm2d(after)] if recipe.batch_norm else []
    tail: list[nn.Module] = [activation_of(recipe), *([nn.MaxPool2d(2)] if pool else [])]
    if recipe.activation in MONOTONE:
        tail.reverse()
    return [nn.Conv2d(before, after, kernel), *norm, *tail, *_dropout(recipe.dropout_conv)]


def _hidden(recipe: Recipe, norm: nn.Module) -> list[nn.Module]:
    """What follows a hidden dense layer."""
    activation = activation_of(recipe)
    return [*([norm] if recipe.batch_norm else []), activation, *_dropout(recipe.dropout_dense)]


def _dropout(probability: float) -> list[nn.Module]:
    return [Dropout(probability)] if probability else []


def _product(sides: Sequence[int]) -> int:
    product = 1
    for side in sides:
        product *= side
    return product


def _torchvision(name: str, shape: Shape, outputs: int) -> nn.Module:
    import torchvision  # noqa: PLC0415 - a second that only its networks cost

    net = name.removeprefix(TORCHVISION)
    there = torchvision.models.list_models(module=torchvision.models)
    if net not in there:
        fix = nearest(name, [TORCHVISION + each for each in there])
        raise RecipeError(f"torchvision has no classifier {net!r}", fix=fix)
    return Torchvision(net, outputs, grey=shape[0] == 1)


@lru_cache(maxsize=16)
def _torchvision_upscaling(name: str, shape: Shape) -> int:
    """Try one factor after the other on torch's meta device, where a forward pass computes shapes alone."""
    with torch.device("meta"):
        model = _torchvision(name, shape, 2).eval()
    for factor in range(1, max(1, LARGEST_SIDE // max(shape[1:])) + 1):
        try:
            model(torch.empty(2, shape[0], shape[1] * factor, shape[2] * factor, device="meta"))
        except (RuntimeError, AssertionError, ValueError):  # torchvision's ways to say that a size does not fit
            continue
        return factor
    raise RecipeError(f"model={name} takes no images of {shape[1]}x{shape[2]} pixels, however scaled up")


def _own(recipe: Recipe, group: str, offered: Mapping[str, Any] | None = None) -> nn.Module:
    """Call a person's own class or function, which gives a module."""
    make, given = own.bind(recipe, group, offered)
    with own.running(path := getattr(recipe, group)):
        module = make(**given)
    if not isinstance(module, nn.Module):
        raise StudyFileError(f"it gave a {type(module).__name__}, not a torch.nn.Module", where=path)
    return module


def own_network(recipe: Recipe) -> str:
    """Give the import path of a person's own network, empty for ours and torchvision's."""
    return recipe.model if is_own(recipe.model) else ""


def arguments(recipe: Recipe, shape: Shape, outputs: int) -> dict[str, Any]:
    """Collect what the recipe's own model is called with: all that its signature names, and `model_args`.

    Raises:
        RecipeError: an argument that does not exist, or a knob without effect.
        StudyFileError: it needs another.

    """
    return own.bind(recipe, "model", _offered(recipe, shape, outputs))[1]


def _offered(recipe: Recipe, shape: Shape, outputs: int) -> dict[str, Any]:
    """Name what a person's own network may ask for: every knob, the shape of an input, the number of outputs."""
    knobs = {knob: getattr(recipe, knob) for knob in type(recipe).model_fields}
    return {**knobs, "input_shape": shape, "num_classes": outputs}
