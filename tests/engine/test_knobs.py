"""Every knob of the Recipe changes what a training computes, or is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from study import knobs
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

PARTS = str(Path(__file__).with_name("own_parts.py"))

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
    "sampling": ({}, "balanced"),
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
    "huber_delta": ({"dataset": "diabetes", "loss": "huber"}, 0.3),
    "class_weight": (TABLE, (3.0, 1.0)),
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
    "model_args": ({"model": f"{PARTS}:Net"}, {"width": 5}),
    "activation_args": ({"activation": "torch.nn:LeakyReLU"}, {"negative_slope": 0.3}),
    "loss_args": ({"loss": f"{PARTS}:focal"}, {"power": 1.0}),
    "optimizer_args": ({"optimizer": f"{PARTS}:Lion"}, {"betas": [0.5, 0.6]}),
    "schedule_args": ({"schedule": f"{PARTS}:halving"}, {"floor": 0.9}),
    "metric": ({}, "f1_macro"),
    "metric_args": ({"metric": f"{PARTS}:top"}, {"k": 4}),
}
WORTH = {"dropout_at_test", "val_fraction", "metric", "metric_args"}  # these change the evaluation, not the weights


def test_every_knob_is_tried():
    missing = Recipe.model_fields.keys() - CHANGES
    assert not missing, f"no row in CHANGES, which says when a knob matters and what it is changed to: {missing}"
    unknown = CHANGES.keys() - Recipe.model_fields
    assert not unknown, f"in CHANGES, and no field of recipe.py: {unknown}"


def test_every_knob_says_when_it_has_an_effect():
    silent = Recipe.model_fields.keys() - knobs.effects(Recipe)
    assert not silent, f"no Effect at the field in recipe.py, such as ALWAYS, IMAGES or only_with(...): {silent}"


def test_every_knob_says_what_it_is_and_every_number_its_range():
    fields = Recipe.model_json_schema()["properties"]
    silent = [knob for knob, field in fields.items() if not field.get("description")]
    assert not silent, f"no description at the field in recipe.py: {silent}"
    numbers = {knob: [field, *field.get("anyOf", [])] for knob, field in fields.items()}
    unbounded = [
        knob
        for knob, kinds in numbers.items()
        if any(
            kind.get("type") in {"integer", "number"} and not kind.keys() & {"minimum", "exclusiveMinimum"}
            for kind in kinds
        )
    ]
    assert not unbounded, f"no range at the field in recipe.py, such as ge=0 or gt=0: {unbounded}"


def test_what_a_knob_says_of_its_effect_names_knobs_and_choices_that_exist():
    for knob, effect in knobs.effects(Recipe).items():
        for group, users in effect.choices.items():
            known = {"image", "table"} if group == knobs.KIND else {*knobs.choices_of(Recipe, group).names}
            assert set(users) <= {*known, knobs.IMPORT_PATH}, knob
        assert {*effect.any_of, *effect.without} <= Recipe.model_fields.keys(), knob


@pytest.mark.parametrize("knob", [knob for knob in CHANGES if knob not in {"dataset", "dropout_conv"}])
def test_a_knob_on_a_table_is_refused_or_trains(small, run, knob):
    """One that only images feel must say so; else `check` passes it, and the training dies of it."""
    needs, value = CHANGES[knob]
    needs = {"hidden": (100,), **TABLE, **needs}
    if knob == "model" or needs.get("model") not in {None, "mlp"}:
        del needs["hidden"]
    recipe = small(**{**needs, knob: value})
    if "image" in knobs.effects(Recipe)[knob].choices.get(knobs.KIND, ()):
        with pytest.raises(RecipeError, match=f"{knob}=.* has no effect with dataset=breast_cancer, which is a table"):
            check(recipe)
    else:
        check(recipe)
        run(recipe)


@pytest.mark.parametrize("knob", CHANGES)
def test_a_knob_changes_the_weights_or_what_they_are_worth(small, run, digest, knob):
    needs, value = CHANGES[knob]
    outcomes = []
    for recipe in (small(**needs), small(**{**needs, knob: value})):
        check(recipe)
        metrics, state, _ = run(recipe)
        worth = [sorted(each.items()) for each in metrics]
        outcomes.append((digest(state["model"]), worth if knob in WORTH else None))
    assert outcomes[0] != outcomes[1], (
        f"{knob}={value} trains the same network as its default: does a module of study/engine read recipe.{knob}, "
        "and does its row in CHANGES give what it needs to matter?"
    )


REFUSED = {
    "augment_flip=True has no effect with dataset=breast_cancer, which is a table": {**TABLE, "augment_flip": True},
    "augment_crop=1 has no effect with dataset": {**TABLE, "augment_crop": 1},
    "augment_rotate=5.0 has no effect with dataset": {**TABLE, "augment_rotate": 5},
    "augment_cutout=2 has no effect with dataset": {**TABLE, "augment_cutout": 2},
    "normalize=True has no effect with dataset": {**TABLE, "normalize": True},
    "pixel_range=symmetric has no effect with dataset": {**TABLE, "pixel_range": "symmetric"},
    "augment_cutout=8 leaves nothing of images with 8 pixels": {"augment_cutout": 8},
    "model=cnn3 needs images": {**TABLE, "model": "cnn3"},
    "model=torchvision:resnet18 needs images": {**TABLE, "model": "torchvision:resnet18"},
    "loss=bce is for two classes, and the data set has 10": {"loss": "bce"},
    "batch_size=101 is more than the 100 training examples": {"batch_size": 101},
    "train_size=100000 is more than the 1293 training examples": {"train_size": 100000},
    "val_fraction=0.0001 of 1437 examples leaves a split empty": {"val_fraction": 0.0001},
    "total_steps=3 ends before the training, of 8 intervals": {**ONE_CYCLE, "total_steps": 3},
    "pct_start=0.5 of 2 intervals is one interval": {"schedule": "one_cycle", "pct_start": 0.5},
    "dropout_dense=0.1 has no effect with model=torchvision:resnet18": {
        "model": "torchvision:resnet18",
        "dropout_dense": 0.1,
    },
    "activation=tanh has no effect with model=mlp": {"hidden": (), "activation": "tanh"},
    "Use a batch_size that leaves no single example over": {"batch_norm": True, "batch_size": 33},
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_needs_the_data_or_the_network_to_be_known_is_refused_by_the_engine(small, what):
    with pytest.raises(RecipeError) as error:
        check(small(**REFUSED[what]))
    assert what in str(error.value)


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("beta1 has no effect with schedule=one_cycle", {"beta1": 0.8, "schedule": "one_cycle"}),
        ("schedule=cosine has no effect with optimizer=rprop", {"optimizer": "rprop", "schedule": "cosine"}),
    ],
)
def test_what_a_schedule_takes_over_is_refused_by_the_recipe(what, given):
    with pytest.raises(ValidationError, match=what):
        Recipe.model_validate(given)


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("l1_epochs has no effect without l1", {"l1_epochs": (1, 2)}),
        ("weight_decay_epochs has no effect without weight_decay", {"l1": 0.1, "weight_decay_epochs": (1, 2)}),
        ("l2_epochs: 2, the last epoch, is before the first, 3", {"l2": 0.1, "l2_epochs": (3, 2)}),
        ("l2_epochs has no effect: 3, the first epoch, is after", {"l2": 0.1, "l2_epochs": (3, 4), "epochs": 2}),
    ],
)
def test_epochs_in_which_no_penalty_would_act_are_refused(what, given):
    with pytest.raises(ValidationError, match=what):
        Recipe.model_validate(given)
