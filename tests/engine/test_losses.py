"""Losses equal torch's, penalties equal what autograd makes of the loss term."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from study.engine.losses import loss_of, outputs_of, penalty_of
from study.engine.tasks import classes_of
from study.errors import RecipeError
from study.recipe import Recipe

LOGITS = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
CLASSES = torch.tensor([0, 1, 2, 3, 3, 2, 1, 0, 0])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_labels_are_smoothed_in_training_alone(reduction):
    recipe = Recipe(label_smoothing=0.2)
    smooth = functional.cross_entropy(LOGITS, CLASSES, label_smoothing=0.2, reduction=reduction)
    plain = functional.cross_entropy(LOGITS, CLASSES, reduction=reduction)
    assert loss_of(recipe, training=True)(LOGITS, CLASSES, reduction) == smooth
    assert loss_of(recipe, training=False)(LOGITS, CLASSES, reduction) == plain


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_binary_cross_entropy_on_one_output_equals_cross_entropy_on_two(reduction):
    logits, classes = LOGITS[:, :1], CLASSES % 2
    two = torch.cat([torch.zeros_like(logits), logits], 1)
    ours = loss_of(Recipe(loss="bce"), training=True)(logits, classes, reduction)
    torch.testing.assert_close(ours, functional.cross_entropy(two, classes, reduction=reduction))
    assert torch.equal(classes_of(logits), classes_of(two))


def test_binary_cross_entropy_is_for_two_classes():
    assert outputs_of(Recipe(loss="bce"), 2) == 1
    with pytest.raises(RecipeError, match="the data set has 3"):
        outputs_of(Recipe(loss="bce"), 3)


def test_without_penalties_there_is_nothing_to_add():
    assert penalty_of(Recipe(), 1) is None


@pytest.mark.parametrize("knobs", [{"l1": 0.3}, {"l2": 0.7}, {"l1": 0.3, "l2": 0.7}])
def test_penalties_equal_autograds(knobs):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    weights = [model[0].weight, model[2].weight]
    with torch.no_grad():
        weights[0][0] = 0
    inputs = torch.rand(6, 5)
    loss = model(inputs).square().mean()
    l1, l2 = (knobs.get(name, 0) for name in ("l1", "l2"))
    whole = loss + l1 * sum(each.abs().sum() for each in weights) + l2 * sum(each.square().sum() for each in weights)
    expected = torch.autograd.grad(whole, model.parameters(), retain_graph=True)
    loss.backward()
    penalty_of(Recipe(**knobs), 1)(weights)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_a_weight_without_a_gradient_gets_no_penalty():
    weight = nn.Parameter(torch.ones(2, 2))
    penalty_of(Recipe(l1=1, l2=1), 1)([weight])
    assert weight.grad is None
