"""Every knob of the Recipe changes what a training computes, or is refused by its name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from study.engine import check
from study.errors import RecipeError
from study.recipe import Recipe

SGD = {"optimizer": "sgd", "lr": 0.1}
MOMENTUM = {**SGD, "momentum": 0.9}
CYCLIC = {**MOMENTUM, "schedule": "cyclic", "max_lr": 0.5, "schedule_interval": "batch", "step_size_up": 2}
ONE_CYCLE = {**MOMENTUM, "schedule": "one_cycle", "schedule_interval": "batch"}
RESTARTS = {"schedule": "warm_restarts", "t_0": 1, "epochs": 4}
TABLE = {"dataset": "breast_cancer"}
PLATEAU = {**SGD, "schedule": "plateau", "lr": 1e-6, "patience": 0, "epochs": 4, "gamma": 0.5}  # val_loss hardly moves

# For each knob: what has to be so for it to matter, and another value.
CHANGES = {
    "dataset": ({}, "breast_cancer"),
    "train_size": ({}, 90),
    "val_fraction": ({}, 0.2),
    "split_seed": ({}, 1),
    "normalize": ({}, True),
    "pixel_range": ({}, "symmetric"),
    "augment_flip": ({}, True),
    "augment_crop": ({}, 1),
    "augment_rotate": ({}, 20),
    "augment_cutout": ({}, 3),
    "batch_size": ({}, "full"),
    "model": ({"hidden": (100,)}, "logistic"),
    "hidden": ({}, (8, 8)),
    "activation": ({}, "tanh"),
    "init": ({}, "orthogonal"),
    "init_scale": ({"init": "normal"}, 0.5),
    "batch_norm": ({}, True),
    "dropout_conv": ({"model": "cnn2"}, 0.2),
    "dropout_dense": ({}, 0.2),
    "dropout_at_test": ({"dropout_dense": 0.5}, True),
    "loss": (TABLE, "bce"),
    "label_smoothing": ({}, 0.1),
    "l1": ({}, 0.01),
    "l2": ({}, 0.01),
    "grad_clip": (SGD, 0.01),
    "optimizer": ({}, "sgd"),
    "lr": ({}, 0.1),
    "momentum": (SGD, 0.9),
    "dampening": (MOMENTUM, 0.5),
    "nesterov": (MOMENTUM, True),
    "beta1": ({}, 0.8),
    "beta2": ({}, 0.9),
    "eps": ({}, 1e-2),
    "amsgrad": ({"beta2": 0.1}, True),
    "momentum_decay": ({"optimizer": "nadam"}, 0.1),
    "rho": ({"optimizer": "adadelta", "lr": 1.0}, 0.5),
    "alpha": ({"optimizer": "rmsprop"}, 0.5),
    "centered": ({"optimizer": "rmsprop"}, True),
    "lr_decay": ({"optimizer": "adagrad"}, 0.5),
    "initial_accumulator_value": ({"optimizer": "adagrad"}, 0.5),
    "weight_decay": ({}, 0.1),
    "l1_epochs": ({"l1": 0.01}, (2, 2)),
    "l2_epochs": ({"l2": 0.01}, (1, 1)),
    "weight_decay_epochs": ({"weight_decay": 0.1}, (2, 3)),
    "schedule": ({"gamma": 0.5, "schedule": "exponential"}, "plateau"),
    "schedule_interval": ({"gamma": 0.5, "schedule": "exponential"}, "batch"),
    "warmup_epochs": ({}, 0.5),
    "gamma": ({"gamma": 0.5, "schedule": "exponential"}, 0.9),
    "step_size": ({"gamma": 0.5, "schedule": "step", "step_size": 1}, 2),
    "t_max": ({"schedule": "cosine"}, 5),
    "eta_min": ({"schedule": "cosine"}, 1e-4),
    "t_0": (RESTARTS, 3),
    "t_mult": (RESTARTS, 2),
    "max_lr": (CYCLIC, 0.3),
    "step_size_up": (CYCLIC, 3),
    "cycle_mode": ({**CYCLIC, "step_size_up": 1}, "triangular2"),
    "cycle_momentum": (CYCLIC, False),
    "total_steps": (ONE_CYCLE, 20),
    "pct_start": (ONE_CYCLE, 0.6),
    "patience": (PLATEAU, 3),
    "epochs": ({}, 3),
    "steps": ({"steps": 3}, 4),
    "seed": ({}, 1),
    "precision": ({}, "float64"),
}


def test_every_knob_is_tried():
    assert CHANGES.keys() == Recipe.model_fields.keys()


@pytest.mark.parametrize("knob", CHANGES)
def test_a_knob_changes_the_weights_or_what_they_are_worth(small, run, digest, knob):
    needs, value = CHANGES[knob]
    outcomes = []
    for recipe in (small(**needs), small(**{**needs, knob: value})):
        check(recipe)
        metrics, state, _ = run(recipe)
        worth = [(each["val_loss"], each["val_accuracy"]) for each in metrics]
        outcomes.append((digest(state["model"]), worth if knob in {"dropout_at_test", "val_fraction"} else None))
    assert outcomes[0] != outcomes[1]


REFUSED = {
    "augment_flip=True has no effect with dataset=breast_cancer, which is a table": {**TABLE, "augment_flip": True},
    "augment_crop=1 has no effect with dataset": {**TABLE, "augment_crop": 1},
    "augment_rotate=5.0 has no effect with dataset": {**TABLE, "augment_rotate": 5},
    "augment_cutout=2 has no effect with dataset": {**TABLE, "augment_cutout": 2},
    "normalize=True has no effect with dataset": {**TABLE, "normalize": True},
    "pixel_range=symmetric has no effect with dataset": {**TABLE, "pixel_range": "symmetric"},
    "augment_cutout=8 leaves nothing of images of 8 pixels": {"augment_cutout": 8},
    "model=cnn3 needs images": {**TABLE, "model": "cnn3"},
    "model=torchvision:resnet18 needs images": {**TABLE, "model": "torchvision:resnet18"},
    "loss=bce is for two classes, and the data set has 10": {"loss": "bce"},
    "batch_size=101 is more than the 100 examples": {"batch_size": 101},
    "train_size=100000 is more than the 1293 examples": {"train_size": 100000},
    "val_fraction=0.0001 of 1437 examples leaves a split empty": {"val_fraction": 0.0001},
    "total_steps=3 ends before the training, of 8 intervals": {**ONE_CYCLE, "total_steps": 3},
    "pct_start=0.5 of 2 intervals is one interval": {"schedule": "one_cycle", "pct_start": 0.5},
    "dropout_dense=0.1 has no effect with model=torchvision:resnet18": {
        "model": "torchvision:resnet18",
        "dropout_dense": 0.1,
    },
    "activation=tanh has no effect with model=mlp": {"hidden": (), "activation": "tanh"},
    "Take a batch_size that leaves no single example over": {"batch_norm": True, "batch_size": 33},
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_needs_the_data_or_the_network_to_be_known_is_refused_by_the_engine(small, what):
    with pytest.raises(RecipeError) as error:
        check(small(**REFUSED[what]))
    assert what in str(error.value)


@pytest.mark.parametrize(
    ("what", "knobs"),
    [
        ("beta1 has no effect with schedule=one_cycle", {"beta1": 0.8, "schedule": "one_cycle"}),
        ("schedule=cosine has no effect with optimizer=rprop", {"optimizer": "rprop", "schedule": "cosine"}),
    ],
)
def test_what_a_schedule_takes_over_is_refused_by_the_recipe(what, knobs):
    with pytest.raises(ValidationError, match=what):
        Recipe.model_validate(knobs)


@pytest.mark.parametrize(
    ("what", "knobs"),
    [
        ("l1_epochs has no effect without l1", {"l1_epochs": (1, 2)}),
        ("weight_decay_epochs has no effect without weight_decay", {"l1": 0.1, "weight_decay_epochs": (1, 2)}),
        ("l2_epochs: 2, the last epoch, is before the first, 3", {"l2": 0.1, "l2_epochs": (3, 2)}),
        ("l2_epochs has no effect: 3, the first epoch, is after", {"l2": 0.1, "l2_epochs": (3, 4), "epochs": 2}),
    ],
)
def test_epochs_in_which_no_penalty_would_act_are_refused(what, knobs):
    with pytest.raises(ValidationError, match=what):
        Recipe.model_validate(knobs)
