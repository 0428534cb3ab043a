"""Searches at equal budget: what a search was worth for so many trials and seconds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from study.insight.searches import Search, at_seconds, at_trials, read
from study.metric import Metric


def search(name, values, seconds=1.0, *, maximize=True):
    values = np.array(values, dtype=float)
    return Search(
        name,
        Metric("score", "maximize" if maximize else "minimize"),
        "digits",
        values,
        values,
        np.full(len(values), seconds),
        None,
    )


GOOD = search("good", np.linspace(0.5, 0.9, 30))
SLOW = search("slow", np.linspace(0.5, 0.95, 12), seconds=10.0)


def test_budgets_go_as_far_as_the_shortest_search():
    assert [each.amount for each in at_trials([GOOD, SLOW])] == [1, 2, 5, 10, 12]
    assert [each.amount for each in at_seconds([GOOD, SLOW])] == [1.875, 3.75, 7.5, 15.0, 30.0]


def test_more_trials_are_worth_more_and_one_is_worth_the_mean():
    worth = [each.worth["good"] for each in at_trials([GOOD])]
    assert worth[0][0] == pytest.approx(0.7)
    assert [mean for mean, _, _ in worth] == sorted(mean for mean, _, _ in worth)
    assert all(low <= mean <= high for mean, low, high in worth)
    assert worth[-1] == pytest.approx((0.9, 0.9, 0.9))


def test_for_the_same_seconds_the_one_with_fewer_trials_lies_behind():
    last = at_seconds([GOOD, SLOW])[-1].worth
    assert last["good"][0] > last["slow"][0]
    assert math.isnan(at_seconds([GOOD, SLOW])[0].worth["slow"][0])


def test_where_less_is_better_the_least_is_the_best():
    worth = at_trials([search("loss", [3.0, 1.0, 2.0], maximize=False)])[-1].worth["loss"]
    assert worth == pytest.approx((1.0, 1.0, 1.0))


def test_pruned_diverged_and_failed_trials_cost_and_bring_nothing(made):
    (found,) = read([made])
    assert found.values.tolist() == [0.7, 0.75, 0.9125, 0.1, 0.1]
    assert np.isfinite(found.ended).sum() == 3
    assert found.seconds.tolist() == [1.5, 1.5, 1.5, 0.5, 0.0, 0.5]
    assert found.so_far().tolist() == [0.7, 0.75, 0.9125, 0.9125, 0.9125, 0.9125]
