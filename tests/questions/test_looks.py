"""What was looked at before a comparison, and what its differences look like, in its table."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from pydantic import BaseModel

from study import Epoch, Recipe, Study
from study import settings as places
from study.errors import Interrupted
from study.options import Options
from study.progress import TrialEnded, finish
from study.questions import comparison, judging, search
from study.record.journal import Journal
from study.stats import sequential
from study.text import answers
from study.text.table import text_of

INLINE = Options(executor="inline", track=False)
RECIPE = Recipe(
    dataset="digits", model="mlp", hidden=(16,), optimizer="sgd", lr=0.1, train_size=300, batch_size=32, epochs=4
)
STUDY = Study(name="tricks", recipe=RECIPE, variants={"baseline": {}, "softmax": {"activation": "softmax"}})


def run(study, question):
    return comparison.run(study, places.resolve(), INLINE, question, threading.Event())


def trials(name="tricks-compare"):
    return Journal(places.resolve().study_folder(name)).trials()


def test_a_second_look_is_judged_at_any_time_and_picked_variants_share_the_error_with_all_that_were_looked_at():
    study = replace(STUDY, variants={**STUDY.variants, "fast": {"lr": 0.2}, "slow": {"lr": 0.05}})
    every = comparison.ask(study, ["softmax", "fast", "slow"], seeds=2)
    list(run(study, every))
    first = comparison.of(study, places.resolve(), every)
    assert (first.record().look, first.record().family) == (1, 3)
    picked = comparison.ask(study, ["softmax"], seeds=5)
    list(run(study, picked))
    again = comparison.of(study, places.resolve(), picked)
    assert (again.record().look, again.record().family) == (2, 3)
    values = {row.variant: row.values for row in again}
    at_any_time = sequential.compare(
        [values["softmax"]], values["baseline"], step=judging.resolution(STUDY, test=True), family=3
    )
    assert again[1].comparison == at_any_time[0]
    text = text_of(again.blocks(), 200)
    assert "Look 2 at these variants: judged by the sequential test, which holds at any time." in text
    assert "2 other recipes had been looked at before: all 3 share the error." in text
    assert comparison.of(study, places.resolve(), every).record() == first.record()
    other = comparison.ask(study.fix({"epochs": 2}), ["softmax"], seeds=5)
    assert comparison.of(study.fix({"epochs": 2}), places.resolve(), other).record().look == 1


def test_a_variant_that_the_search_found_is_compared_without_the_seed_that_chose_it():
    searched = replace(
        STUDY, space=lambda trial: {"lr": trial.suggest_float("lr", 0.01, 0.3)}, variants={"baseline": {}}
    )
    list(search.run(searched, places.resolve(), replace(INLINE, trials=3), threading.Event()))
    (trial,) = [each for each in trials("tricks") if each.number == 2]
    found = replace(STUDY, variants={"baseline": {}, "found": {"lr": trial.recipe()["lr"]}, "mine": {"lr": 0.07}})
    question = comparison.ask(found, seeds=2)
    list(run(found, question))
    record = comparison.of(found, places.resolve(), question).record()
    assert record.found_by_search == {"found": 2}
    assert {each.recipe()["seed"] for each in trials()} == {1, 2}
    text = text_of(comparison.of(found, places.resolve(), question).blocks(), 200)
    assert (
        "Found by the search: found (trial 2). The search selected them on its own seed, which is left out here."
        in text
    )
    mine = comparison.ask(found, ["mine"], seeds=2)
    list(run(found, mine))
    again = comparison.of(found, places.resolve(), mine).record()
    assert again.found_by_search == {}  # all seeds, and the looks before count for it
    assert (again.family, {each.recipe()["seed"] for each in trials()}) == (2, {0, 1, 2})


class Tail(BaseModel, frozen=True, extra="forbid"):
    better: bool = False
    seed: int = 0


GAINS = [0.31, 0.33, 0.32, 0.3, 0.34, 0.29, 0.35, 0.95, 0.36, 0.28]


def train_with_a_tail(recipe, resume):
    yield Epoch(1, {"score": 1 + recipe.better * GAINS[recipe.seed]})


def test_a_verdict_on_differences_with_a_long_tail_says_so():
    variants = {"plain": {}, "tail": {"better": True}}
    study = Study(name="tail", recipe=Tail(), train=train_with_a_tail, metric="score", variants=variants)
    question = comparison.ask(study, seeds=10)
    list(run(study, question))
    found = comparison.of(study, places.resolve(), question)
    (row,) = [each for each in found.record().variants if each.variant == "tail"]
    assert (row.verdict, row.looks, round(row.p_flipped, 3)) == ("helps", "skewed", 0.002)
    assert "tail: the differences look skewed, for which a t test of few seeds is unreliable" in text_of(
        found.blocks(), 200
    )


WIDE = [0.1, 0.3, 0.2, 0.3, 0.15, 0.25, 0.2, 0.3, 0.1, 0.2]  # Student's t is sure after four


def train_with_wide_gains(recipe, resume):
    yield Epoch(1, {"score": 1 + recipe.better * WIDE[recipe.seed]})


def stop_after(trials, study, question):
    stop, ended = threading.Event(), 0
    for each in comparison.run(study, places.resolve(), INLINE, question, stop):
        ended += isinstance(each, TrialEnded)
        if ended == trials:
            stop.set()


def test_a_comparison_that_is_not_complete_is_judged_at_any_time_says_so_and_publishes_nothing():
    variants = {"plain": {}, "wide": {"better": True}}
    study = Study(name="wide", recipe=Tail(), train=train_with_wide_gains, metric="score", variants=variants)
    question = comparison.ask(study, seeds=10)
    with pytest.raises(Interrupted):
        stop_after(8, study, question)
    timed = replace(INLINE, timeout=1e-6)
    found = finish(comparison.run(study, places.resolve(), timed, question, threading.Event()), lambda _: None)
    record = found.record()
    assert (record.complete, record.variants[1].n, record.variants[1].verdict) == (False, 4, "not enough seeds")
    assert found[1].comparison == sequential.compare([found[1].values], found[0].values)[0]
    assert comparison.shown(study, places.resolve()).record().to_json() == record.to_json()
    said = found.text(200)
    assert "Not complete yet, so judged by the test that holds at any time: the same command continues it." in said
    assert "t tests valid at any time" in said
    assert answers.line("compare", record.plain()) == ""
    artifacts = Journal(places.resolve().study_folder("wide-compare")).artifacts
    assert not artifacts.exists()
    found = finish(run(study, question), lambda _: None)
    assert (found.complete, found.record().variants[1].verdict) == (True, "helps")
    assert "Not complete" not in found.text(200)
    assert answers.line("compare", found.record().plain()) == "wide: helps"
    assert (artifacts / "forest.png").exists()
