"""The recipe as a record: its fingerprint and JSON last, and what is wrong with it is said with the nearest name."""

from __future__ import annotations

import json

import pytest

from study import Recipe, Study
from study.definition import override
from study.differences import difference, every_knob, settings
from study.errors import RecipeError, StudyFileError
from study.knobs import ALWAYS_WRITTEN
from study.questions.ablation_arms import arms
from study.recipe import fingerprint, to_json

# Made before the recipe had import paths for more than the model.
STORED = {
    "6048c5af38768a2f": Recipe(),
    "f236048d3e2a60ef": Recipe(model="mlp", hidden=(8,), optimizer="sgd", momentum=0.9),
}
OWN = {"optimizer": "a:Lion", "optimizer_args": {"betas": [0.9, 0.99], "rate": None}}


@pytest.mark.parametrize("known", STORED)
def test_a_fingerprint_outlasts_new_knobs(known):
    assert fingerprint(STORED[known]) == known


def test_a_knob_that_is_new_and_unset_is_not_in_the_json():
    assert json.loads(to_json(Recipe())).keys() == ALWAYS_WRITTEN
    assert Recipe().model_dump().keys() == every_knob(Recipe()).keys() == Recipe.model_fields.keys()


def test_a_knob_that_is_new_and_set_is_in_the_json_and_in_the_fingerprint():
    recipe = Recipe.model_validate(OWN)
    assert json.loads(to_json(recipe)).keys() == {*ALWAYS_WRITTEN, "optimizer_args"}
    assert Recipe.model_validate_json(to_json(recipe)) == recipe
    other = override(recipe, {"optimizer_args": {}})
    assert len({fingerprint(each) for each in (recipe, other, Recipe())}) == len({recipe, other, Recipe()}) == 3


def test_an_ablation_takes_back_the_arguments_of_a_part_of_ones_own():
    study = Study(name="mine", recipe=Recipe(epochs=1))
    assert {(each.side, frozenset(each.overrides)) for each in arms(study, OWN, {})} == {
        ("less", frozenset()), ("less", frozenset({"optimizer"})),
        ("plus", frozenset({"optimizer"})), ("plus", frozenset(OWN)),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("knobs", "what"),
    [
        ({"model": "cnn4"}, "model='cnn4': there is no such choice. Did you mean 'cnn3'?"),
        ({"activation": "rleu"}, "Did you mean 'relu'?"),
        ({"init": "kaimin_normal"}, "Did you mean 'kaiming_normal'?"),
        ({"loss": "crossentropy"}, "Did you mean 'cross_entropy'?"),
        ({"optimizer": "admw"}, "Did you mean 'adamw'?"),
        ({"schedule": "onecycle"}, "Did you mean 'one_cycle'?"),
        (
            {"schedule_interval": "batches"},
            "'batches': there is no such choice. Did you mean 'batch'?",
        ),
        ({"precision": "bfloat"}, "Did you mean 'bfloat16'?"),
        ({"metric": "f1_makro"}, "metric='f1_makro': there is no such choice. Did you mean 'f1_macro'?"),
        ({"optimizer_args": {"lr": 1}}, "optimizer_args={'lr': 1} has no effect with optimizer=adam"),
        ({"model": "torchvision:resnet18", "model_args": {"n": 1}}, "model_args={'n': 1} has no effect with model="),
        ({"metric_args": {"n": 1}}, "metric_args={'n': 1} has no effect with metric=None"),
        ({"optimizer": "a:Lion", "optimizer_args": {"f": {1}}}, "optimizer_args"),
    ],
)
def test_a_wrong_choice_is_answered_with_the_nearest_one(knobs, what):
    with pytest.raises(RecipeError) as error:
        override(Recipe(), knobs)
    assert what in str(error.value)


def test_a_study_can_judge_by_a_metric_of_ones_own():
    Study(name="mine", recipe=Recipe(metric="mine.metrics:f1"), metric="val_f1").check()
    with pytest.raises(StudyFileError, match=r"no metric 'val_f2'[.] Did you mean 'val_f1'"):
        Study(name="mine", recipe=Recipe(metric="mine.metrics:f1"), metric="val_f2").check()


@pytest.mark.parametrize(
    ("base", "overrides", "shown"),
    [
        ({"steps": 300}, {"epochs": 2}, {"epochs": 2}),  # the steps that it replaces decide nothing
        ({"epochs": 2}, {"steps": 300, "lr": 0.5}, {"steps": 300, "lr": 0.5}),
        ({"optimizer": "sgd", "momentum": 0.9}, {"optimizer": "adam", "momentum": None}, {"optimizer": "adam"}),
        ({"optimizer": "sgd", "momentum": 0.9}, {"momentum": None}, {"momentum": None}),
        ({"train_size": 200}, {"train_size": None}, {"train_size": None}),
        ({"l1": 0.1, "l1_epochs": (1, 3)}, {"l1": 0.0, "l1_epochs": None}, {"l1": 0.0}),
        ({"normalize": False, "pixel_range": "symmetric"}, {"normalize": True, "pixel_range": "unit"},
         {"normalize": True}),
        ({"lr": 0.1}, {"lr": 0.1, "seed": 3}, {"seed": 3}),
    ],
)  # fmt: skip
def test_what_is_shown_of_a_training_are_the_knobs_that_decide_something(base, overrides, shown):
    plain = Recipe(dataset="digits", model="mlp", **base)
    recipe = override(plain, overrides)
    assert settings(recipe, plain) == shown
    assert override(plain, difference(recipe, plain)) == recipe
