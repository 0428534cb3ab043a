"""Where a value lies in its range, how a range is widened, and which line of the study's file says so."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution, distribution_to_json

from study.insight import edges

OURS = {"recipe_type": "study.recipe:Recipe"}
FILE = '''"""Mine."""
def space(trial):
    rate = trial.suggest_float(
        "lr", 1e-4, 1e-1, log=True,
    )
    return {"lr": rate, "beta1": trial.suggest_float("beta1", low=0.5, high=0.99), "batch_size":
            trial.suggest_int("batch_size", 2 ** 3, 64, log=True), "wide": trial.suggest_float("wide", *ENDS)}
'''


@pytest.mark.parametrize(
    ("present", "value", "side"),
    [
        (edges.Range(1e-4, 1e-1, log=True, whole=False), 0.09, "high"),
        (edges.Range(1e-4, 1e-1, log=True, whole=False), 0.05, None),
        (edges.Range(1e-4, 1e-1, log=True, whole=False), 1.1e-4, "low"),
        (edges.Range(0.0, 10.0, log=False, whole=False), 0.2, "low"),
        (edges.Range(0.0, 10.0, log=False, whole=False), 9.6, None),
        (edges.Range(1, 64, log=True, whole=True), 64, "high"),
    ],
)
def test_an_edge_is_near_in_the_range_s_own_scale(present, value, side):
    assert present.edge(value) == side


@pytest.mark.parametrize(
    ("name", "present", "side", "low", "high"),
    [
        ("lr", edges.Range(1e-4, 1e-1, log=True, whole=False), "high", 1e-4, 3.2),
        ("lr", edges.Range(1e-4, 1e-1, log=True, whole=False), "low", 3.2e-6, 1e-1),
        ("batch_size", edges.Range(16, 64, log=True, whole=True), "high", 16, 128),
        ("dropout_dense", edges.Range(0.0, 0.5, log=False, whole=False), "high", 0.0, 0.75),
        ("dropout_dense", edges.Range(0.0, 0.8, log=False, whole=False), "high", 0.0, 0.9),
        ("strange", edges.Range(-1.0, 1.0, log=False, whole=False), "low", -2.0, 1.0),
        ("strange", edges.Range(1.0, 2.0, log=False, whole=False), "low", 0.5, 2.0),
        ("strange", edges.Range(1.0, 5.0, log=False, whole=False), "low", 0.0, 5.0),
    ],
)
def test_a_range_is_widened_by_half_and_no_further_than_the_knob_goes(name, present, side, low, high):
    new = edges.wider(OURS, name, present, side)
    assert (new.low, new.high) == pytest.approx((low, high))


def test_where_the_knob_itself_ends_nothing_is_wider():
    assert edges.wider(OURS, "dropout_dense", edges.Range(0.0, 0.5, log=False, whole=False), "low") is None
    assert edges.wider({}, "strange", edges.Range(0.0, 0.5, log=False, whole=False), "low") is None


def test_ranges_are_read_from_the_stored_definition():
    space = {
        "lr": FloatDistribution(1e-4, 0.1, log=True),
        "batch_size": IntDistribution(8, 64),
        "kind": CategoricalDistribution(("a", "b")),
        "alone": FloatDistribution(1.0, 1.0),
    }
    definition = {"space": {name: distribution_to_json(each) for name, each in space.items()}}
    assert edges.ranges(json.loads(json.dumps(definition))) == {
        "lr": edges.Range(1e-4, 0.1, log=True, whole=False),
        "batch_size": edges.Range(8, 64, log=False, whole=True),
    }
    assert edges.ranges({}) == {}


@pytest.mark.parametrize(
    ("name", "new", "text"),
    [
        ("lr", None, 'line 3: trial.suggest_float( "lr", 1e-4, 1e-1, log=True, )'),
        ("lr", (1e-4, 3.2), 'line 3: trial.suggest_float("lr", 0.0001, 3.2, log=True)'),
        ("beta1", (0.3, 0.99), 'line 6: trial.suggest_float("beta1", low=0.3, high=0.99)'),
        ("batch_size", (8, 128), 'line 7: trial.suggest_int("batch_size", 8, 128, log=True)'),
    ],
)
def test_the_line_of_the_study_s_file_is_found_and_spelt_anew(name, new, text):
    Path("studies").mkdir()
    Path("studies/mine.py").write_text(FILE)
    to = edges.Range(*new, log=False, whole=isinstance(new[0], int)) if new else None
    for study, stored in (("mine", {}), ("mine@digits", {}), ("named@digits", {"file": "mine"})):
        assert edges.line(study, stored, name, to) == f"studies/mine.py, {text}"


@pytest.mark.parametrize("study", ["mine", "other"])
def test_what_cannot_be_found_is_none(study):
    Path("studies").mkdir()
    Path("studies/mine.py").write_text("def space(trial:")
    assert edges.line(study, {}, "lr") is None


def test_a_built_in_study_has_lines_too():
    found = edges.line("cifar_tricks@digits", {}, "dropout_conv", edges.Range(0.0, math.pi, log=False, whole=False))
    assert "cifar_tricks.py, line" in found
    assert "3.14" in found
