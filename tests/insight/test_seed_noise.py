"""The noise between seeds is read from studies beside the one that is asked about, and from it."""

from __future__ import annotations

import statistics
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from study import Epoch, Study
from study import settings as places
from study.insight import planning, seed_noise
from study.metric import Metric
from study.options import Options
from study.questions import confirmation
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


class Split(BaseModel, frozen=True, extra="forbid"):
    x: float = 0.5
    split_seed: int = 3
    seed: int = 0


def train_on_a_split(recipe, resume, *, test=False):
    """A split changes the value fifty times as much as a seed does, for all recipes alike."""
    own = np.random.default_rng([int(1e6 * recipe.x), recipe.seed]).normal(0, 0.1)
    value = float(recipe.x + own + np.random.default_rng(recipe.split_seed).normal(0, 5))
    yield Epoch(1, {"score": value})
    return {"test": {"score": value}} if test else {}


def test_fresh_seeds_with_splits_of_their_own_tell_the_noise_on_one_split():
    study = Study(
        name="plain", recipe=Split(), train=train_on_a_split, metric="score",
        variants={"baseline": {}, "more": {"x": 1}}, space=lambda trial: {"x": trial.suggest_float("x", 0.5, 0.501)},
    )  # fmt: skip
    home, how = places.resolve(), Options(trials=6, sampler="random", executor="inline", track=False)
    list(run(study, home, how, threading.Event()))
    question = confirmation.ask(study, home, 4, 4)
    assert question.resplit
    list(confirmation.run(study, home, how, question, threading.Event()))
    found = seed_noise.noise(Family("plain", home.home))
    best, second, *_ = confirmation.read(study, home).contenders
    assert found.sd == pytest.approx(statistics.stdev(np.subtract(best.values, second.values)) / 2**0.5)
    assert (found.freedom, found.recipes, found.splits, found.runs) == (3, 2, 4, 8)
    assert found.source == "plain-confirm"
    assert planning.plan(study, home, 0.1, None, 1).record().freedom == 3
