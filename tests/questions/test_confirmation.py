"""Confirmation: fresh seeds, a race that keeps the best, the test split once, a score that can be believed."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from study import settings as places
from study.errors import InputError, Interrupted
from study.metric import Metric
from study.options import Options
from study.progress import Notice, TrialEpoch, TrialStarted
from study.questions import comparison, confirmation, search
from study.record import results
from study.record.family import Family
from study.record.journal import Journal
from study.study_files import load

NOISY = Path(__file__).parents[1] / "noisy.py"
ONE = {"executor": "inline", "track": False}


def searched(study, trials=20):
    list(search.run(study, places.resolve(), Options(trials=trials, sampler="random", **ONE), threading.Event()))
    return study


@pytest.fixture
def study():
    return searched(load(str(NOISY)))


def both(study, question, *, stop=None):
    stop = stop or threading.Event()
    yield from confirmation.run(study, places.resolve(), Options(**ONE), question, stop)


def confirmed(study, top=5, seeds=4):
    question = confirmation.ask(study, places.resolve(), top, seeds)
    list(both(study, question))
    return confirmation.read(study, places.resolve())


def journal(name):
    return Journal(places.resolve().study_folder(name))


def test_the_best_trials_meet_seeds_that_neither_the_search_nor_each_other_s_score_has_seen(study):
    confirmed(study)
    seeds = {
        name: {trial.recipe()["seed"] for trial in journal(name).trials()}
        for name in ("noisy", "noisy-confirm", "noisy-final")
    }
    assert seeds["noisy"] == {0}
    assert seeds["noisy-confirm"] == {1000, 1001, 1002, 1003}
    assert seeds["noisy-final"] == {2000, 2001, 2002, 2003}


@pytest.mark.parametrize(("held", "given", "seed"), [({}, 1000, 1000), ({"seed": 7}, 0, 7)])
def test_fresh_seeds_are_counted_on_from_the_search_s_own_however_it_was_given(held, given, seed):
    how = Options(trials=10, sampler="random", seed=given, **ONE)
    list(search.run(load(str(NOISY)).fix(held), places.resolve(), how, threading.Event()))
    study = Family("noisy", places.resolve().home).as_searched(load(str(NOISY)))
    found = confirmed(study, top=3)
    assert {trial.recipe()["seed"] for trial in journal("noisy").trials()} == {seed}
    for name, first in (("noisy-confirm", seed + 1000), ("noisy-final", seed + 2000)):
        assert {trial.recipe()["seed"] for trial in journal(name).trials()} == set(range(first, first + 4))
    again = Family("noisy", places.resolve().home).as_confirmed()
    assert confirmation.read(again, places.resolve()).record() == found.record()
    assert found.winner is not None


def test_the_contenders_are_the_best_complete_trials_and_no_recipe_comes_twice(study):
    question = confirmation.ask(study, places.resolve(), 5, 4)
    rows = results.ranked(results.rows(journal("noisy")), Metric("val_accuracy"))
    assert question.trials == tuple(row.number for row in rows if row.state == "complete")[:5]

    again = replace(study, name="twice", space=lambda _: {"x": 0.55})
    again = replace(again, train=study.train, variants={})
    assert len(confirmation.ask(searched(again, 3), places.resolve(), 5, 4).trials) == 1


def test_the_winner_has_the_best_mean_and_the_score_is_of_the_test_split_alone(study):
    found = confirmed(study)
    left = [each for each in found.contenders if each.dropped is None]
    assert found.winner.mean.value == max(each.mean.value for each in left)
    tested = [trial.history().ended for trial in journal("noisy-final").trials()]
    values = [ended.value for ended in tested if ended.evaluation["test"]["accuracy"] == ended.value]
    assert sorted((*found.score.values, *found.baseline.values)) == sorted(values)
    assert found.gain.difference == pytest.approx(found.score.mean.value - found.baseline.mean.value)
    assert found.optimism == found.winner.search_value - found.score.mean.value
    assert found.complete


def test_what_the_search_saw_of_the_winner_of_a_loss_is_too_low(study):
    loss = replace(study, name="loss", direction="minimize")
    found = confirmed(searched(loss))
    assert found.winner.mean.value == min(each.mean.value for each in found.contenders if each.dropped is None)
    assert found.optimism == found.score.mean.value - found.winner.search_value


def test_surely_worse_contenders_are_dropped_early_and_are_shown_last(study):
    spread = replace(study, name="spread", space=lambda trial: {"x": trial.suggest_float("x", 0.0, 1.0)})
    found = confirmed(searched(spread), top=8, seeds=5)
    dropped = [each for each in found.contenders if each.dropped is not None]
    assert dropped
    assert all(len(each.values) == each.dropped < 5 for each in dropped)
    assert found.contenders[-len(dropped) :] == tuple(dropped)
    assert all(each.behind for each in dropped)


def test_confirmed_again_nothing_is_left_to_run(study):
    before = confirmed(study)
    question = confirmation.ask(study, places.resolve(), 5, 4)
    assert not [each for each in both(study, question) if isinstance(each, TrialStarted)]
    assert confirmation.read(study, places.resolve()) == before


def test_stopped_and_resumed_the_answer_is_the_same_to_the_bit(study):
    whole = confirmed(study)
    copy = searched(replace(study, name="stopped"))
    question = confirmation.ask(copy, places.resolve(), 5, 4)
    for _ in range(6):
        stop = threading.Event()
        try:
            for count, each in enumerate(both(copy, question, stop=stop)):
                if count > 7 and isinstance(each, TrialEpoch):
                    stop.set()
        except Interrupted:
            continue
    list(both(copy, question))
    found = confirmation.read(copy, places.resolve())
    assert (found.contenders, found.score, found.gain) == (whole.contenders, whole.score, whole.gain)


def test_half_done_it_tells_what_is_known(study):
    question = confirmation.ask(study, places.resolve(), 3, 3)
    seen = []
    for each in both(study, question):
        if isinstance(each, TrialStarted):
            found = confirmation.of(study, places.resolve(), question)
            seen.append((found.score and len(found.score.values), found.baseline and len(found.baseline.values)))
            assert (found.gain.n if found.gain else 0) != 1
    assert seen[-5:] == [(1, 0), (1, 1), (2, 1), (2, 2), (3, 2)]


def test_each_look_at_the_test_split_is_written_down_and_a_second_one_is_said(study):
    first = confirmation.ask(study, places.resolve(), 5, 4)
    assert not [each for each in both(study, first) if isinstance(each, Notice)]
    list(both(study, first))
    assert len(journal("noisy-final").openings()) == 1
    more = confirmation.ask(study, places.resolve(), 5, 5)
    notices = [each.text for each in both(study, more) if isinstance(each, Notice)]
    assert "the test split has been looked at before, 1 time, in noisy-final, last on" in notices[0]
    looks = journal("noisy-final").openings()
    assert [each["seeds"] for each in looks] == [4, 5]
    assert len(looks[0]["recipes"]) == 2
    assert looks[0]["command"]


def test_a_look_of_a_comparison_counts_too(study):
    two = replace(study, variants={"baseline": {}, "other": {"x": 0.6}})
    options = Options(**ONE)
    list(comparison.run(two, places.resolve(), options, comparison.ask(two, seeds=2), threading.Event()))
    question = confirmation.ask(study, places.resolve(), 2, 2)
    notices = [each.text for each in both(study, question) if isinstance(each, Notice)]
    assert "looked at before, 1 time, in noisy-compare, last on" in notices[0]


def test_before_the_race_is_over_there_is_no_winner_and_no_test(study):
    question = confirmation.ask(study, places.resolve(), 5, 4)
    found = confirmation.of(study, places.resolve(), question)
    assert (found.winner, found.score, found.complete) == (None, None, False)
    list(confirmation.run(study, places.resolve(), Options(timeout=1e-6, **ONE), question, threading.Event()))
    assert not journal("noisy-final").folder.exists()


def test_never_asked_there_is_nothing_to_read(study):
    assert confirmation.read(study, places.resolve()) is None


def test_a_contender_that_always_fails_does_not_win(study):
    fails = replace(study, name="fails")
    question = confirmation.ask(searched(fails), places.resolve(), 3, 4)
    best = question.trials[0]
    worse = replace(question, arms={**question.arms, best: {**question.arms[best], "spread": -1.0}})
    list(both(fails, worse))
    found = confirmation.of(fails, places.resolve(), worse)
    assert found.winner.trial != best
    assert next(each for each in found.contenders if each.trial == best).dropped == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 5), "--top must be 1 or more"), ((5, 1), "--seeds must be 2 or more, not 1. One seed is not enough")],
)
def test_a_question_without_sense_is_refused(study, arguments, message):
    with pytest.raises(InputError, match=message):
        confirmation.ask(study, places.resolve(), *arguments)


def test_a_search_without_a_complete_trial_cannot_be_confirmed():
    with pytest.raises(InputError, match=r"no complete trial to confirm\. Search first: `study run noisy`"):
        confirmation.ask(load(str(NOISY)), places.resolve())


def test_the_question_is_kept_beside_the_race(study):
    confirmed(study)
    stored = json.loads((journal("noisy-confirm").folder / "confirm.json").read_text())
    assert stored["seeds"] == 4
    assert len(stored["trials"]) == 5


def test_another_number_is_shown_of_what_it_asks_for_and_without_any_the_last_question(study):
    found = confirmed(study, top=3, seeds=3)
    assert confirmation.shown(study, places.resolve()) == found
    fewer = confirmation.shown(study, places.resolve(), top=2, seeds=3)
    assert [each.trial for each in fewer.contenders] != [each.trial for each in found.contenders]
    assert (fewer.top, fewer.seeds) == (2, 3)
    more = confirmation.shown(study, places.resolve(), top=3, seeds=4).record()
    assert (more.seeds, more.complete, more.winner) == (4, False, None)
    assert max(each.n for each in more.contenders) == 3
    with pytest.raises(InputError, match="--seeds must be 2 or more, not 1"):
        confirmation.shown(study, places.resolve(), seeds=1)
