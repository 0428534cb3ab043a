"""A search beside MLflow: what it is told of the trouble, and what MLflow has when it breaks off."""

import time
from dataclasses import replace

import pytest

from study import tracking
from study.errors import PlaceError
from study.events import Epoch
from study.progress import Notice, TrialEpoch
from study.stopping import Stop


def test_a_search_is_told_once_that_mlflow_is_away_and_at_its_end_what_to_do(settings, folders):
    notices = []

    def search():
        trial = folders.trial()
        for epoch in range(1, 400):
            folders.epoch(trial, epoch)
            yield TrialEpoch(trial.number, Epoch(epoch, {}))
            if notices:
                return
            time.sleep(0.2)

    away = replace(settings, tracking_uri="http://127.0.0.1:9")
    for each in tracking.tracked(search(), folders.journal, away, Stop()):
        if isinstance(each, Notice):
            notices.append(each.text)  # noqa: PERF401 - the search looks at it
    assert notices == [
        "MLflow at http://127.0.0.1:9: nothing answers there (the search continues and sends it later)",
        "MLflow does not have all of 1 trial yet: `study sync tiny` sends the rest",
    ]


def test_a_search_that_breaks_off_has_its_trials_in_mlflow(settings, folders, seen):
    def search():
        trial = folders.trial(epochs=2)
        yield TrialEpoch(trial.number, Epoch(2, {}))
        raise PlaceError("the disk is full")

    with pytest.raises(PlaceError, match="disk is full"):
        list(tracking.tracked(search(), folders.journal, settings, Stop()))
    assert seen.points() == folders.points()
