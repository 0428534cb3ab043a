"""Networks: their sizes, the order of activation and pool, initial weights, a person's own and torchvision's."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from study.engine import check, models
from study.errors import RecipeError, StudyFileError
from study.recipe import Recipe

MNIST, CIFAR = (1, 28, 28), (3, 32, 32)


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "shape", "count"),
    [
        ("cnn2", MNIST, 5_994),  # as its document says
        ("logistic", MNIST, 7_850),  # likewise
        ("cnn3", CIFAR, 122_570),  # as TensorFlow's tutorial prints it
        ("mlp", MNIST, 79_510),
    ],
)
def test_a_network_has_the_parameters_of_its_source(name, shape, count):
    assert parameters(models.build(Recipe(model=name), shape, 10)) == count


def test_a_dense_network_takes_any_hidden_sizes():
    model = models.build(Recipe(model="mlp", hidden=(7, 5, 3), dropout_dense=0.1, batch_norm=True), (4,), 2)
    assert [layer.out_features for layer in model if isinstance(layer, nn.Linear)] == [7, 5, 3, 2]
    assert [type(layer).__name__ for layer in model][1:5] == ["Linear", "BatchNorm1d", "ReLU", "Dropout"]


@pytest.mark.parametrize("name", sorted(models.MONOTONE))
def test_a_monotone_activation_after_the_pool_equals_one_before_it(name):
    torch.manual_seed(0)
    activation, pool = models.ACTIVATIONS[name](), nn.MaxPool2d(2)
    before, after = (torch.randn(8, 4, 6, 6, generator=torch.Generator().manual_seed(1)) * 3 for _ in range(2))
    before.requires_grad_()
    after.requires_grad_()
    first, second = pool(activation(before)), activation(pool(after))
    torch.testing.assert_close(second, first, rtol=1e-6, atol=0)
    first.square().sum().backward()
    second.square().sum().backward()
    torch.testing.assert_close(after.grad, before.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "order"), [("relu", ["MaxPool2d", "ReLU", "Dropout"]), ("gelu", ["GELU", "MaxPool2d", "Dropout"])]
)
def test_only_a_monotone_activation_follows_the_pool(activation, order):
    model = models.build(Recipe(activation=activation, dropout_conv=0.1, batch_norm=True), CIFAR, 10)
    assert [type(layer).__name__ for layer in model[0]][:5] == ["Conv2d", "BatchNorm2d", *order]


@pytest.mark.parametrize("name", models.ACTIVATIONS)
def test_every_activation_gives_finite_outputs_and_gradients(name):
    model = models.build(Recipe(activation=name), CIFAR, 10)
    model(torch.rand(2, *CIFAR)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("knobs", "deviation"),
    [
        ({"init": "zero"}, 0),
        ({"init": "normal", "init_scale": 0.3}, 0.3),
        ({"init": "uniform"}, 1 / math.sqrt(3)),
        ({"init": "xavier_normal"}, math.sqrt(2 / (784 + 400))),
        ({"init": "xavier_uniform"}, math.sqrt(2 / (784 + 400))),
        ({"init": "kaiming_normal"}, math.sqrt(2 / 784)),
        ({"init": "kaiming_uniform"}, math.sqrt(2 / 784)),
        ({"init": "orthogonal"}, math.sqrt(1 / 784)),
        ({"init": "default"}, math.sqrt(1 / 784 / 3)),
    ],
)
def test_initial_weights_spread_as_their_authors_say(knobs, deviation):
    torch.manual_seed(0)
    model = models.build(Recipe(model="mlp", hidden=(400,), **knobs), MNIST, 10)
    assert model[1].weight.std().item() == pytest.approx(deviation, rel=0.01)
    assert model[1].bias.abs().max() > 0


def test_dropout_kept_on_changes_an_evaluation():
    model = models.build(Recipe(model="mlp", dropout_dense=0.5), MNIST, 10).eval()
    image = torch.rand(1, *MNIST)
    assert torch.equal(model(image), model(image))
    models.keep_dropout_on(model)
    assert not torch.equal(model(image), model(image))


@pytest.mark.parametrize(("name", "factor"), [("cnn3", 3), ("cnn2", 2), ("mlp", 1), ("torchvision:vgg11", 4)])
def test_small_images_grow_by_the_smallest_whole_factor_that_fits(name, factor):
    assert models.upscaling(Recipe(model=name), (1, 8, 8)) == factor


def test_large_images_stay_as_they_are():
    assert [models.upscaling(Recipe(model=name), CIFAR) for name in ("cnn3", "cnn2", "torchvision:resnet18")] == [1] * 3


def test_a_network_of_torchvision_takes_grey_images_and_any_number_of_classes():
    model = models.build(Recipe(model="torchvision:squeezenet1_1", init="xavier_normal"), (1, 32, 32), 7)
    assert model(torch.rand(2, 1, 32, 32)).shape == (2, 7)


def test_a_transformer_that_wants_one_size_gets_it():
    assert models.upscaling(Recipe(model="torchvision:vit_b_16"), (3, 32, 32)) == 7


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_with_side_outputs_give_one(small, name):
    check(small(model=f"torchvision:{name}"))


@pytest.mark.parametrize(("name", "near"), [("resnet81", "resnet18"), ("resnet8", "resnet")])
def test_an_unknown_network_of_torchvision_is_refused_with_the_nearest_name(name, near):
    with pytest.raises(RecipeError, match=rf"no classifier '{name}'. Did you mean 'torchvision:{near}"):
        models.build(Recipe(model=f"torchvision:{name}"), CIFAR, 10)


NETS = """
from torch import nn

class Wide(nn.Sequential):
    def __init__(self, input_shape, num_classes, dropout_dense=0.0, seed=0, extra=3, **kwargs):
        assert seed == 5 and extra == 3 and not kwargs
        super().__init__(nn.Flatten(), nn.Dropout(dropout_dense), nn.Linear(64, num_classes))
        assert input_shape == (1, 8, 8)

def narrow(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes + 1))

def fussy(input_shape, num_classes, width):
    return nn.Linear(1, 1)

def broken(input_shape):
    raise KeyError("nothing here")

def number():
    return 3

def weightless():
    return nn.Flatten()
"""


@pytest.fixture
def nets():
    Path("my_nets.py").write_text(NETS)
    return str(Path("my_nets.py").absolute())


def test_a_network_of_ones_own_gets_what_its_signature_names(small, nets, run):
    recipe = small(model=f"{nets}:Wide", dropout_dense=0.25, seed=5, lr=0.05)
    check(recipe)
    assert run(recipe)[2]["accuracy"] > 0.1


@pytest.mark.parametrize(
    ("name", "knobs", "what"),
    [
        ("Wide", {"activation": "tanh", "seed": 5}, "activation=tanh has no effect with model="),
        ("Wide", {"hidden": (3,), "seed": 5}, r"hidden=\(3,\) has no effect with model="),
        ("narrow", {}, r"gives an output of shape \(2, 11\) where \(2, 10\) is wanted"),
        ("fussy", {}, "it needs 'width', which is not a knob"),
        ("broken", {}, "KeyError: 'nothing here'"),
        ("number", {}, "it gave a int, not a torch.nn.Module"),
        ("weightless", {}, "has no weights to train"),
        ("missing", {}, "cannot import"),
    ],
)
def test_a_network_of_ones_own_that_does_not_fit_is_refused_with_the_reason(small, nets, name, knobs, what):
    with pytest.raises((RecipeError, StudyFileError), match=what):
        check(small(model=f"{nets}:{name}", **knobs))


def test_a_network_that_cannot_be_imported_is_refused(small):
    with pytest.raises(StudyFileError, match=r"cannot import 'no[.]such[.]module:Net'"):
        check(small(model="no.such.module:Net"))
