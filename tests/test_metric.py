"""A metric: which value is better, its unit and smallest step, and how values and differences are written."""

from __future__ import annotations

import math
import pickle
from types import SimpleNamespace

import pytest

from study.metric import Metric

ACCURACY, LOSS = Metric("val_accuracy"), Metric("val_loss", "minimize")
PERCENT = Metric("val_accuracy", in_percent=True)
SCORE = Metric("score")
NAN, INF = math.nan, math.inf


def interval(low, high):
    return SimpleNamespace(low=low, high=high)


@pytest.mark.parametrize(
    ("metric", "value", "written"),
    [
        (ACCURACY, 0.9771, "97.71 %"), (PERCENT, 97.71, "97.71 %"), (ACCURACY, 1, "100.00 %"), (LOSS, 0.25, "0.2500"),
        (SCORE, 12345.6, "1.235e+04"), (ACCURACY, NAN, "-"), (LOSS, INF, "-"), (LOSS, None, "-"),
    ],
)  # fmt: skip
def test_people_read_an_accuracy_in_per_cent_and_other_metrics_as_they_are(metric, value, written):
    assert metric.value(value) == written
    assert metric.cell(value) == written.removesuffix(" %")


@pytest.mark.parametrize(
    ("metric", "difference", "gap", "size"),
    [
        (ACCURACY, 0.0193, "+1.93", "1.93 points"), (ACCURACY, -0.0193, "-1.93", "1.93 points"),
        (PERCENT, 1.93, "+1.93", "1.93 points"), (ACCURACY, 0.0, "0.00", "0.00 points"),
        (LOSS, -0.25, "-0.2500", "0.2500"), (LOSS, 0.25, "+0.2500", "0.2500"),
    ],
)  # fmt: skip
def test_a_difference_of_accuracies_is_counted_in_points_and_has_its_sign(metric, difference, gap, size):
    assert metric.gap(difference) == gap
    assert metric.size(difference) == size


@pytest.mark.parametrize(
    ("metric", "unit", "axis", "heading", "words"),
    [
        (ACCURACY, " points", "points", "val_accuracy (%)", "accuracy"),
        (LOSS, "", "val_loss", "val_loss", "loss"),
        (Metric("top_5_accuracy"), " points", "points", "top_5_accuracy (%)", "top 5 accuracy"),
    ],
)
def test_units_and_names_for_tables_and_plots(metric, unit, axis, heading, words):
    assert (metric.unit, metric.axis, metric.heading, metric.words) == (unit, axis, heading, words)


@pytest.mark.parametrize(
    ("metric", "values", "in_percent"),
    [
        (ACCURACY, [0.5, 1.0], False), (ACCURACY, [0.5, 50.0], True), (ACCURACY, [NAN, INF], False),
        (ACCURACY, [], False), (LOSS, [2.3], False), (PERCENT, [0.5], True),
    ],
)  # fmt: skip
def test_values_above_one_show_that_an_accuracy_is_measured_in_per_cent(metric, values, in_percent):
    seen = metric.seen(values)
    assert seen.in_percent is in_percent
    assert seen.name == metric.name
    assert seen.direction == metric.direction


def test_an_accuracy_in_per_cent_is_not_multiplied_by_100_again():
    assert ACCURACY.seen([97.71]).value(97.71) == "97.71 %"


@pytest.mark.parametrize(
    ("metric", "examples", "step"),
    [(ACCURACY, 500, 0.002), (PERCENT, 500, 0.2), (ACCURACY, 0, 0.0), (LOSS, 500, 0.0)],
)
def test_the_smallest_step_of_an_accuracy_is_one_example(metric, examples, step):
    assert metric.resolution(examples) == pytest.approx(step)


@pytest.mark.parametrize(
    ("metric", "low", "high", "written"),
    [
        (ACCURACY, 0.976, 0.9782, "97.60 to 97.82"), (ACCURACY, 0.99, 1.02, "99.00 to 100.00"),
        (ACCURACY, -0.1, 0.2, "0.00 to 20.00"), (PERCENT, 99.0, 102.0, "99.00 to 100.00"),
        (LOSS, -0.1, 1.5, "-0.1000 to 1.5000"), (ACCURACY, -INF, INF, "-"), (ACCURACY, NAN, 0.5, "-"),
    ],
)  # fmt: skip
def test_an_interval_of_an_accuracy_ends_at_0_and_100_per_cent(metric, low, high, written):
    assert metric.interval(interval(low, high)) == written


@pytest.mark.parametrize(
    ("metric", "low", "high", "written"),
    [
        (ACCURACY, 0.017, 0.0216, "+1.70 to +2.16"), (ACCURACY, -1.5, 0.5, "-150.00 to +50.00"),
        (LOSS, -0.5, 0.25, "-0.5000 to +0.2500"), (ACCURACY, 0.1, INF, "-"),
    ],
)  # fmt: skip
def test_an_interval_of_differences_has_signs_and_no_bounds(metric, low, high, written):
    assert metric.gaps(interval(low, high)) == written


@pytest.mark.parametrize(
    ("name", "split", "found"),
    [
        ("val_accuracy", "test", "test_accuracy"), ("train_loss", "val", "val_loss"),
        ("test_loss", "train", "train_loss"), ("score", "test", "test_score"), ("score", "val", "score"),
    ],
)  # fmt: skip
def test_the_same_measure_on_another_split(name, split, found):
    metric = Metric(name, "minimize", in_percent=True)
    assert metric.on(split) == Metric(found, "minimize", in_percent=True)


@pytest.mark.parametrize(
    ("metric", "a", "b", "better"),
    [(ACCURACY, 0.9, 0.8, True), (LOSS, 0.9, 0.8, False), (LOSS, 0.8, 0.9, True), (ACCURACY, 0.9, 0.9, False),
     (LOSS, 0.9, 0.9, False), (ACCURACY, NAN, 0.9, False), (ACCURACY, 0.9, NAN, False)],
)  # fmt: skip
def test_the_direction_decides_which_value_is_better_and_an_equal_one_is_not(metric, a, b, better):
    assert metric.better(a, b) is better


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [(ACCURACY, [0.5, NAN, 0.9, INF], 0.9), (LOSS, [0.5, NAN, 0.9, -INF], 0.5), (LOSS, [NAN], None), (LOSS, [], None)],
)
def test_the_best_is_the_best_of_the_finite_values(metric, values, best):
    assert metric.best(values) == best


def test_a_metric_crosses_to_another_process():
    assert pickle.loads(pickle.dumps(PERCENT)) == PERCENT
