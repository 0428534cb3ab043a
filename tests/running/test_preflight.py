"""What is settled before anything is written: the data, the recipes, the device."""

from __future__ import annotations

import pytest

from study import Recipe, Study
from study.definition import override
from study.engine.sources import ensure
from study.errors import DataError, DeviceError, RecipeError, StudyFileError
from study.running.preflight import CHECKED_SAMPLES, available_data, check_recipes, fitting
from study.sampling import space
from study.sampling.space import Space

RECIPE = Recipe(dataset="digits", model="logistic", epochs=1)


def study(**more):
    return Study(**{"name": "s", "recipe": RECIPE, **more})


def check(each, device="cpu"):
    return check_recipes(each, space.probe(each), device)


def test_what_is_recorded_of_the_data_names_it_by_its_content():
    found = check(study())
    assert found["name"] == "digits"
    assert len(found["sha256"]) == 64


def test_a_variant_and_a_sample_that_do_not_fit_are_refused():
    with pytest.raises(RecipeError, match="train_size"):
        check(study(variants={"v": {"train_size": 10**6}}))
    with pytest.raises(RecipeError, match="train_size"):
        check(study(space=lambda trial: {"train_size": trial.suggest_categorical("train_size", [10**6])}))


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(DeviceError):
        check(study(), "cuda:77")


def test_a_training_that_cannot_be_imported_is_refused():
    with pytest.raises(StudyFileError):
        check(study(train="nowhere.py:train"))


def test_data_that_are_not_there_are_replaced_under_another_name_only_where_that_is_wanted(monkeypatch, tmp_path):
    monkeypatch.setenv("STUDY_DATA", str(tmp_path / "empty"))
    monkeypatch.setenv("STUDY_OFFLINE", "1")
    there = study()
    assert available_data(there, fallback=True) == (there, "")
    unknown = study(recipe=RECIPE.model_copy(update={"dataset": "no_such_data"}), fallback="digits")
    with pytest.raises(DataError):
        available_data(unknown, fallback=True)


def test_a_function_that_checks_a_recipe_lets_those_of_ones_own_pass():
    fits = fitting("cpu")
    fits(RECIPE)
    with pytest.raises(RecipeError):
        fits(Recipe(dataset="digits", model="logistic", train_size=10**6))


TABLE = Recipe(dataset="breast_cancer", model="mlp", epochs=1)


@pytest.mark.parametrize("place", [0, CHECKED_SAMPLES, CHECKED_SAMPLES + 5])
@pytest.mark.parametrize(("knob", "value"), [("augment_crop", 2), ("augment_rotate", 5), ("normalize", True)])
def test_a_sample_with_an_image_knob_on_a_table_is_refused_wherever_it_is(place, knob, value):
    """Such a sample after the first ones was found only as its training died."""
    ensure(TABLE.dataset)
    samples = [TABLE] * (CHECKED_SAMPLES + 8)
    samples[place] = override(TABLE, {knob: value})
    with pytest.raises(RecipeError, match=f"{knob}=.* has no effect with dataset=breast_cancer, which is a table"):
        check_recipes(Study(name="table", recipe=TABLE), Space({}, samples), "cpu")
