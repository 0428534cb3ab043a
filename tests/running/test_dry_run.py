"""What a dry run measures: all slots at once, in a folder that is gone afterwards; what fails is said."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import BaseModel

from study import Epoch, Recipe, Study
from study.errors import StudyError
from study.options import Options
from study.running import dry_run
from study.running.dry_run import plan
from study.running.preflight import available_data
from study.study_files import load

TOY = load(str(Path(__file__).parents[1] / "toy.py"))


def test_it_measures_an_epoch_and_multiplies_by_what_is_left():
    found = plan(TOY.fix({"seconds": 0.05}), Options(trials=10, executor="inline"), finished=4).record()
    assert (found.study, found.finished, found.target, found.slots, found.epochs) == ("toy", 4, 10, 1, 4)
    assert 0.05 <= found.seconds_per_epoch < 5
    assert found.expected_seconds == found.seconds_per_epoch * 4 * 6
    assert list(Path().iterdir()) == []


def test_the_weights_count_twice_on_disk_and_the_checkpoint_not_at_all():
    wide = Study(name="wide", recipe=Recipe(dataset="digits", model="mlp", hidden=(2000,), train_size=100, epochs=9))
    available_data(wide, fallback=False)
    found = plan(wide, Options(trials=1, executor="inline"), finished=0).record()
    weights = 4 * (64 * 2000 + 2000 + 2000 * 10 + 10)
    assert 2 * weights < found.disk_bytes < 2 * weights + 50_000


@pytest.mark.parametrize(
    "knobs",
    [{"l2": 1e-4, "l2_epochs": [11, 20], "epochs": 30}, {"batch_size": 512}, {"batch_size": "full"}, {"epochs": 1},
     {"steps": 1}, {"steps": 9, "l2": 1e-4, "l2_epochs": [3, 4]}],
)  # fmt: skip
def test_every_sound_recipe_is_measured(knobs, monkeypatch):
    monkeypatch.setattr(dry_run, "MEASURED_EXAMPLES", 256)
    study = Study(name="sound", recipe=Recipe.model_validate({"dataset": "digits", "model": "logistic", **knobs}))
    available_data(study, fallback=False)
    found = plan(study, Options(trials=1, executor="inline"), finished=0).record()
    assert (found.epochs, found.seconds_per_epoch > 0) == (study.recipe.epochs, True)


@pytest.mark.slow
def test_all_workers_are_busy_while_it_measures():
    found = plan(TOY.fix({"seconds": 0.05}), Options(trials=10, executor="local", workers=2), finished=0).record()
    assert found.slots == 2
    assert found.expected_seconds == found.seconds_per_epoch * 4 * 5


def test_a_training_that_fails_is_said_with_its_reason():
    with pytest.raises(StudyError, match="the training failed: ValueError: boom"):
        plan(TOY.fix({"kind": "raises"}), Options(trials=1, executor="inline"), finished=0)


class Short(BaseModel):
    """A training of one epoch."""


def once(recipe, resume):
    time.sleep(0.001)
    yield Epoch(1, {"score": 1.0})


def test_a_training_of_one_epoch_cannot_be_measured():
    study = replace(TOY, recipe=Short(), train=once, variants={}, space=None)
    with pytest.raises(StudyError, match="the training has a single epoch"):
        plan(study, Options(trials=1, executor="inline"), finished=0)
