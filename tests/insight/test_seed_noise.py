"""The noise between seeds is read from studies beside the one that is asked about, and from it."""

from __future__ import annotations

import statistics
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from study import settings as places
from study.insight import seed_noise
from study.metric import Metric
from study.options import Options
from study.questions.search import run
from study.record.family import Family
from study.study_files import load

TOY = Path(__file__).parents[1] / "toy.py"


def test_the_better_half_of_the_recipes_is_pooled():
    good, fair, bad = (np.array(each) for each in ([0.9, 0.91, 0.92], [0.8, 0.84], [0.1, 0.7]))
    sd, freedom, recipes = seed_noise.pooled([bad, good, np.array([0.5]), fair], Metric("score"))
    assert (freedom, recipes) == (3, 2)
    assert sd == pytest.approx(((2 * 0.01**2 + 0.0008) / 3) ** 0.5)
    assert seed_noise.pooled([bad, good], Metric("score", "minimize"))[0] == pytest.approx(statistics.stdev([0.1, 0.7]))
    assert seed_noise.pooled([], Metric("score")) is None


def test_equal_values_do_not_show_that_seeds_do_nothing():
    tied = np.array([0.75, 0.75])
    assert seed_noise.pooled([tied], Metric("val_accuracy")) is None
    sd, _, _ = seed_noise.pooled([tied, np.array([0.5, 0.52])], Metric("val_accuracy"))
    assert sd == pytest.approx(0.02)  # the smallest step that these accuracies show


def some(name, *seeds):
    study = load(str(TOY))
    variants = {f"at {seed}": {"x": 0.1 + seed / 100, "seed": seed} for seed in seeds}
    how = Options(trials=len(seeds), executor="inline", track=False)
    list(run(replace(study, name=name, variants=variants), places.resolve(), how, threading.Event()))


def test_without_a_recipe_on_two_seeds_nothing_is_known():
    some("plain", 0, 1)
    assert seed_noise.noise(Family("plain", places.resolve().home)) is None
    assert seed_noise.noise(Family("nothing", places.resolve().home)) is None


def test_a_study_beside_it_tells_the_noise():
    study = load(str(TOY.with_name("noisy.py")))
    how = Options(trials=3, executor="inline", track=False)
    variants = {f"seed {seed}": {"seed": seed} for seed in range(3)}
    list(run(replace(study, name="plain-compare", variants=variants), places.resolve(), how, threading.Event()))
    found = seed_noise.noise(Family("plain", places.resolve().home))
    assert (found.freedom, found.recipes, found.source) == (2, 1, "plain-compare")
    assert found.sd > 0
    list(run(replace(study, name="plain").fix({"epochs": 1}), places.resolve(), how, threading.Event()))
    assert (
        seed_noise.noise(Family("plain", places.resolve().home)) is None
    )  # the search's trainings have another length
