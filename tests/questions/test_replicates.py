"""Arms on equal seeds: which seeds an arm gets, what is missing, and what the figures are judged by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from study import Recipe, Study
from study import settings as places
from study.engine.sources import ensure
from study.errors import InputError
from study.questions import judging
from study.questions.replicates import Design, Pairs
from study.recipe import to_json
from study.record.journal import Journal

RECIPE = Recipe(dataset="digits", model="mlp", hidden=(8,), epochs=1, seed=5)
STUDY = Study(name="small", recipe=RECIPE, variants={"baseline": {}, "fast": {"lr": 0.01}})


def test_every_arm_meets_the_same_seeds_counted_on_from_the_study_s_own():
    design = Design(study=STUDY, arms=STUDY.variants, seeds=3, first=1000)
    assert [design.overrides("fast", index)["seed"] for index in range(3)] == [1005, 1006, 1007]
    assert design.overrides("baseline", 2) == {"seed": 1007}


def test_one_seed_after_the_other_is_missing_all_arms_on_each():
    pairs = Pairs.of(Design(study=STUDY, arms=STUDY.variants, seeds=2), places.resolve())
    assert list(pairs.missing()) == [("baseline", 0), ("fast", 0), ("baseline", 1), ("fast", 1)]
    assert not pairs.complete()
    assert np.isnan(pairs.values()["fast"]).all()


def test_two_arms_of_one_recipe_share_their_trainings():
    design = Design(study=STUDY, arms={"one": {"lr": 0.01}, "other": {"lr": 0.01}}, seeds=1)
    recipes = design.recipes()
    assert recipes["one"] == recipes["other"]


def test_an_accuracy_moves_in_steps_of_one_example_and_a_loss_freely():
    pack = ensure("digits")
    held_out = round(pack.train * RECIPE.val_fraction)
    assert judging.resolution(STUDY, test=False) == pytest.approx(1 / held_out)
    assert judging.resolution(STUDY, test=True) == pytest.approx(1 / pack.test)
    assert judging.resolution(replace(STUDY, metric="val_loss", direction="minimize"), test=True) == 0.0


def test_a_final_that_trains_on_all_examples_follows_the_training_figure():
    finals = judging.judged_on_test(replace(STUDY, final={"val_fraction": 0}), "final")
    assert (finals.name, finals.metric) == ("small-final", "train_accuracy")
    assert finals.objective.name == "test_accuracy"
    assert judging.judged_on_test(STUDY, "compare").metric == "val_accuracy"


def test_a_smallest_difference_of_a_whole_accuracy_is_refused_with_the_one_that_was_meant():
    with pytest.raises(InputError, match=r"1 points are --smallest 0\.01"):
        judging.require_smallest(STUDY, 1.0)
    judging.require_smallest(replace(STUDY, metric="val_loss", direction="minimize"), 1.0)


def test_no_arm_is_left_out_before_all_its_trainings_so_far_have_ended():
    """With two workers, a training on the second seed may end before one on the first."""
    asked = []

    def narrow(before, values, failed):
        asked.append({name: list(each) for name, each in values.items()})
        return before

    design = Design(study=STUDY, arms=STUDY.variants, seeds=3, narrow=narrow, look=2)
    journal = Journal(places.resolve().study_folder("small"))
    about = {"metric": "val_accuracy", "direction": "maximize"}
    folders = {}
    for number, (arm, seed) in enumerate([("baseline", 0), ("fast", 0), ("baseline", 1), ("fast", 1)]):
        recipe = STUDY.recipe_for(design.overrides(arm, seed))
        folders[arm, seed] = journal.create(number, to_json(recipe), about)
    pairs = Pairs.of(design, places.resolve())

    def end(arm, seed):
        folders[arm, seed].append("ended", state="complete", value=0.5, reason="", evaluation=None)

    end("baseline", 0)
    end("baseline", 1)
    end("fast", 1)
    assert list(pairs.missing()) == [("fast", 0)]
    assert asked == []
    end("fast", 0)
    assert list(pairs.missing()) == [("baseline", 2), ("fast", 2)]
    assert asked == [{"baseline": [0.5, 0.5], "fast": [0.5, 0.5]}]
