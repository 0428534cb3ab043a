"""Ablation: each knob set back alone, those that depend on each other together, and the simplest recipe no worse."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from study import Recipe, Study
from study import settings as places
from study.errors import InputError
from study.options import Options
from study.progress import TrialStarted
from study.questions import ablation, ablation_arms, confirmation, search
from study.record.journal import Journal
from study.running.preflight import fitting
from study.study_files import load

NOISY = Path(__file__).parents[1] / "noisy.py"
ONE = {"executor": "inline", "track": False}


def confirmed(study, trials=1, **question):
    """Search the given knobs alone, so that the winner is known."""
    home, options = places.resolve(), Options(trials=trials, sampler="random", **ONE)
    list(search.run(study, home, options, threading.Event()))
    asked = confirmation.ask(study, home, **{"top": 1, "seeds": 2, **question})
    list(confirmation.run(study, home, Options(**ONE), asked, threading.Event()))
    return study


@pytest.fixture
def study():
    """A winner of which only x helps, and of which useless and the spread do nothing."""
    plain = load(str(NOISY))
    quiet = replace(plain, recipe=plain.recipe_for({"spread": 0.001}), variants={})
    return confirmed(replace(quiet, space=lambda _: {"x": 0.6, "useless": 2, "epochs": 3}))


def ablated(study, **more):
    home = places.resolve()
    question = ablation.ask(study, home, **{"seeds": 6, **more})
    list(ablation.run(study, home, Options(**ONE), question, threading.Event()))
    return ablation.read(study, home)


def test_each_knob_is_set_back_alone_and_added_alone(study):
    found = ablated(study)
    assert [(row.side, row.knobs) for row in found.arms] == [
        ("less", ("x",)), *[("less", (knob,)) for knob in sorted_by_loss(found, "less")],
        ("plus", ("x",)), *[("plus", (knob,)) for knob in sorted_by_loss(found, "plus")],
        ("simplest", found.arms[-1].knobs),
    ]  # fmt: skip
    rows = {row.label: row for row in found.arms}
    assert rows["without x"].comparison.verdict == "hurts"
    assert rows["with x"].comparison.verdict == "helps"
    assert rows["without useless"].comparison.verdict == "no difference"
    said = {row.label: row.record(found.metric).says for row in found.arms}
    assert (said["without x"], said["with x"]) == ("x helps", "x helps")
    assert said["without useless"].startswith("no difference")
    assert rows["without x"].contribution.verdict == rows["with x"].contribution.verdict == "helps"
    assert rows["without x"].recipe.model_dump() == {**found.winner.recipe.model_dump(), "x": 0.5}
    assert rows["with x"].recipe.model_dump() == {**found.baseline.recipe.model_dump(), "x": 0.6}


def sorted_by_loss(found, side):
    return [row.knobs[0] for row in found.arms if row.side == side and row.knobs != ("x",)]


def test_the_simplest_recipe_does_without_all_that_does_nothing(study):
    found = ablated(study)
    assert set(found.dropped) == {"useless", "epochs"}
    assert found.simplest == {"x": 0.6}
    assert found.arms[-1].side == "simplest"
    assert found.complete


def test_knobs_that_only_together_matter_are_not_dropped_together():
    plain = load(str(NOISY))
    quiet = replace(plain, recipe=plain.recipe_for({"spread": 0.0001}), variants={"baseline": {"x": 0.5965}})
    study = confirmed(replace(quiet, space=lambda _: {"x": 0.6, "brake": -0.002, "strength": 2.0, "useless": 1}), 2)
    found = ablated(study)
    assert [row.knobs for row in found.arms if row.side == "simplest"] == [
        ("brake", "strength", "x", "useless"),  # costs 0.0075
        ("x", "strength", "useless"),  # 0.0055
        ("strength", "useless"),  # 0.002
    ]
    assert found.simplest == {"x": 0.6, "brake": -0.002}


def test_knobs_that_depend_on_each_other_move_together():
    study = Study(
        name="sgd",
        recipe=Recipe(dataset="digits", model="mlp", hidden=(8,), optimizer="adam", lr=0.01, epochs=1),
        variants={"baseline": {}},
    )
    winner = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True}
    arms = ablation_arms.arms(study, winner, {}, fitting("cpu"))
    assert {(arm.side, frozenset(arm.knobs)) for arm in arms} == {
        ("less", frozenset({"optimizer", "momentum", "nesterov"})),
        ("less", frozenset({"momentum", "nesterov"})),
        ("less", frozenset({"nesterov"})),
        ("less", frozenset({"lr"})),
        ("plus", frozenset({"optimizer"})),
        ("plus", frozenset({"lr"})),
        ("plus", frozenset({"momentum", "optimizer"})),
        ("plus", frozenset({"nesterov", "momentum", "optimizer"})),
    }
    for arm in arms:
        study.recipe_for(arm.overrides)


def test_all_is_judged_on_validation_data_and_the_test_split_stays_closed(study):
    ablated(study)
    journal = Journal(places.resolve().study_folder("noisy-ablate"))
    assert not journal.openings()
    assert all("test" not in (trial.history().ended.evaluation or {}) for trial in journal.trials())
    assert {trial.recipe()["seed"] for trial in journal.trials()} == set(range(3000, 3006))


def test_ablated_again_nothing_is_left_to_run(study):
    before = ablated(study)
    home = places.resolve()
    question = ablation.ask(study, home, seeds=6)
    again = ablation.run(study, home, Options(**ONE), question, threading.Event())
    assert not [each for each in again if isinstance(each, TrialStarted)]
    assert ablation.read(study, home) == before


def test_before_it_is_complete_nothing_is_said_to_be_superfluous(study):
    found = ablation.of(study, places.resolve(), ablation.ask(study, places.resolve(), seeds=6))
    assert not found.complete
    assert found.simplest is None
    assert found.winner.mean is None


def test_without_a_confirmed_winner_it_says_how_to_get_one():
    with pytest.raises(InputError, match=r"no confirmed winner\. Confirm first: `study confirm noisy`"):
        ablation.ask(load(str(NOISY)), places.resolve())


def test_a_winner_that_is_the_baseline_has_nothing_to_set_back():
    study = confirmed(replace(load(str(NOISY)), space=None))
    with pytest.raises(InputError, match="the winner is the baseline"):
        ablation.ask(study, places.resolve())


def test_a_length_in_steps_against_one_in_epochs_is_one_move():
    study = Study(name="long", recipe=Recipe(epochs=10))
    arms = ablation_arms.arms(study, {"steps": 500, "lr": 0.1}, {})
    assert [(arm.label, dict(arm.overrides)) for arm in arms] == [
        ("without lr", {"epochs": None, "steps": 500}),
        ("without epochs, steps", {"lr": 0.1}),
        ("with lr", {"lr": 0.1}),
        ("with epochs, steps", {"epochs": None, "steps": 500}),
    ]


def test_time_that_is_up_ends_all_stages_and_the_same_call_goes_on(study):
    home, question = places.resolve(), ablation.ask(study, places.resolve(), 6)
    list(ablation.run(study, home, Options(**ONE, timeout=1e-6), question, threading.Event()))
    assert not ablation.read(study, home).complete
    list(ablation.run(study, home, Options(**ONE), question, threading.Event()))
    assert ablation.read(study, home).complete
    assert ablation.read(study, home).simplest


def test_another_number_is_shown_of_what_it_asks_for_and_without_any_the_last_question(study):
    found, home = ablated(study), places.resolve()
    assert ablation.shown(study, home) == found
    fewer, more = (ablation.shown(study, home, seeds=seeds) for seeds in (4, 8))
    assert fewer.winner.values == found.winner.values[:4]
    assert (more.complete, more.question.seeds, more.simplest) == (False, 8, None)
    wide = ablation.shown(study, home, smallest=0.9)
    assert wide.record().smallest == 0.9
    for given, message in (({"seeds": 1}, "--seeds must be 2"), ({"smallest": -1}, "--smallest must be a number")):
        with pytest.raises(InputError, match=message):
            ablation.shown(study, home, **given)
