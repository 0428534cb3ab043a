"""What benchmarks/reproduce.py draws of networks' insides: what torch computes by hand, and all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from study.engine import train
from study.engine.data import open_data
from study.imports import load_file
from study.inspection import Filters
from study.plots.figures import write
from study.recipe import Recipe

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "inside.py"
SMALL = Recipe(
    dataset="digits", model="mlp", hidden=(12, 8), activation="tanh", train_size=100, epochs=2, batch_size=32
)


def layer(values):
    return load_file(SCRIPT).Layer("1", *(np.asarray(values, float) for _ in range(3)))


@pytest.mark.parametrize("what", ["weights", "activations", "gradients"])
def test_every_variant_has_a_row_and_every_layer_a_panel(tmp_path, what):
    variants = {"zero": [layer([0, 0, 0]), layer([0, 0])], "he": [layer([-1, 0, 1]), layer(np.linspace(1, 3, 500))]}
    figure = load_file(SCRIPT).distributions(variants, what, "initial weights")
    assert [axes.get_ylabel() for axes in figure.axes][::2] == ["zero", "he"]
    told = [axes.get_title("right") for axes in figure.axes]
    assert told == ["sd 0, 100 % zero", "sd 0, 100 % zero", "sd 0.82, 33 % zero", "sd 0.58"]
    assert all(path.stat().st_size > 1000 for path in write(figure, tmp_path, "init"))


def test_every_filter_is_drawn_with_what_it_sees(tmp_path):
    random = np.random.default_rng(0)
    found = Filters(random.normal(size=(10, 3, 5, 5)), random.random((3, 12, 12)), random.random((10, 8, 8)))
    figure = load_file(SCRIPT).filters(found, "first convolution")
    assert sum(bool(axes.images) for axes in figure.axes) == 10 + 10 + 1
    assert write(figure, tmp_path, "filters")[1].stat().st_size > 1000


def test_layers_show_weights_activations_and_gradients():
    layers = load_file(SCRIPT).layer_distributions(SMALL)
    data = open_data(SMALL, "cpu")
    x = data.train.x[data.train.rows].permute(0, 3, 1, 2).double().flatten(1) / 255
    first, second, third = (torch.tensor(layer.weights).view(shape) for layer, shape in zip(
        layers, [(12, 64), (8, 12), (10, 8)], strict=True
    ))  # fmt: skip
    model = nn.Sequential(nn.Linear(64, 12), nn.Tanh(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 10)).double()
    start = next(train(Recipe.model_validate({**SMALL.model_dump(), "optimizer": "sgd", "lr": 1e-30})))
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


def test_zero_weights_let_no_gradient_through():
    recipe = Recipe.model_validate({**SMALL.model_dump(), "hidden": (8,), "activation": "relu", "init": "zero"})
    layers = load_file(SCRIPT).layer_distributions(recipe)
    assert [abs(layer.weights).max() for layer in layers] == [0, 0]
    assert abs(layers[0].gradients).max() == 0
    assert abs(layers[1].gradients).max() > 0
