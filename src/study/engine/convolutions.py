"""The gradient of a network of ConvBlocks, written out on oneDNN's tensors: autograd's own kernels in its order.

What is between the kernels takes a tenth of the step of a small network on a CPU. The bits are the same, which
tests/engine/test_step.py holds. What is not known here goes through autograd (study.engine.step).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from study.engine import perceptron
from study.engine.layers import ConvBlocks
from study.engine.tasks import classes_of

if TYPE_CHECKING:
    from study.engine.losses import LossWithGradient
    from study.engine.perceptron import Backward, Forward, Gradient

aten: Any = torch.ops.aten
NONE, ONE, TWO = [0, 0], [1, 1], [2, 2]  # padding, dilation and steps in two dimensions


def gradient_of(model: nn.Module, loss: LossWithGradient | None) -> Gradient | None:
    """Write out the gradient of ConvBlocks with dense layers behind them, in training mode on a CPU.

    Args:
        model: the network; from now on its parameters keep their `.grad`, into which each gradient is written.
        loss: in training; None if its gradient is not written out.

    Returns:
        The function, which needs grad mode; None where autograd must do it.

    """
    if loss is None or type(model) is not nn.Sequential:
        return None
    match list(model):
        case [ConvBlocks() as blocks, nn.Flatten(), *rest] if blocks.in_onednn(next(model.parameters())):
            first, behind = list(blocks), [perceptron.written_out(module, is_first=False) for module in rest]
        case _:
            return None
    known = [layer for layer in behind if layer]
    if len(known) < len(behind) or not all(_as_ours(layer) for layer in first if isinstance(layer, nn.Conv2d)):
        return None
    convolved = [_layer(module, is_first=not place) for place, module in enumerate(first)]

    @torch.no_grad()
    def gradient(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        kept: list[Any] = []
        values = _through(convolved, inputs.to_mkldnn(), kept).to_dense()
        logits = _through(known, values.flatten(1), kept)
        mean, after = loss(logits, targets)
        after = _back(known, after, kept).view(values.shape).to_mkldnn()
        _back(convolved, after, kept)
        return mean, classes_of(logits)

    return gradient


def _through(layers: list[tuple[Forward, Backward]], values: Tensor, kept: list[Any]) -> Tensor:
    for forward, _ in layers:
        values, keep = forward(values)
        kept.append(keep)
    return values


def _back(layers: list[tuple[Forward, Backward]], gradient: Tensor, kept: list[Any]) -> Tensor:
    for _, backward in reversed(layers):
        gradient = backward(gradient, kept.pop())
    return gradient


def _as_ours(layer: nn.Conv2d) -> bool:
    """Tell whether a convolution has torch's default settings, the only ones that are written out here."""
    plain = (layer.stride, layer.padding, layer.dilation, layer.groups) == ((1, 1), (0, 0), (1, 1), 1)
    return plain and layer.bias is not None


def _layer(module: nn.Module, *, is_first: bool) -> tuple[Forward, Backward]:
    match module:
        case nn.Conv2d():
            return _convolution(module, is_first=is_first)
        case nn.MaxPool2d():
            return _pool, _pool_back
        case _:
            relu = perceptron.written_out(module, is_first=False)
            assert relu is not None
            return relu


def _convolution(layer: nn.Conv2d, *, is_first: bool) -> tuple[Forward, Backward]:
    """A convolution; the gradient with respect to the first one's input is not needed."""
    assert layer.bias is not None
    weight, bias = layer.weight.detach(), layer.bias.detach()
    weight_gradient, bias_gradient = torch.zeros_like(weight), torch.zeros_like(bias)
    layer.weight.grad, layer.bias.grad = weight_gradient, bias_gradient
    wanted = [not is_first, True, True]

    def forward(values: Tensor) -> tuple[Tensor, Tensor]:
        return torch.mkldnn_convolution(values, weight, bias, NONE, ONE, ONE, 1), values

    def backward(gradient: Tensor, values: Tensor) -> Tensor:
        sizes = [layer.out_channels]
        before, of_weight, of_bias = aten.convolution_backward.default(
            gradient, values, weight, sizes, ONE, NONE, ONE, False, NONE, 1, wanted  # noqa: FBT003 - aten's
        )  # fmt: skip
        weight_gradient.copy_(of_weight)
        bias_gradient.copy_(of_bias)
        return before

    return forward, backward


def _pool(values: Tensor) -> tuple[Tensor, Any]:
    with torch.enable_grad():  # for only then does oneDNN keep the places of the largest values
        largest = torch.mkldnn_max_pool2d(values.requires_grad_(), TWO, TWO).detach()
    return largest, (largest, values)


def _pool_back(gradient: Tensor, kept: Any) -> Tensor:
    return aten.mkldnn_max_pool2d_backward.default(gradient, *kept, TWO, TWO, NONE, ONE, False)  # noqa: FBT003 - aten's
