"""How folders are spelt in MLflow's words."""

import json

import pytest

from study.differences import every_knob
from study.recipe import Recipe
from study.record.trial import Trial
from study.tracking import fields
from study.tracking.snapshot import NewBest, StudySnapshot


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ("val_accuracy", "val_accuracy"),
        ("val/acc@1", "val/acc_1"),
        ("top-5 acc (%)", "top-5 acc ___"),
        ("/absolute//path/", "absolute/path"),
        ("../up", "_/up"),
        (".", "_"),
        ("größe", "größe"),
        ("x" * 300, "x" * 250),
    ],
)
def test_a_name_is_written_in_characters_that_mlflow_takes(name, spelt):
    assert fields.name_of(name) == spelt


def test_every_knob_of_a_recipe_is_a_parameter():
    recipe = Recipe(hidden=(64, 32), model="mlp", grad_clip=0.5)
    params = fields.params(every_knob(recipe))
    assert list(params) == list(Recipe.model_fields)
    assert {knob: params[knob] for knob in ("hidden", "grad_clip", "momentum", "normalize", "model")} == {
        "hidden": "[64, 32]",
        "grad_clip": "0.5",
        "momentum": "None",
        "normalize": "False",
        "model": "mlp",
    }


def test_a_run_is_named_by_its_variant_or_its_number():
    assert fields.run_name({"variant": "norm_inputs"}, 1) == "norm_inputs (trial 1)"
    assert fields.run_name({"variant": None}, 7) == "trial 7"


def test_the_evaluation_adds_what_the_epochs_have_not_told(folders):
    points = fields.points_of_end(folders.trial(epochs=3, end="complete").history())
    assert {(point.name, round(point.value, 3), point.step) for point in points} == {
        ("val_precision_macro", 0.7, 3),
        ("val_recall_macro", 0.7, 3),
        ("val_f1_macro", 0.6, 3),
    }


def test_an_evaluation_of_a_persons_own_training_gives_its_plain_numbers(folders):
    trial = folders.trial(epochs=1)
    trial.append(
        "ended", state="complete", value=0.5, reason="", evaluation={"bleu": 21.5, "note": "x", "val_ok": True}
    )
    assert [(point.name, point.value) for point in fields.points_of_end(trial.history())] == [("val_bleu", 21.5)]


@pytest.mark.parametrize(
    "evaluation",
    [
        {"confusion": [[1, 2], [3]]},
        {"confusion": {"cat": 3}},
        {"confusion": "good", "classes": "seven"},
        {"confusion": [["a"]]},
        {"per_class": {"cat": 0.5}},
        {"per_class": [{"score": 1}, {"other": 2}]},
        {"per_class": [1, 2]},
        {"per_class": []},
    ],
)
def test_an_evaluation_of_another_shape_is_kept_and_neither_drawn_nor_averaged(folders, evaluation):
    trial = folders.trial(epochs=1)
    trial.append("ended", state="complete", value=0.5, reason="", evaluation=evaluation)
    found = Trial.of(trial)
    assert set(fields.artifacts_of_trial(found)) == {"curves.png", "evaluation.json"}
    assert fields.points_of_end(found.history) == []


def test_classes_that_do_not_fit_the_matrix_are_numbered(folders):
    trial = folders.trial(epochs=1)
    evaluation = {"confusion": [[3, 1], [0, 4]], "classes": ["cat"]}
    trial.append("ended", state="complete", value=0.5, reason="", evaluation=evaluation)
    assert "confusion.png" in fields.artifacts_of_trial(Trial.of(trial))


def test_what_is_not_known_is_no_tag(folders):
    trial = folders.trial(git={"commit": None, "dirty": None}, data=None, environment=None)
    tags = fields.tags_of_trial(Trial.of(trial))
    assert tags == {
        "study": "tiny",
        "study.trial": "0",
        "study.uid": trial.about()["uid"],
        "study.replays": "0",
        "study.state": "RUNNING",
        "study.overrides": "{}",
        "study.device": "cpu",
        "mlflow.source.name": "tiny",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": trial.path.owner(),
    }


def test_a_trial_without_an_epoch_has_no_picture(folders):
    assert fields.artifacts_of_trial(Trial.of(folders.trial(end="failed"))) == {}


def test_best_json_holds_what_repeats_the_best_trial(folders):
    recipe = folders.trial().recipe()
    definition = folders.journal.definition()
    files = fields.artifacts_of_study(StudySnapshot(definition, {}, NewBest(3, 0.5, 1.0), recipe, [], None))
    assert json.loads(files["best.json"]) == {
        "study": "tiny",
        "trial": 3,
        "value": 0.5,
        "metric": "val_accuracy",
        "recipe_type": "study.recipe:Recipe",
        "train": "study.engine:train",
        "recipe": recipe,
    }
    assert json.loads(files["study.json"]) == definition
