"""The study file as a person runs it: its variants, its space, and that they fit together."""

import optuna
import pytest

from study import Recipe, load
from study.sampling.space import params_of

SCHEDULED = ["lr_schedule", "weight_decay", "init_weights", "dropout_dense", "dropout_conv", "dropout_both"]


@pytest.fixture
def tricks():
    return load("cifar_tricks")


def sampled(study, count):
    memory = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(count):
        trial = memory.ask()
        yield study.suggest(trial), trial


def test_the_recipe_is_that_of_the_document(tricks):
    told = {"model": "cnn3", "optimizer": "adam", "lr": 1e-3, "batch_size": 64, "epochs": 10, "activation": "relu"}
    assert tricks.recipe.model_dump(include=set(told)) == told


def test_the_variants_come_in_the_order_of_the_document(tricks):
    assert list(tricks.variants) == ["baseline", "norm_inputs", *SCHEDULED]


def test_the_first_two_variants_have_a_fixed_rate_and_the_others_decay_by_a_fifth(tricks):
    for name, overrides in tricks.variants.items():
        recipe = tricks.recipe_for(overrides)
        told = (2e-3, "exponential", 0.8) if name in SCHEDULED else (1e-3, "constant", None)
        assert (recipe.lr, recipe.schedule, recipe.gamma) == told


def test_three_hundred_samples_of_the_space_are_valid_recipes(tricks):
    recipes = [tricks.recipe_for(overrides) for overrides, _ in sampled(tricks, 300)]
    assert all(isinstance(recipe, Recipe) for recipe in recipes)


def test_three_hundred_samples_reach_every_choice_of_the_space(tricks):
    reached, choices = {}, {}
    for _, trial in sampled(tricks, 300):
        for name, distribution in trial.distributions.items():
            if isinstance(distribution, optuna.distributions.CategoricalDistribution):
                choices[name] = set(distribution.choices)
                reached.setdefault(name, set()).add(trial.params[name])
    assert reached == choices


def test_every_variant_is_a_point_of_the_space(tricks):
    for overrides in tricks.variants.values():
        params, _ = params_of(tricks, overrides)
        assert tricks.recipe_for(params) == tricks.recipe_for(overrides)


def test_without_cifar_there_is_digits_to_fall_back_on(tricks):
    assert tricks.fallback == "digits"
