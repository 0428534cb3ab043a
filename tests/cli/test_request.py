"""Durations on the command line; what `study best` prints is read as a recipe."""

from pathlib import Path

import pytest
import typer

from study import request
from study.cli import options


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("30m", 1800), ("90s", 90), ("1h30m", 5400), ("45", 45), ("1.5h", 5400)]
)
def test_a_duration_is_read_in_hours_minutes_and_seconds(text, seconds):
    assert options.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0m", "-5", "soon", "2d", "1h 30m", "30m2h", "nan", "1h30", "5m30", "h"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(typer.BadParameter, match="not a duration"):
        options.seconds(text)


def test_a_recorded_recipe_keeps_its_study_metric_training_and_value(made, study):
    file = Path("best.json")
    file.write_text(study("best", "made").out)
    asked = request.read(None, recipe=file, fixed={}, data=None, rename=None, home=Path("mlruns").absolute())
    assert asked.recorded == 0.9125
    assert asked.study.name.startswith("made-recipe-")
    assert (asked.study.metric, asked.study.train) == ("val_accuracy", "study.engine:train")
    assert asked.study.recipe.model_dump()["lr"] == 0.0123456
