"""Layers of our own mean what torch's mean."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from study.engine.layers import Dropout

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
