"""New splits: each fresh seed holds out other examples, old confirmations go on as they were made."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from study import Recipe, Study
from study import settings as places
from study.errors import InputError
from study.options import Options
from study.progress import TrialStarted
from study.questions import comparison, confirmation, resplits, search
from study.record import checked
from study.record.journal import Journal
from study.text.table import text_of

RECIPE = Recipe(
    dataset="digits", model="mlp", hidden=(8,), optimizer="sgd", lr=0.1, batch_size=64, val_fraction=0.2, epochs=2,
    split_seed=3,
)  # fmt: skip
STUDY = Study(
    name="small",
    recipe=RECIPE,
    space=lambda trial: {"lr": trial.suggest_float("lr", 0.05, 0.3)},
    variants={"baseline": {}, "fast": {"lr": 0.3}},
)
ONE = {"executor": "inline", "track": False}


def searched(study=STUDY):
    list(search.run(study, places.resolve(), Options(trials=4, sampler="random", **ONE), threading.Event()))
    return study


def confirm(study, question):
    return list(confirmation.run(study, places.resolve(), Options(**ONE), question, threading.Event()))


def splits(name):
    """Give the splits that each seed of a study's trials was trained on."""
    found: dict[int, set[int]] = {}
    for trial in Journal(places.resolve().study_folder(name)).trials():
        recipe = trial.recipe()
        found.setdefault(recipe["seed"], set()).add(recipe["split_seed"])
    return found


def test_each_fresh_seed_has_a_split_of_its_own_and_both_variances_are_told():
    study = searched()
    question = confirmation.ask(study, places.resolve(), 2, 3)
    confirm(study, question)
    assert splits("small-confirm") == {1000 + seed: {1003 + seed} for seed in range(3)}
    assert splits("small-final") == {2000 + seed: {2003 + seed} for seed in range(3)}
    record = confirmation.read(study, places.resolve()).record()
    assert record.resplit
    for spread, name in ((record.spread, "race"), (record.score_spread, "scores")):
        assert (spread.recipes, spread.splits, spread.seed > 0) == (2, 3, True), name
        line = f"{record.judged_by.size(spread.split)} between splits"
        assert line in text_of(confirmation.read(study, places.resolve()).blocks(), 200)
    values = {tuple(each.values) for each in confirmation.read(study, places.resolve()).contenders}
    assert len(values) == 2


def test_a_confirmation_of_an_older_version_is_read_and_continued_on_the_one_split_it_was_made_on():
    study = searched()
    question = confirmation.ask(study, places.resolve(), 2, 2, resplit=False)
    confirm(study, question)
    assert set().union(*splits("small-confirm").values(), *splits("small-final").values()) == {3}
    file = Journal(places.resolve().study_folder("small-confirm")).folder / "confirm.json"
    stored = checked.read(file)
    assert not stored.pop("resplit")
    checked.write(file, stored)
    before = confirmation.read(study, places.resolve()).record()
    again = confirmation.ask(study, places.resolve(), 2, 2)
    assert not again.resplit
    assert not [each for each in confirm(study, again) if isinstance(each, TrialStarted)]
    assert confirmation.read(study, places.resolve()).record() == before
    assert before.spread is None
    assert confirmation.ask(study, places.resolve(), 2, 2, resplit=True).resplit


def test_variants_meet_the_same_new_splits():
    question = comparison.ask(STUDY, seeds=2, resplit=True)
    list(comparison.run(STUDY, places.resolve(), Options(**ONE), question, threading.Event()))
    assert splits("small-compare") == {0: {3}, 1: {4}}
    study, asked = comparison.last_asked(STUDY, places.resolve())
    found = comparison.of(study, places.resolve(), asked).record()
    assert found.resplit
    assert found.spread.recipes == 2
    assert "between trainings on one split" in text_of(comparison.of(study, places.resolve(), asked).blocks(), 200)
    assert not comparison.ask(STUDY, seeds=2).resplit


def test_the_same_seeds_on_new_splits_are_another_look():
    first, again = (comparison.ask(STUDY, seeds=2, resplit=each) for each in (False, True))
    for question in (first, again, again):
        list(comparison.run(STUDY, places.resolve(), Options(**ONE), question, threading.Event()))
    journal = Journal(places.resolve().study_folder("small-compare"))
    assert [each["resplit"] for each in journal.openings()] == [False, True]
    looks = [comparison.of(STUDY, places.resolve(), each).record().look for each in (first, again)]
    assert looks == [1, 2]
    file = journal.folder / "openings.json"
    older = [{key: value for key, value in each.items() if key != "resplit"} for each in journal.openings()[:1]]
    checked.write(file, {"looks": older})  # as before there were new splits
    list(comparison.run(STUDY, places.resolve(), Options(**ONE), first, threading.Event()))
    assert len(journal.openings()) == 1


@pytest.mark.parametrize(
    "study",
    [
        STUDY.fix({"split_seed": 5}),
        replace(STUDY, recipe=STUDY.recipe_for({"val_fraction": 0}), metric="train_accuracy"),
    ],
)
def test_where_there_is_no_other_split_none_is_made(study):
    assert not resplits.possible(study)
    with pytest.raises(InputError, match="there is no other split of these data"):
        comparison.ask(study, seeds=2, resplit=True)


def test_final_scores_on_all_examples_have_no_split():
    study = searched(replace(STUDY, final={"val_fraction": 0}))
    confirm(study, confirmation.ask(study, places.resolve(), 1, 2))
    assert splits("small-confirm") == {1000: {1003}, 1001: {1004}}
    assert set().union(*splits("small-final").values()) == {3}
    found = confirmation.read(study, places.resolve()).record()
    assert (found.spread, found.score_spread) == (None, None)  # one contender shares nothing with another
