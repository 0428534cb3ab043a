"""What bfloat16 would bring: measured where the device has instructions for it, and offered at the end of a search."""

from __future__ import annotations

import math

import pytest

from study import Recipe, Study
from study.engine import faster
from study.errors import StudyError
from study.executors.inline import Inline
from study.options import Options
from study.questions import search

RECIPE = Recipe(dataset="digits", model="mlp", hidden=(8,), train_size=200)


@pytest.fixture
def able(monkeypatch):
    """A processor that says that it has instructions for it."""
    monkeypatch.setattr(faster, "multiplies_bfloat16", lambda device: device == "cpu")


def test_the_ratio_is_that_of_the_steps_in_both_precisions(able, monkeypatch):
    took = iter([9.0, 9.0, *(3.0, 2.0) * faster.ROUNDS])
    dtypes = []
    monkeypatch.setattr(faster, "seconds", lambda parts: dtypes.append(parts.recipe.precision) or next(took))
    assert faster.by_bfloat16(RECIPE.model_dump(mode="json"), "cpu") == 1.5
    assert dtypes == ["float32", "bfloat16"] * (1 + faster.ROUNDS)


def test_a_real_measurement_trains_and_is_a_number(able):
    factor = faster.by_bfloat16(RECIPE.model_dump(mode="json"), "cpu")
    assert math.isfinite(factor)
    assert factor > 0


@pytest.mark.parametrize("precision", ["bfloat16", "float64"])
def test_only_float32_has_a_faster_one(able, precision):
    knobs = RECIPE.model_copy(update={"precision": precision}).model_dump(mode="json")
    assert faster.by_bfloat16(knobs, "cpu") is None


def test_a_device_without_it_is_not_measured(monkeypatch):
    monkeypatch.setattr(faster, "FLAGS", {"no such flag"})
    assert faster.by_bfloat16(RECIPE.model_dump(mode="json"), "cpu") is None
    assert not faster.multiplies_bfloat16("mps")


def test_it_is_offered_with_its_factor_and_a_command_that_works(monkeypatch):
    study = Study(name="some", recipe=RECIPE)
    for factor, said in ((1.66, 1), (1.1, 0), (None, 0)):
        monkeypatch.setattr(faster, "by_bfloat16", lambda _knobs, _device, factor=factor: factor)
        notices = list(search._offer(study, Options(), Inline()))
        assert len(notices) == said
        if notices:
            assert "bfloat16 trains 1.7 times as fast here, with other numbers" in notices[0].text
            assert "--set precision=bfloat16 --name some_bf16" in notices[0].text
    assert list(search._offer(study, Options(executor="ray"), Inline())) == []


def test_a_measurement_that_fails_ends_no_search(monkeypatch):
    def fails(_knobs, _device):
        raise StudyError("the worker has died")

    monkeypatch.setattr(faster, "by_bfloat16", fails)
    assert list(search._offer(Study(name="some", recipe=RECIPE), Options(), Inline())) == []
