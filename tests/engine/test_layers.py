"""Layers of our own mean what torch's mean."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from study.engine.layers import FAST_ONEDNN, ConvBlocks, Dropout

SHAPES = {"dense": (500, 301), "images": (16, 8, 31, 31), "one": (1,), "none": (0, 3)}


def made(shape, memory_format=torch.contiguous_format):
    values = torch.rand(shape, generator=torch.Generator().manual_seed(0)) + 0.5
    return values.contiguous(memory_format=memory_format).requires_grad_()


@pytest.mark.parametrize("probability", [0.001, 0.2, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(probability):
    torch.manual_seed(0)
    values = made(SHAPES["dense"])
    dropped = Dropout(probability)(values)
    kept = dropped != 0
    deviation = (probability * (1 - probability) / values.numel()) ** 0.5
    assert 1 - kept.double().mean() == pytest.approx(probability, abs=4 * deviation)
    torch.testing.assert_close(dropped[kept], values[kept] / (1 - probability), rtol=1e-4, atol=0)
    dropped.sum().backward()
    assert torch.equal(values.grad != 0, kept)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dropout_takes_any_shape_and_type(name, dtype):
    values = made(SHAPES[name]).to(dtype)
    dropped = Dropout(0.5)(values)
    assert dropped.shape == values.shape
    assert dropped.dtype == dtype


def test_dropout_keeps_the_order_of_memory():
    values = made(SHAPES["images"], torch.channels_last)
    dropped = Dropout(0.5)(values)
    assert dropped.is_contiguous(memory_format=torch.channels_last)
    kept = dropped != 0
    assert torch.equal(dropped[kept], values[kept] * 2)
    assert 0.4 < kept.float().mean(0).mean() < 0.6
    assert 0.4 < Dropout(0.5)(values.expand(2, *values.shape)).count_nonzero() / values.numel() / 2 < 0.6


def test_values_are_dropped_independently():
    torch.manual_seed(0)
    kept = (Dropout(0.3)(torch.ones(1000, 64)) != 0).double()
    correlation = torch.corrcoef(kept.T) - torch.eye(64, dtype=torch.double)
    assert correlation.abs().max() < 5 / 1000**0.5
    assert torch.corrcoef(torch.stack([kept[:-1].flatten(), kept[1:].flatten()]))[0, 1].abs() < 0.02


def test_dropout_is_the_generators_and_nothing_in_evaluation():
    layer, values = Dropout(0.5), made(SHAPES["dense"])
    torch.manual_seed(3)
    first = layer(values)
    torch.manual_seed(3)
    assert torch.equal(layer(values), first)
    assert not torch.equal(layer(values), first)
    assert layer.eval()(values) is values


def test_dropout_of_nothing_is_nothing():
    values = made(SHAPES["dense"])
    assert torch.equal(Dropout(0.0)(values), values)
    assert isinstance(Dropout(0.1), nn.Dropout)


def blocks(*more):
    torch.manual_seed(0)
    return ConvBlocks(nn.Conv2d(3, 16, 3), nn.MaxPool2d(2), nn.ReLU(), *more, nn.Conv2d(16, 8, 5), nn.ReLU())


def outcome(layers, images):
    output = layers(images)
    output.square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in layers.parameters()]
    layers.zero_grad()
    return output, *gradients


@pytest.mark.parametrize("count", [1, 7, 64])
@pytest.mark.parametrize("side", [14, 17])
def test_conv_blocks_in_onednns_order_equal_those_in_torchs(count, side):
    images = torch.rand(count, 3, side, side).contiguous(memory_format=torch.channels_last)
    layers = blocks()
    assert layers._fits_onednn(images) == FAST_ONEDNN
    ours, again = outcome(layers, images), outcome(layers, images)
    theirs = outcome(nn.Sequential(*layers), images)
    for one, repeated, other in zip(ours, again, theirs, strict=True):
        assert torch.equal(one, repeated)
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_conv_blocks_in_a_constant_picture_send_one_gradient_to_each_pool():
    """All values of a pool are equal there: torch gives the whole gradient to one of them."""
    images, layers = torch.full((2, 3, 14, 14), 0.5), blocks()
    for one, other in zip(outcome(layers, images), outcome(nn.Sequential(*layers), images), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("more", [nn.BatchNorm2d(16), Dropout(0.5), nn.Tanh()])
def test_conv_blocks_with_anything_else_stay_in_torchs_order(more):
    assert not blocks(more)._fits_onednn(torch.rand(2, 3, 14, 14))
    assert blocks(more)(torch.rand(2, 3, 14, 14)).shape == (2, 8, 2, 2)


def test_conv_blocks_of_other_precision_stay_in_torchs_order():
    images = torch.rand(2, 3, 14, 14)
    assert not blocks()._fits_onednn(images.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert not blocks()._fits_onednn(images)
        assert blocks()(images).dtype == torch.bfloat16
