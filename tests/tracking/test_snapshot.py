"""What is read out of a trial's log to be told."""

import math

import pytest

from study.tracking.snapshot import read, replay


def epoch(number, value=None, time=0.0):
    return {"kind": "epoch", "number": number, "metrics": {"loss": value or number / 3}, "seconds": 1.0, "time": time}


def restarted(epochs):
    return {"kind": "restarted", "epochs": epochs, "time": 0.0}


ENDED = {"kind": "ended", "time": 0.0}


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
    kept, found = replay(records)
    assert (sorted(kept), found) == (numbers, replays)


def test_an_epoch_trained_again_with_the_same_result_keeps_its_first_time():
    kept, _ = replay([epoch(1, time=10.0), restarted(0), epoch(1, time=20.0)])
    assert kept[1]["time"] == 10.0


def test_an_epoch_trained_again_with_another_result_has_the_second_one():
    kept, _ = replay([epoch(1, value=8.0, time=10.0), restarted(0), epoch(1, value=9.0, time=20.0)])
    assert (kept[1]["metrics"], kept[1]["time"]) == ({"loss": 9.0}, 20.0)


def test_a_snapshot_says_where_the_trial_ran_and_how_often_a_worker_died(folders):
    trial = folders.trial(epochs=2)
    trial.append("died", reason="killed by signal 9")
    trial.append("started", device="cuda:1")
    snapshot = read(trial)
    assert (snapshot.device, snapshot.deaths, snapshot.last, snapshot.ended) == ("cuda:1", 1, 2, None)
