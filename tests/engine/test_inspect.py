"""What is seen inside a network equals what torch computes by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from study.engine import train
from study.engine.checkpoint import save_weights
from study.engine.data import open_data
from study.engine.inspect import first_filters, layer_distributions
from study.errors import RecipeError


def test_layers_show_weights_activations_and_gradients(small):
    recipe = small(hidden=(12, 8), activation="tanh")
    layers = layer_distributions(recipe)
    data = open_data(recipe, "cpu")
    x = data.train.x[data.train.rows].permute(0, 3, 1, 2).double().flatten(1) / 255
    first, second, third = (torch.tensor(layer.weights).view(shape) for layer, shape in zip(
        layers, [(12, 64), (8, 12), (10, 8)], strict=True
    ))  # fmt: skip
    model = nn.Sequential(nn.Linear(64, 12), nn.Tanh(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 10)).double()
    start = next(train(recipe.model_validate({**recipe.model_dump(), "optimizer": "sgd", "lr": 1e-30})))
    model.load_state_dict({f"{int(k[0]) - 1}{k[1:]}": v for k, v in start.state()["model"].items()})
    assert torch.equal(model[0].weight.detach(), first)
    assert torch.equal(model[2].weight.detach(), second)
    assert torch.equal(model[4].weight.detach(), third)
    logits = model(x)
    logits.retain_grad()
    nn.functional.cross_entropy(logits, data.train.y[data.train.rows], reduction="sum").backward()
    torch.testing.assert_close(torch.tensor(layers[1].activations).view(-1, 8), model[:4](x).detach())
    torch.testing.assert_close(torch.tensor(layers[2].activations).view(-1, 10), logits.detach())
    torch.testing.assert_close(torch.tensor(layers[2].gradients).view(-1, 10), logits.grad)


def test_zero_weights_let_no_gradient_through(small):
    layers = layer_distributions(small(init="zero"))
    assert [abs(layer.weights).max() for layer in layers] == [0, 0]
    assert abs(layers[0].gradients).max() == 0
    assert abs(layers[1].gradients).max() > 0


def test_filters_of_a_trained_network_and_what_they_see(small, tmp_path):
    recipe = small(model="cnn2", epochs=1)
    weights = next(train(recipe)).state()["model"]
    save_weights(tmp_path / "best.safetensors", weights, {})
    found = first_filters(recipe, tmp_path / "best.safetensors", example=3)
    (name,) = [name for name, each in weights.items() if each.shape == (8, 1, 5, 5)]
    assert torch.equal(torch.tensor(found.weights).float(), weights[name])
    side = found.image.shape[1]
    assert found.activations.shape == (8, side - 4, side - 4)
    assert found.activations.min() == 0  # after the ReLU
    image, bias = torch.tensor(found.image)[None], weights[name.replace("weight", "bias")].double()
    by_hand = nn.functional.conv2d(image, weights[name].double(), bias).relu()[0]
    torch.testing.assert_close(torch.tensor(found.activations), by_hand)


def test_a_network_without_convolution_has_no_filters(small):
    with pytest.raises(RecipeError, match="no convolution"):
        first_filters(small())
