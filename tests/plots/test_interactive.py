"""Charts for notebooks draw what they are given: in the unit that people read, with intervals and the best so far."""

from __future__ import annotations

import numpy as np
import pytest

from study.metric import Metric
from study.plots import interactive
from study.stats.expected import expected_best
from study.stats.verdicts import compare

ACCURACY = Metric("val_accuracy")


def test_differences_of_an_accuracy_are_drawn_in_points_with_their_intervals():
    better, open_ = compare([[0.93, 0.95, 0.94], [0.9, 0.93, 0.8]], [0.91, 0.92, 0.93], smallest=0.005)
    figure = interactive.forest({"a": better, "b": open_, "baseline": None}, ACCURACY, "title", "difference")
    drawn = {name: value for trace in figure.data for name, value in zip(trace.y, trace.x, strict=True)}
    assert drawn == pytest.approx({"a": 2.0, "b": 100 * open_.difference})
    ends = {trace.y[0]: trace.error_x.arrayminus[0] for trace in figure.data}
    assert ends["a"] == pytest.approx(100 * (better.difference - better.interval.low))
    assert figure.layout.xaxis.title.text == "difference (points)"
    assert figure.layout.yaxis.categoryarray == ("b", "a")  # plotly draws from below


def test_an_interval_without_an_end_is_a_dot():
    single = compare([[0.93]], [0.91])[0]
    figure = interactive.forest({"a": single}, ACCURACY, "", "difference")
    assert figure.data[0].error_x.array == (0.0,)


def test_values_over_trials_are_in_per_cent_with_the_best_so_far():
    series = {"complete": [(0, 0.5), (2, 0.75)], "pruned": [(1, float("nan"))]}
    figure = interactive.over_trials(series, [(0, 0.5), (2, 0.75)], ACCURACY, "toy")
    assert [trace.name for trace in figure.data] == ["complete", "pruned", "best so far"]
    assert figure.data[0].y == (50.0, 75.0)
    assert figure.data[1].y == (None,)
    assert figure.data[2].line.shape == "hv"


def test_an_accuracy_given_in_per_cent_is_drawn_as_it_is():
    figure = interactive.over_trials({"complete": [(0, 61.4)]}, [], Metric("val_accuracy", in_percent=True), "")
    assert figure.data[0].y == (61.4,)


def test_a_curve_has_a_band():
    curve = expected_best(np.array([0.1, 0.4, 0.2]))
    low, high, mean = interactive.curves({"toy": curve}, Metric("score"), "", "trials").data
    assert (low.y[0], high.y[0], high.fill) == (0.1, 0.4, "tonexty")
    assert mean.name == "toy"


def test_bars_of_several_series_stand_beside_each_other_the_first_on_top():
    figure = interactive.bars({"effect": {"lr": 2.0, "momentum": 1.0}, "fANOVA": {"lr": 0.5}}, "", "points")
    assert [trace.orientation for trace in figure.data] == ["h", "h"]
    assert figure.data[0].y == ("lr", "momentum")
    assert figure.layout.yaxis.autorange == "reversed"
