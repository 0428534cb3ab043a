"""Studies: overridden, fixed, restored; each mistake in one line that says where."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from pydantic import BaseModel, ConfigDict

from study.definition import Study, override
from study.errors import RecipeError, StudyFileError
from study.imports import import_object, reference_to
from study.recipe import Recipe
from study.study_files import load

GOOD = """
from study import Recipe, Study
study = Study(name="mine", recipe=Recipe(dataset="digits", epochs=1), variants={"wide": {"dropout_conv": 0.1}})
"""


class Own(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    depth: int = 2


def write(name, text):
    path = Path("studies") / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"dropout_cnov": 0.1}, "Did you mean 'dropout_conv'"),
        ({"dropout_conv": 7}, "less than 1"),
        ({"optimizer": "sgd", "beta1": 0.9}, r"beta1=0\.9 has no effect with optimizer=sgd"),
        ({"model": "mlp", "dropout_conv": 0.2}, "has no effect with model=mlp"),
        ({"schedule": "step"}, "schedule=step needs gamma and step_size"),
        ({"nesterov": True, "optimizer": "sgd"}, "nesterov has no effect without momentum"),
        ({"epochs": 1, "steps": 5}, "epochs or steps, not both"),
    ],
)
def test_an_override_is_checked_like_a_new_recipe(overrides, message):
    with pytest.raises(RecipeError, match=message):
        override(Recipe(), overrides)


def test_giving_steps_takes_epochs_back_and_the_other_way_round():
    in_steps = override(Recipe(), {"steps": 30})
    assert (in_steps.epochs, in_steps.steps) == (None, 30)
    assert override(in_steps, {"epochs": 2}).steps is None


def test_a_recipe_of_ones_own_is_checked_in_the_same_words():
    with pytest.raises(RecipeError, match=r"unknown knob 'depht'. Did you mean 'depth'"):
        override(Own(), {"depht": 3})


def test_a_fixed_knob_is_neither_suggested_nor_changed_by_a_variant():
    def space(trial):
        return {"lr": trial.suggest_float("lr", 1e-4, 1e-1), "normalize": trial.suggest_categorical("n", [True, False])}

    study = Study(name="s", recipe=Recipe(), space=space, variants={"slow": {"lr": 1e-5}}).fix({"lr": 0.01})
    trial = optuna.create_study().ask()
    study.suggest(trial)
    assert set(trial.params) == {"n"}
    assert study.recipe_for(study.variants["slow"]).lr == 0.01


def test_a_fixed_length_takes_back_a_variants_own_of_the_other_kind():
    study = Study(name="mine", recipe=Recipe(epochs=9)).fix({"epochs": 2})
    assert (study.recipe_for({"steps": 300}).epochs, study.recipe_for({"steps": 300}).steps) == (2, None)


def test_what_is_named_by_reference_is_imported_again():
    assert import_object(reference_to(Recipe)) is Recipe
    path = write("mine", GOOD + "\ndef train(recipe, resume):\n    yield\n")
    function = import_object(f"{path.absolute()}:train")
    assert import_object(reference_to(function)) is function


def test_what_no_other_process_can_import_is_refused():
    with pytest.raises(StudyFileError, match="cannot be imported by a worker"):
        reference_to(lambda recipe, resume: iter(()))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "../../evil"}, "not a name for a study: '../../evil'"),
        ({"name": ""}, "not a name for a study: ''"),
        ({"name": 3}, "not a name for a study: 3"),
        ({"name": "mine-confirm"}, "These endings are reserved"),
        ({"recipe": {"dataset": "digits"}}, "mine: recipe is of type dict. Make it a Recipe"),
        ({"variants": ["a", "b"]}, "mine: variants is of type list. Make it a dict"),
        ({"variants": {"": {}}}, "the name of variant '' is of type NoneType"),
        ({"variants": {"a": ["lr"]}}, "mine: variant 'a' is of type list"),
        ({"variants": {"a": {"normalise": True}}}, "mine, variant 'a': unknown knob 'normalise'. Did you mean 'normal"),
        ({"final": {"bogus": 1}}, "mine, final: unknown knob 'bogus'"),
        ({"direction": "max"}, "direction is 'max'. Is it maximize or minimize"),
        ({"metric": "val_acuracy"}, "mine: no metric 'val_acuracy'. Did you mean 'val_accuracy'?"),
        ({"metric": None}, "metric is of type NoneType"),
    ],
)
def test_a_study_is_made_of_what_it_says(wrong, message):
    with pytest.raises(StudyFileError) as caught:
        Study(**{"name": "mine", "recipe": Recipe(), **wrong}).check()
    assert message in str(caught.value)


def test_a_study_from_an_edited_file_is_refused_until_it_is_loaded_again():
    text = """
from pydantic import BaseModel
from study import Study
class Own(BaseModel, frozen=True):
    depth: int = 2
study = Study(name="mine", recipe=Own(), train="study.engine:train")
"""
    write("mine", text)
    before = load("mine")
    before.check()
    write("mine", text.replace("depth: int = 2", "depth: int = 3"))
    after = load("mine")
    after.check()
    with pytest.raises(StudyFileError, match=r"mine: Own was edited after this study was loaded. Load the study again"):
        before.check()
