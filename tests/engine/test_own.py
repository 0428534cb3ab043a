"""Parts of a person's own by import path: used with their arguments, or refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from study.engine import check, own, train
from study.engine.train import assemble
from study.errors import RecipeError, StudyFileError
from study.knobs import has_own_code, own_parts
from study.recipe import Recipe

PARTS = str(Path(__file__).with_name("own_parts.py"))
OWN = {
    "model": {"model": f"{PARTS}:Net", "model_args": {"width": 5}, "dropout_dense": 0.1},
    "activation": {"activation": f"{PARTS}:Snake", "activation_args": {"frequency": 3.0}},
    "loss": {"loss": f"{PARTS}:focal", "loss_args": {"power": 1.0}},
    "loss as a class": {"loss": "torch.nn:MultiMarginLoss", "loss_args": {"margin": 0.5}},
    "loss with a state": {"loss": f"{PARTS}:Drifting", "precision": "float64"},
    "optimizer": {"optimizer": f"{PARTS}:Lion", "optimizer_args": {"betas": [0.8, 0.9]}, "weight_decay": 0.1},
    "optimizer of torch": {"optimizer": "torch.optim:SGD", "momentum": 0.9},
    "schedule": {"schedule": f"{PARTS}:halving", "schedule_args": {"floor": 0.1}, "schedule_interval": "batch"},
    "augment": {"augment": f"{PARTS}:noise", "augment_args": {"size": 0.2}, "augment_flip": True},
    "metric": {"metric": f"{PARTS}:top", "metric_args": {"k": 5}},
}


@pytest.mark.parametrize("name", OWN)
def test_a_part_of_ones_own_trains_and_resumes_to_the_bit(small, run, digest, name):
    recipe = small(**OWN[name], epochs=3)
    check(recipe)
    assert has_own_code(recipe)
    metrics, state, evaluation = run(recipe)
    half = run(small(**OWN[name], epochs=1))[1] if name != "schedule" else None  # whose length is part of it
    resumed = run(recipe, half)
    assert resumed[0] == metrics[1 if half else 0 :]
    assert digest(resumed[1]) == digest(state)
    assert resumed[2] == evaluation


def test_an_optimizer_of_ones_own_gets_lr_knobs_and_arguments(small):
    optimizer = assemble(small(**OWN["optimizer"], lr=0.02), "cpu").optimizer
    assert {name: optimizer.defaults[name] for name in ("lr", "betas", "weight_decay")} == {
        "lr": 0.02, "betas": (0.8, 0.9), "weight_decay": 0.1,
    }  # fmt: skip
    assert assemble(small(**OWN["optimizer of torch"]), "cpu").optimizer.defaults["momentum"] == 0.9


def test_the_weight_decay_of_an_optimizer_of_ones_own_acts_in_its_epochs(small, run, digest):
    lion = {"optimizer": f"{PARTS}:Lion", "steps": 4}  # one epoch
    outcomes = [
        digest(run(small(**lion, **knobs))[1]["model"])
        for knobs in ({}, {"weight_decay": 0.5}, {"weight_decay": 0.5, "weight_decay_epochs": (2, 3)})
    ]
    assert outcomes[0] == outcomes[2] != outcomes[1]


def test_a_schedule_of_ones_own_moves_the_learning_rate(small, run):
    metrics = run(small(schedule=f"{PARTS}:halving", epochs=4, lr=0.1))[0]
    assert [each["lr"] for each in metrics] == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_a_loss_that_gives_one_value_per_example_is_averaged(small):
    parts = assemble(small(loss=f"{PARTS}:focal"), "cpu")
    logits, targets = torch.randn(6, 10), torch.arange(6)
    mean, total = parts.loss(logits, targets), parts.loss(logits, targets, "sum")
    assert mean.item() == pytest.approx(total.item() / 6)


def test_a_checkpoint_from_before_the_state_of_a_loss_was_kept_is_resumed(small, run):
    recipe = small(loss=f"{PARTS}:Drifting", epochs=2)
    state = run(small(loss=f"{PARTS}:Drifting", epochs=1))[1]
    assert state.pop("loss")["mean"] != 1
    assert len(run(recipe, state)[0]) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_a_loss_with_buffers_trains_on_a_gpu(small):
    (epoch,) = train(small(loss=f"{PARTS}:Drifting", epochs=1), device="cuda")
    assert epoch.state()["loss"]["mean"].is_cuda


def test_a_metric_of_ones_own_is_in_every_epoch_and_in_the_report(small, run):
    metrics, _, evaluation = run(small(metric=f"{PARTS}:top"))
    assert all(each["val_accuracy"] < each["val_top"] <= 1 for each in metrics)
    assert evaluation["top"] == metrics[-1]["val_top"]
    assert "val_top" not in run(small(metric=f"{PARTS}:top", val_fraction=0))[0][-1]


@pytest.mark.parametrize(
    ("knobs", "what"),
    [
        (
            {"optimizer": f"{PARTS}:Lion", "optimizer_args": {"betaz": 1}},
            "optimizer_args: .*Lion has no argument 'betaz'. Did you mean 'betas'?",
        ),
        ({"optimizer": f"{PARTS}:Lion", "optimizer_args": {"lr": 1}}, "lr is a knob of the recipe. Give lr="),
        ({"optimizer": f"{PARTS}:Lion", "momentum": 0.9}, "momentum=0.9 has no effect with optimizer="),
        ({"optimizer": f"{PARTS}:two_groups"}, "its parameters are not in one group"),
        ({"optimizer": f"{PARTS}:Snake"}, "Snake: it gave a Snake, not a torch.optim.Optimizer"),
        ({"activation": f"{PARTS}:Snake"}, "it needs 'frequency', which is not a knob. Give it in activation_args"),
        ({"activation": f"{PARTS}:Snake", "activation_args": {"frequency": "x"}}, "cannot take a batch of shape"),
        ({"loss": f"{PARTS}:focal", "label_smoothing": 0.1}, "label_smoothing=0.1 has no effect with loss="),
        ({"loss": f"{PARTS}:matrix"}, "it must give the mean over the batch"),
        ({"loss": f"{PARTS}:halfing"}, "cannot import"),
        ({"loss": f"{PARTS}:broken"}, "must take 2 positional arguments, and takes 1"),
        ({"schedule": f"{PARTS}:broken"}, "broken: KeyError: 'nothing here'"),
        ({"schedule": f"{PARTS}:halving", "gamma": 0.5}, "gamma=0.5 has no effect with schedule="),
        ({"schedule": "torch.optim.lr_scheduler:ReduceLROnPlateau"}, "not an LRScheduler whose step"),
        ({"augment": f"{PARTS}:half"}, "half: it must keep the shape (2, 8, 8, 1"),
        ({"augment": f"{PARTS}:broken"}, "broken: it must take 2 positional arguments, and takes 1"),
        ({"augment": f"{PARTS}:noise", "augment_args": {"sise": 1}}, "has no argument 'sise'. Did you mean 'size'?"),
        ({"metric": f"{PARTS}:words"}, "it gave a str, not a number"),
        ({"metric": f"{PARTS}:accuracy"}, "every training reports 'accuracy' already"),
        ({"metric": f"{PARTS}:top", "metric_args": {"n": 3}}, "has no argument 'n'. It has: k."),
        ({"model": f"{PARTS}:Net", "model_args": {"depth": 3}}, "has no argument 'depth'"),
        ({"model": f"{PARTS}:Net", "model_args": {"dropout_dense": 0.1}}, "dropout_dense is a knob of the recipe"),
        ({"model": f"{PARTS}:Net", "batch_norm": True}, "batch_norm=True has no effect with model="),
    ],
)
def test_a_part_of_ones_own_that_does_not_fit_is_refused_with_the_reason(small, knobs, what):
    with pytest.raises((RecipeError, StudyFileError), match=what.replace("?", "[?]").replace("(", "[(]")):
        check(small(**knobs))


def test_a_callable_without_a_signature_is_refused():
    with pytest.raises(StudyFileError, match="it has no signature to call it by"):
        own.parameters("builtins:type", type)


def test_every_kind_of_own_code_is_known(small):
    parts = {
        "model": "a:Net", "activation": "a:Snake", "loss": "a:focal", "optimizer": "a:Lion", "schedule": "a:halving",
        "metric": "a:top", "augment": "a:noise",
    }  # fmt: skip
    for knob, path in parts.items():
        assert own_parts(Recipe.model_validate({knob: path})) == (path,)
    assert not has_own_code(small(model="torchvision:resnet18"))
