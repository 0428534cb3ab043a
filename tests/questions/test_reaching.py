"""Time to target: counted from the epochs, judged like values, told as a second outcome."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

import study
from study import Epoch, Recipe, Study, settings
from study.errors import InputError
from study.insight import planning
from study.metric import Metric
from study.questions import comparison, reaching
from study.record.journal import Journal
from study.stats import verdicts

DIGITS = Study(
    name="soon",
    recipe=Recipe(dataset="digits", model="mlp", hidden=(16,), optimizer="adam", lr=1e-3, batch_size=64, epochs=6),
    variants={
        "baseline": {},
        "fast": {"lr": 0.02},
        "never": {"lr": 1e-6},
        "long": {"lr": 0.02, "epochs": 9},
        "late": {"lr": 2e-4, "epochs": 60},
    },
)
HOW = {"executor": "inline", "track": False, "watch": lambda _: None}


def test_epochs_are_counted_in_the_folders_and_judged_over_the_seeds():
    found = study.compare(DIGITS, seeds=4, target=0.85, **HOW)
    record = found.record().time_to_target
    assert (record.metric, record.target, record.budget) == ("val_accuracy", 0.85, 6)
    by_arm: dict[str, list[float]] = {name: [] for name in DIGITS.variants}
    for trial in Journal(settings.resolve().study_folder("soon-compare")).trials():
        reached = [epoch.number for epoch in trial.history().epochs if epoch.metrics["val_accuracy"] >= 0.85]
        by_arm[trial.about()["variant"]].append(min([*reached, 6]))
    rows = {row.variant: row for row in record.variants}
    assert {name: row.values for name, row in rows.items()} == by_arm
    assert (rows["never"].reached, rows["never"].mean, rows["never"].mean_high) == (0, 6, 6)
    assert rows["fast"].values == rows["long"].values
    assert (rows["late"].reached, rows["late"].values) == (0, [6] * 4), (
        "what comes after the shared budget does not count"
    )
    (expected,) = verdicts.compare(
        [by_arm["fast"]], by_arm["baseline"], direction="minimize", smallest=1, step=1, family=4
    )
    assert (rows["fast"].verdict, rows["fast"].difference) == (expected.verdict, expected.difference)
    assert expected.verdict == "helps"
    assert 0 < rows["fast"].seconds < rows["never"].seconds
    assert "Epochs until val_accuracy is 85.00 % or more, of 6;" in found.text()
    assert "never     0 of 4" in found.text()
    shown = comparison.shown(DIGITS, settings.resolve())
    assert shown.record() == found.record(), "as the command shows it again"
    assert found.record().variants == study.compare(DIGITS, seeds=4, **HOW).record().variants


def test_a_target_is_asked_for_in_the_unit_of_the_metric():
    with pytest.raises(InputError, match=r"--target 85 is above the whole range of an accuracy.*--target 0\.85"):
        comparison.ask(DIGITS, target=85)
    with pytest.raises(InputError, match="must be a number"):
        comparison.ask(DIGITS, target=math.nan)


class Sliding(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: float = 10.0
    epochs: int = 3
    seed: int = 0


def train_in_per_cent(recipe, resume):
    for number in range(1, recipe.epochs + 1):
        yield Epoch(number, {"val_accuracy": 55.0 + recipe.slope * number + recipe.seed % 7})


def test_an_accuracy_in_per_cent_is_not_multiplied_again_in_target_picture_and_plan():
    variants = {"baseline": {}, "steep": {"slope": 11.0}}
    own = Study(name="sliding", recipe=Sliding(), train=train_in_per_cent, variants=variants)
    found = study.compare(own, seeds=3, target=80, **HOW)
    assert "Epochs until val_accuracy is 80.00 % or more, of 3;" in found.text()
    assert "This accuracy is in per cent: half a point is --smallest 0.5." in found.text()
    assert "half a point" not in study.compare(own, seeds=3, smallest=0.5, **HOW).text()
    folder = Journal(settings.resolve().study_folder("sliding-compare")).artifacts
    ticks = re.findall(r"<!-- (\d+(?:\.\d+)?) -->", (folder / "curves.svg").read_text())
    assert 60 < max(map(float, ticks)) <= 100
    planned = planning.plan(own, settings.resolve(), 0.5, None, 1)
    assert planned.record().in_percent
    assert "Noise between seeds: 1.00 points (of sliding-compare" in planned.text()
    assert "0.50 points" in planned.text()
    assert "half a point is" not in planned.text()
    usual = planning.plan(own, settings.resolve(), 0.005, 0.4, 1).text()
    assert "Noise between seeds: 0.40 points" in usual
    assert "This accuracy is in per cent: half a point is --difference 0.5." in usual


@pytest.mark.parametrize(("direction", "expected"), [("maximize", 3), ("minimize", 2)])
def test_the_first_epoch_at_the_target(direction, expected):
    epochs = [Epoch(number, {"value": value}) for number, value in enumerate([math.nan, 0.4, 0.5, 0.6], start=1)]
    assert reaching.first(epochs, Metric("value", direction), 0.5) == expected
    assert reaching.first(epochs, Metric("other", direction), 0.5) == math.inf
    assert np.isinf(reaching.first([], Metric("value", direction), 0.5))
