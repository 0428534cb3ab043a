"""A request becomes one study, to run it or to show it; one that cannot be met is one clear line."""

import json
import re
from pathlib import Path

import pytest

from study import request
from study.errors import InputError
from study.recipe import fingerprint
from study.record.journal import Journal
from study.study_files import find

PLAIN = {"recipe": None, "fixed": {}, "data": None, "rename": None}


def read(name=None, **changes):
    return request.read(name, **{**PLAIN, "home": Path("mlruns").absolute(), **changes})


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("lr=0.01", 0.01), ("lr=1e-3", 0.001), ("normalize=true", True), ("momentum=null", None),
        ("hidden=[64, 32]", [64, 32]), ("model=mlp", "mlp"), ("model=pkg.nets:Net", "pkg.nets:Net"),
        ('dataset="5"', "5"), ("note=a=b", "a=b"), (" lr =1", 1),
    ],
)  # fmt: skip
def test_a_value_is_json_where_it_can_be_and_else_text(assignment, value):
    assert list(request.overrides([assignment]).values()) == [value]


@pytest.mark.parametrize(
    ("assignments", "complaint"),
    [(["lr"], "not an assignment: 'lr'"), (["=1"], "not an assignment"), (["lr=1", "lr=1"], "'lr' is given twice")],
)
def test_an_assignment_that_says_nothing_or_says_it_twice_is_refused(assignments, complaint):
    with pytest.raises(InputError, match=complaint):
        request.overrides(assignments)


def test_fixed_knobs_change_the_recipe_and_stay_fixed():
    study = read("cifar_tricks", fixed={"lr": 0.5, "epochs": 2}).study
    assert (study.name, study.fixed) == ("cifar_tricks", {"lr": 0.5, "epochs": 2})
    assert study.recipe_for({"lr": 0.1}).model_dump()["lr"] == 0.5


@pytest.mark.parametrize(
    ("data", "name"), [(None, "cifar_tricks"), ("cifar10", "cifar_tricks"), ("digits", "cifar_tricks@digits")]
)
def test_another_data_set_makes_another_study(data, name):
    study = read("cifar_tricks", data=data).study
    assert study.name == name
    assert study.recipe.model_dump()["dataset"] == (data or "cifar10")


def test_a_study_on_another_data_set_is_asked_for_by_the_name_of_its_results():
    assert read("cifar_tricks@digits").study == read("cifar_tricks", data="digits").study


def ran(name, file="cifar_tricks", dataset="cifar10"):
    """Leave what a study leaves behind that was run under a name."""
    Journal(Path("mlruns/studies", name)).store_definition(
        {"study": name, "file": file, "recipe": {"dataset": dataset}}
    )


def test_a_study_that_was_given_a_name_of_its_own_is_asked_for_by_it():
    ran("mine")
    assert read("mine").study == read("cifar_tricks", rename="mine").study


def test_so_is_one_on_another_data_set_and_one_whose_name_only_looks_like_it():
    ran("mine@digits", dataset="digits")
    ran("me@home")
    assert read("mine@digits").study == read("cifar_tricks", rename="mine", data="digits").study
    assert read("me@home").study == read("cifar_tricks", rename="me@home").study
    with pytest.raises(InputError, match=r"no study 'mine'\. Did you mean 'mine@digits'\?"):
        read("mine")


def test_a_study_by_its_path_is_asked_for_by_its_name_later():
    Path("elsewhere").mkdir()
    Path("elsewhere/far.py").write_text(find("cifar_tricks").read_text().replace('"cifar_tricks"', '"far"'))
    asked = read("elsewhere/far.py").study
    ran("far", file=asked.file)
    assert (read("far").study.name, read("far").study.recipe) == ("far", asked.recipe)


def test_two_data_sets_cannot_be_asked_for_at_once():
    with pytest.raises(InputError, match="the study's name says digits, not mnist"):
        read("cifar_tricks@digits", data="mnist")


def test_a_new_name_comes_before_the_data_set():
    assert read("cifar_tricks", rename="mine", data="digits").study.name == "mine@digits"


@pytest.mark.parametrize("name", ["", "a/b", "../up", ".hidden", "two words", "-x"])
def test_a_name_that_cannot_be_a_folder_is_refused(name):
    with pytest.raises(InputError, match="not a name for a study"):
        read("cifar_tricks", rename=name)


@pytest.mark.parametrize(
    ("name", "changes", "complaint"),
    [
        (None, {}, "study run: no study given"),
        ("cifar_trick", {}, "Did you mean 'cifar_tricks'"),
        ("missing.py", {}, "missing.py: no such study file"),
        ("cifar_tricks", {"fixed": {"lrr": 1}}, "--set: unknown knob 'lrr'. Did you mean 'lr'?"),
        ("cifar_tricks", {"fixed": {"lr": -1}}, "--set: lr=-1: input should be greater than 0"),
        ("cifar_tricks", {"fixed": {"nesterov": True}}, "--set: nesterov=True has no effect with optimizer=adam"),
    ],
)
def test_what_cannot_be_asked_for_is_said_with_its_place(name, changes, complaint):
    with pytest.raises(InputError, match=re.escape(complaint)):
        read(name, **changes)


def test_a_fixed_knob_that_clashes_with_a_variant_names_the_variant():
    with pytest.raises(InputError, match="cifar_tricks, variant '"):
        read("cifar_tricks", fixed={"optimizer": "rprop"})


def recipe_file(content):
    file = Path("best.json")
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_a_recipe_of_plain_knobs_is_one_training_on_our_defaults():
    asked = read(recipe=recipe_file({"dataset": "digits", "model": "mlp"}))
    assert asked.recorded is None
    assert asked.study.name == f"recipe-recipe-{fingerprint(asked.study.recipe)[:8]}"
    assert (asked.study.space, dict(asked.study.variants)) == (None, {})


def test_a_recipe_with_a_study_changes_that_studys_recipe():
    study = read("cifar_tricks", recipe=recipe_file({"lr": 0.5})).study
    assert study.recipe.model_dump()["model"] == "cnn3"
    assert study.name.startswith("cifar_tricks-recipe-")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "best.json: not JSON"),
        ("[1]", "best.json: holds no recipe"),
        ({"recipe": [1], "study": "x"}, "best.json: holds no recipe"),
        ({"lrr": 1}, "best.json: unknown knob 'lrr'. Did you mean 'lr'?"),
        ({"lr": "fast"}, "best.json: lr='fast': input should be a valid number"),
        ({"study": "x", "recipe_type": "nowhere:Recipe", "recipe": {}}, "cannot import 'nowhere:Recipe'"),
    ],
)
def test_a_recipe_file_that_cannot_be_used_is_said_with_its_name(content, complaint):
    with pytest.raises(InputError, match=re.escape(complaint)):
        read(recipe=recipe_file(content))


def test_a_recipe_file_that_is_missing_is_said_with_its_name():
    with pytest.raises(InputError, match=r"gone.json: cannot be read: No such file or directory"):
        read(recipe=Path("gone.json"))
