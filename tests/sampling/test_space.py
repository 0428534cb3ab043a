"""The space as Optuna sees it: probed, written down, compared name by name."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from study.definition import Study
from study.errors import DefinitionChanged, StudyFileError
from study.recipe import Recipe
from study.sampling import space
from study.study_files import load


def plain(trial):
    knobs = {"optimizer": trial.suggest_categorical("optimizer", ["adam", "sgd"]), "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True)}  # fmt: skip  # noqa: E501
    if knobs["optimizer"] == "sgd":
        knobs["momentum"] = trial.suggest_float("momentum", 0.0, 0.95)
    return knobs


def study(space_function=plain, **more):
    return Study(name="s", recipe=Recipe(dataset="digits", model="mlp"), space=space_function, **more)


def test_conditional_parameters_are_found():
    assert set(space.probe(study()).distributions) == {"optimizer", "lr", "momentum"}


def test_every_sample_of_the_built_in_study_is_a_valid_recipe():
    found = space.probe(load("cifar_tricks"))
    assert len(found.recipes) == space.PROBES
    assert {"optimizer", "lr", "schedule", "init", "activation", "normalize"} <= set(found.distributions)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda trial: {"drpout": trial.suggest_float("x", 0, 1)}, "s, space: unknown knob 'drpout'"),
        (lambda trial: {"lr": trial.suggest_float("lr", -1, -0.5)}, "s, space: lr=-0"),
        (lambda trial: {"dropout_conv": trial.suggest_float("p", 0.1, 0.2)}, "has no effect with model=mlp"),
        (lambda trial: trial.suggest_float("lr", 0, 1), "must return a dict"),
        (lambda trial: {"lr": trial.suggest_flaot("lr", 0, 1)}, r"s, space, line \d+: AttributeError"),
        (
            lambda trial: {"lr": trial.suggest_float("lr", 0.1, 0.2 if trial.number % 2 else 0.3)},
            "'lr' is suggested with two ranges, 0.1 to 0.3 and 0.1 to 0.2",
        ),
    ],
)
def test_a_bad_space_is_refused_with_where_and_what(function, message):
    with pytest.raises(StudyFileError, match=message):
        space.probe(study(function))


def test_a_variant_has_the_parameters_by_which_optuna_would_have_made_it():
    params, distributions = space.params_of(study(), {"optimizer": "sgd", "momentum": 0.9, "lr": 0.01})
    assert params == {"optimizer": "sgd", "momentum": 0.9, "lr": 0.01}
    assert set(distributions) == set(params)


def test_what_the_space_cannot_express_of_a_variant_is_left_out():
    params, _ = space.params_of(study(), {"optimizer": "rmsprop", "lr": 5.0})
    assert params == {}


def describe(**more):
    each = study(**more)
    return space.describe(each, space.probe(each), sampler="tpe", pruner="median", seed=0, data={"sha256": "a"})


def wider(trial):
    return {**plain(trial), "weight_decay": trial.suggest_float("weight_decay", 0.0, 0.1)}


def other_choices(trial):
    return {"optimizer": trial.suggest_categorical("optimizer", ["adam", "adamw"])}


def test_an_equal_definition_has_no_differences():
    assert space.require_same(describe(), describe(), accept=False) == []


def test_differences_are_told_name_by_name_with_the_two_ways_on():
    with pytest.raises(DefinitionChanged) as caught:
        space.require_same(describe(), describe(space_function=wider, direction="minimize"), accept=False)
    text = str(caught.value)
    assert "direction: stored maximize, now minimize" in text
    assert "space weight_decay: none stored, 0.0 to 0.1 now" in text
    assert "--name" in text
    assert "--accept" in text


def test_differences_can_be_accepted():
    assert len(space.require_same(describe(), describe(space_function=wider), accept=True)) == 1


def test_other_choices_cannot_be_accepted_because_optuna_cannot_hold_them():
    with pytest.raises(DefinitionChanged, match="cannot hold both kinds of optimizer"):
        space.require_same(describe(), describe(space_function=other_choices), accept=True)


def test_a_changed_recipe_and_changed_data_are_differences():
    changed = describe()
    changed["recipe"]["epochs"] = 3
    changed["data"] = {"sha256": "b", "source": "import"}
    assert len(space.differences(describe(), changed)) == 2


def test_the_line_of_a_space_that_raises_is_the_person_s_own(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text(
        "from study import Recipe, Study\n"
        "def space(trial):\n"
        "    return {'lr': trial.suggest_float('lr', 1.0, 0.1)}\n"
        "study = Study(name='wrong', recipe=Recipe(), space=space)\n"
    )
    with pytest.raises(StudyFileError, match="wrong, space, line 3: ValueError"):
        space.probe(load(str(file)))
    with pytest.raises(StudyFileError, match="wrong, space: TypeError"):
        space.probe(replace(load(str(file)), space={"lr": 0.1}))
    with pytest.raises(StudyFileError, match=r"wrong, space.*: SystemExit: bad data"):
        space.probe(replace(load(str(file)), space=lambda _: sys.exit("bad data")))
