"""The document's own network, 10-5-1: its weights are drawn as it says, by torch's own functions."""

import math

import pytest
import torch
from torch import nn

from study import load
from study.engine.models import initialize

TORCHS = {
    "zero": nn.init.zeros_,
    "normal": lambda weight: nn.init.normal_(weight, mean=0.0, std=1.0),
    "he": lambda weight: nn.init.kaiming_normal_(weight, mode="fan_in", nonlinearity="relu"),
    "xavier": lambda weight: nn.init.xavier_normal_(weight, gain=1.0),
}
SPREADS = {"zero": 0.0, "normal": 1.0, "he": math.sqrt(2 / 10), "xavier": math.sqrt(2 / (10 + 5))}


def network():
    return nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 1))


def drawn(variant, seed=0):
    recipe = load("init").recipe_for(load("init").variants[variant])
    model = network()
    torch.manual_seed(seed)
    initialize(model, recipe.init, recipe.init_scale)
    return model[0].weight.detach()


@pytest.mark.parametrize("variant", TORCHS)
def test_the_first_layers_weights_are_those_of_the_documents_calls(variant):
    weight = network()[0].weight
    torch.manual_seed(0)
    TORCHS[variant](weight)
    assert torch.equal(drawn(variant), weight)


@pytest.mark.parametrize("variant", SPREADS)
def test_weights_are_spread_as_the_theory_says(variant):
    weights = torch.stack([drawn(variant, seed) for seed in range(200)])  # 10,000 weights
    assert weights.std().item() == pytest.approx(SPREADS[variant], rel=0.03)


def test_the_baseline_is_what_torch_draws_unasked():
    assert next(iter(load("init").variants)) == "default"
