"""What a trial's log says of epochs that were trained twice."""

import math

import pytest

from study.record.history import History
from study.record.trial import Trial


def epoch(number, value=None, time=0.0):
    return {"kind": "epoch", "number": number, "metrics": {"loss": value or number / 3}, "seconds": 1.0, "time": time}


def restarted(epochs):
    return {"kind": "restarted", "epochs": epochs, "time": 0.0}


ENDED = {"kind": "ended", "time": 0.0, "state": "complete", "value": 1.0, "reason": "", "evaluation": None}


def replay(records):
    history = History()
    for record in records:
        history.take(record)
    return history


@pytest.mark.parametrize(
    ("records", "numbers", "replays"),
    [
        ([], [], 0),
        ([epoch(1), epoch(2)], [1, 2], 0),
        ([epoch(1), epoch(2), restarted(1)], [1], 0),
        ([epoch(1), epoch(2), restarted(1), epoch(2), ENDED], [1, 2], 0),
        ([epoch(1), epoch(2), restarted(1), epoch(2, value=9.0)], [1, 2], 1),
        ([epoch(1), epoch(2), epoch(3), restarted(1), epoch(2, value=9.0), epoch(3), ENDED], [1, 2, 3], 1),
        ([epoch(1), restarted(0), epoch(1, value=8.0), restarted(0), epoch(1, value=9.0)], [1], 2),
        ([epoch(1), epoch(2), restarted(1), ENDED], [1], 1),
        ([epoch(1, value=math.nan), restarted(0), epoch(1, value=math.nan)], [1], 0),
        ([{"kind": "of a later version"}, epoch(1)], [1], 0),
    ],
    ids=["empty", "plain", "awaited", "same again", "other", "other first", "twice", "never again", "nan", "unknown"],
)
def test_an_epoch_trained_again_counts_as_a_replay_only_if_it_came_out_otherwise(records, numbers, replays):
    history = replay(records)
    assert ([epoch.number for epoch in history.epochs], history.replays) == (numbers, replays)


def test_an_epoch_trained_again_with_the_same_result_keeps_its_first_time():
    assert replay([epoch(1, time=10.0), restarted(0), epoch(1, time=20.0)]).times == [10.0]


def test_an_epoch_trained_again_with_another_result_has_the_second_one():
    history = replay([epoch(1, value=8.0, time=10.0), restarted(0), epoch(1, value=9.0, time=20.0)])
    assert (history.epochs[0].metrics, history.times) == ({"loss": 9.0}, [20.0])


def test_a_trial_says_where_it_ran_and_how_often_a_worker_died(made):
    folder = made.trial(6)
    folder.append("died", reason="killed by signal 9")
    folder.append("started", device="cuda:1")
    history = Trial.of(folder).history
    assert (history.device, len(history.deaths), len(history.epochs), history.ended) == ("cuda:1", 1, 2, None)


def test_deaths_count_until_a_trial_gets_further_than_ever_before():
    died, log = {"kind": "died", "reason": "killed", "time": 0.0}, []
    counted = [
        replay(log := [*log, record]).deaths_in_vain
        for record in (died, died, epoch(1), epoch(2), died, restarted(0), epoch(1), epoch(2), died, epoch(3))
    ]
    assert counted == [1, 2, 0, 0, 1, 1, 1, 1, 2, 0]  # what dies in epoch 3 each time, started over each time, ends


def test_the_files_of_a_trial_are_read_once(made):
    trial = Trial.of(made.trial(2))
    row, recipe = trial.row, trial.recipe
    for file in trial.folder.path.iterdir():
        file.unlink()
    assert (trial.row, trial.recipe, trial.epochs()[-1]["val_accuracy"]) == (row, recipe, 0.9125)
