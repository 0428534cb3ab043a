"""Trials in memory: numbers are those of the folders, a sample follows from what was before, arrivals come in."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue

import optuna
import pytest
from optuna.trial import TrialState

from study.events import Epoch
from study.record.journal import Journal
from study.sampling.trials import Trials
from study.study_files import load

TOY = load(str(Path(__file__).parents[1] / "toy.py"))


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "toy")


def make(journal, number, x, values=(), end=None, **about):
    about = {
        "uid": f"u{number}", "created": 1.7e9, "variant": None, "overrides": {"x": x}, "params": {},
        "distributions": {}, "metric": "score", **about,
    }  # fmt: skip
    folder = journal.create(number, "{}", about)
    for epoch, value in enumerate(values, 1):
        folder.append("epoch", number=epoch, metrics={"score": value}, seconds=1.0)
    if end:
        folder.append("ended", state=end, value=values[-1], reason="", evaluation=None)
    return folder


def trials(journal, arrivals=None, *, pruner="median", seed=0):
    return Trials(TOY, journal, arrivals or SimpleQueue(), "tpe", pruner, seed)


def waiting(number, params, uid="theirs"):
    trial = optuna.trial.create_trial(
        state=TrialState.WAITING, system_attrs={"fixed_params": params}, user_attrs={"uid": uid}
    )
    trial.number = number
    return trial


def test_they_are_read_from_the_folders_and_a_missing_folder_keeps_its_number(journal):
    make(journal, 0, 0.1, [0.5], end="complete")
    make(journal, 2, 0.2, [0.5], end="pruned", variant="zero")
    make(journal, 3, 0.3, [0.5])
    found = trials(journal)
    assert (found.finished(), found.running(), found.variants_seen()) == (2, [3], {"zero"})
    left = found.left(3)
    assert (left.number, left.overrides, left.uid, left.resumed) == (3, {"x": 0.3}, "u3", True)
    assert found.of_variant("right").number == 4


def test_a_sample_follows_from_the_seed_and_the_trials_before_it(journal):
    for number in range(12):
        make(journal, number, number / 12, [number / 12], end="complete")
    first = trials(journal).ask()
    assert first == trials(journal).ask()
    assert first.overrides != trials(journal, seed=1).ask().overrides
    assert first.uid is None


def test_an_enqueued_trial_is_asked_first_with_its_parameters_and_its_uid(journal):
    make(journal, 0, 0.1, [0.5], end="complete")
    arrivals = SimpleQueue()
    found = trials(journal, arrivals)
    arrivals.put(waiting(7, {"x": 0.125}))  # its number in the database
    found.refresh()
    asked = found.ask()
    assert (asked.number, asked.overrides, asked.uid) == (1, {"x": 0.125}, "theirs")
    assert found.ask().number == 2


def test_what_arrived_before_keeps_its_number_where_no_folder_has_it(journal):
    make(journal, 0, 0.1, [0.5], end="complete")
    arrivals = SimpleQueue()
    arrivals.put(waiting(0, {"x": 0.25}, "taken"))
    arrivals.put(waiting(3, {"x": 0.5}, "free"))
    found = trials(journal, arrivals)
    asked = [found.ask(), found.ask()]
    assert [(each.number, each.uid) for each in asked] == [(1, "taken"), (3, "free")]


def test_finished_trials_without_a_folder_count_and_are_counted(journal):
    arrivals = SimpleQueue()
    by_hand = optuna.trial.create_trial(value=0.5)
    by_hand.number = 0
    arrivals.put(by_hand)
    found = trials(journal, arrivals)
    assert (found.finished(), found.elsewhere()) == (1, 1)


def test_a_trial_that_has_gone_on_from_a_pause_is_not_judged_there_again(journal):
    for number in range(6):
        make(journal, number, 0.3, [0.5, 0.6, 0.7], end="complete")
    for number in (6, 7):
        make(journal, number, 0.0, [0.1])
    journal.trial(6).append("paused", epochs=1)
    journal.trial(6).append("started", device="cpu")
    found = trials(journal, pruner="promotion")
    assert (found.paused, found.running()) == ({}, [6, 7])
    assert [found.should_prune(number) for number in (6, 7)] == [False, True]


def test_the_pruner_judges_by_what_was_reported(journal):
    for number in range(6):
        make(journal, number, 0.3, [0.5, 0.6, 0.7], end="complete")
    found = trials(journal)
    for number, score in ((6, 0.9), (7, 0.1)):
        folder = make(journal, number, 0.0)
        found.add(folder, folder.about())
        for epoch in (1, 2, 3):
            found.report(number, Epoch(epoch, {"score": score}))
    assert not found.should_prune(6)
    assert found.should_prune(7)
    found.end(7, make(journal, 8, 0.0, [0.1], end="pruned").history().ended)
    assert found.running() == [6]
