"""The filters of a network and what they see equal what torch computes by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from study.engine import train
from study.engine.checkpoint import save_weights
from study.engine.inspect import first_filters
from study.errors import RecipeError


def test_filters_of_a_trained_network_and_what_they_see(small, tmp_path):
    recipe = small(model="cnn2", epochs=1)
    weights = next(train(recipe)).state()["model"]
    save_weights(tmp_path / "best.safetensors", weights, {})
    found = first_filters(recipe, tmp_path / "best.safetensors")
    (name,) = [name for name, each in weights.items() if each.shape == (8, 1, 5, 5)]
    assert torch.equal(torch.tensor(found.weights).float(), weights[name])
    side = found.image.shape[1]
    assert found.activations.shape == (8, side - 4, side - 4)
    assert found.activations.min() == 0  # after the ReLU
    image, bias = torch.tensor(found.image)[None], weights[name.replace("weight", "bias")].double()
    by_hand = nn.functional.conv2d(image, weights[name].double(), bias).relu()[0]
    torch.testing.assert_close(torch.tensor(found.activations), by_hand)


def test_a_network_without_convolution_has_no_filters(small, tmp_path):
    with pytest.raises(RecipeError, match="no convolution"):
        first_filters(small(), tmp_path / "best.safetensors")
