"""The gradient of a perceptron, written out: autograd's own kernels in its order, without its bookkeeping.

A step of a small perceptron is more bookkeeping than arithmetic, and takes 0.6 of its time in this way. The bits are
the same, which tests/engine/test_step.py holds. What is not known here goes through autograd (study.engine.step).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from study.engine.layers import Dropout, Perceptron
from study.engine.tasks import classes_of

if TYPE_CHECKING:
    from study.engine.losses import LossWithGradient

# From a batch's inputs and classes to its mean loss and its predictions; leaves the gradient in `.grad`.
Gradient = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
# From a layer's input to its output, and to what its backward pass needs.
Forward = Callable[[Tensor], tuple[Tensor, Tensor]]
# From the gradient with respect to a layer's output, and what was kept, to that with respect to its input.
Backward = Callable[[Tensor, Tensor], Tensor]

aten: Any = torch.ops.aten
BY_OUTPUT: dict[
    type[nn.Module], tuple[Callable[[Tensor], Tensor], Backward]
] = {  # whose backward pass needs their output
    nn.ReLU: (torch.relu, lambda gradient, output: aten.threshold_backward.default(gradient, output, 0)),
    nn.Sigmoid: (torch.sigmoid, aten.sigmoid_backward.default),
    nn.Tanh: (torch.tanh, aten.tanh_backward.default),
}
BY_INPUT: dict[type[nn.Module], tuple[Callable[[Tensor], Tensor], Backward]] = {
    nn.LeakyReLU: (
        F.leaky_relu,
        lambda gradient, given: aten.leaky_relu_backward.default(gradient, given, 0.01, False),  # noqa: FBT003 - aten's
    ),
    nn.GELU: (F.gelu, aten.gelu_backward.default),
    nn.SiLU: (F.silu, aten.silu_backward.default),
}


def gradient_of(model: nn.Module, loss: LossWithGradient | None) -> Gradient | None:
    """Write out the gradient of a network in training mode on a CPU.

    Args:
        model: the network; from now on its parameters keep their `.grad`, into which each gradient is written.
        loss: in training; None if its gradient is not written out.

    Returns:
        The function; None where autograd must do it.

    """
    if loss is None or not isinstance(model, Perceptron):
        return None
    layers: list[tuple[Forward, Backward]] = []
    for module in list(model)[1:]:
        layer = _written_out(module, is_first=not layers)
        if layer is None:
            return None
        layers.append(layer)
    forwards, backwards = [forward for forward, _ in layers], [backward for _, backward in reversed(layers)]

    def gradient(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        values = inputs.flatten(1)
        kept: list[Tensor] = []
        for forward in forwards:
            values, keep = forward(values)
            kept.append(keep)
        mean, after = loss(values, targets)
        for backward in backwards:
            after = backward(after, kept.pop())
        return mean, classes_of(values)

    return gradient


def _written_out(module: nn.Module, *, is_first: bool) -> tuple[Forward, Backward] | None:
    match module:
        case nn.Linear():
            return _dense(module, is_first=is_first)
        case Dropout() if module.levels:
            return _dropout(module)
        case nn.LeakyReLU() | nn.GELU() if not _as_usual(module):
            return None
        case _ if type(module) in BY_OUTPUT:
            function, backward = BY_OUTPUT[type(module)]
            return lambda values: (output := function(values), output), backward
        case _ if type(module) in BY_INPUT:
            function, backward = BY_INPUT[type(module)]
            return lambda values: (function(values), values), backward
        case _:
            return None


def _as_usual(module: nn.LeakyReLU | nn.GELU) -> bool:
    """Tell whether an activation has torch's default setting, the only one that is written out here."""
    if isinstance(module, nn.LeakyReLU):
        return module.negative_slope == 0.01
    return module.approximate == "none"


def _dense(layer: nn.Linear, *, is_first: bool) -> tuple[Forward, Backward]:
    """A dense layer; the gradient with respect to the first one's input is not needed."""
    weight, bias = layer.weight.detach(), layer.bias.detach()
    turned = weight.t()
    weight_gradient, bias_gradient = torch.zeros_like(weight), torch.zeros_like(bias)
    layer.weight.grad, layer.bias.grad = weight_gradient, bias_gradient

    def forward(values: Tensor) -> tuple[Tensor, Tensor]:
        return torch.addmm(bias, values, turned), values

    def backward(gradient: Tensor, values: Tensor) -> Tensor:
        torch.mm(gradient.t(), values, out=weight_gradient)
        torch.sum(gradient, 0, out=bias_gradient)
        return gradient if is_first else gradient.mm(weight)

    return forward, backward


def _dropout(layer: Dropout) -> tuple[Forward, Backward]:
    def forward(values: Tensor) -> tuple[Tensor, Tensor]:
        factor = layer.factor(values)
        return values * factor, factor

    return forward, torch.mul
