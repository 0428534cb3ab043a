"""What a worker leaves in a trial's folder: the weights that its score is of."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import BaseModel
from safetensors import safe_open

from study import Epoch, Study
from study.events import Failed, Finished, Started
from study.executors import Job
from study.executors.worker import perform
from study.record import weights
from study.record.journal import TrialFolder


class Given(BaseModel):
    """A training whose scores are known beforehand; its one weight is the number of the epoch."""

    scores: tuple[float, ...]


def train(recipe, resume):
    done = int(resume["model"]["w"]) if resume else 0
    for number, score in enumerate(recipe.scores[done:], done + 1):
        state = {"model": {"w": torch.tensor(float(number))}}
        yield Epoch(number, {"score": score}, state=lambda state=state: state)


def job(path, scores, direction="maximize"):
    path.mkdir(exist_ok=True)
    study = Study(name="given", recipe=Given(scores=scores), train=train, metric="score", direction=direction)
    return Job.of(study, 0, {"scores": scores}, TrialFolder(path))


def weight_in(path):
    with safe_open(path, "pt") as content:
        about = {name: text for name, text in content.metadata().items() if name not in weights.MARKS}
        return content.get_tensor("w").item(), about


@pytest.fixture
def folder(tmp_path):
    return TrialFolder(tmp_path / "0")


@pytest.mark.parametrize(
    ("scores", "direction", "best"),
    [((0.5, 0.9, 0.7), "maximize", 2), ((0.5, 0.9, 0.7), "minimize", 1), ((0.9, 0.9), "maximize", 1)],
)
def test_the_last_epochs_weights_are_kept_beside_better_ones(folder, scores, direction, best):
    events = list(perform(job(folder.path, scores, direction), "cpu"))
    assert isinstance(events[-1], Finished)
    assert weight_in(folder.best) == (best, {"epoch": str(best), "score": repr(scores[best - 1])})
    assert weight_in(folder.last) == (len(scores), {"epoch": str(len(scores)), "score": repr(scores[-1])})


@pytest.mark.parametrize("scores", [(0.5, 0.7, 0.9), (0.5, 0.9, float("nan"))])
def test_weights_are_kept_once_where_the_last_epoch_is_the_best_and_where_the_training_diverged(folder, scores):
    list(perform(job(folder.path, scores), "cpu"))
    assert folder.best.exists()
    assert not folder.last.exists()


def test_an_epoch_after_a_diverged_one_can_still_be_the_best(folder):
    """It was neither: its weights were lost, since nothing is larger than NaN."""
    list(perform(job(folder.path, (0.5, float("nan"), 0.9)), "cpu"))
    assert weight_in(folder.best)[0] == 3
    assert not folder.last.exists()


def test_a_worker_that_died_between_the_last_epoch_and_the_end_keeps_the_last_weights_when_it_comes_back(folder):
    events = perform(job(folder.path, (0.5, 0.9, 0.7)), "cpu")
    while next(events) != Epoch(3, {"score": 0.7}):
        pass
    events.close()
    assert not folder.last.exists()
    assert isinstance(list(perform(job(folder.path, (0.5, 0.9, 0.7)), "cpu"))[-1], Finished)
    assert weight_in(folder.last)[0] == 3


def odd(recipe, resume):
    yield recipe.epoch


class Odd(BaseModel):
    """What a training yields, whatever that is."""

    model_config = {"arbitrary_types_allowed": True}
    epoch: object


def yielded(folder, what):
    folder.path.mkdir(exist_ok=True)
    study = Study(name="odd", recipe=Odd(epoch=what), train=odd, metric="score")
    return list(perform(Job.of(study, 0, {"epoch": what}, folder), "cpu"))[1]


@pytest.mark.parametrize("value", [np.float32(0.5), torch.tensor(0.5), torch.tensor([0.5]), 0.5, np.int64(1), True])
def test_numbers_of_numpy_and_torch_are_metrics_too(folder, value):
    event = yielded(folder, Epoch(1, {"score": value}))
    assert type(event.metrics["score"]) is float
    assert event.metrics["score"] == float(value)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"score": 0.5}, "the training yields dict, not study.Epoch"),
        (Epoch(0, {"score": 0.5}), "epoch 0 where epoch 1 is due"),
        (Epoch(2, {"score": 0.5}), "epoch 2 where epoch 1 is due"),
        (Epoch(1, {"loss": 0.5}), "epoch 1 has no metric 'score', by which the study judges; it has loss"),
        (Epoch(1, {"score": None}), "metric 'score' is a NoneType, not a number: None"),
        (Epoch(1, {"score": "abc"}), "metric 'score' is a str, not a number: 'abc'"),
        (Epoch(1, {"score": torch.zeros(2)}), "metric 'score' is a Tensor, not a number"),
    ],
)
def test_what_is_no_epoch_fails_the_trial_and_says_what_was_wanted(folder, what, reason):
    event = yielded(folder, what)
    assert isinstance(event, Failed)
    assert reason in event.reason


def returning(recipe, resume):
    yield Epoch(1, {"score": 0.5}, last=True)
    return recipe.epoch


@pytest.mark.parametrize(
    ("result", "kept"),
    [
        (None, None),
        ({"test": {"score": np.float32(0.5)}}, {"test": {"score": 0.5}}),
        ({"test": {"score": torch.tensor(0.5)}}, {"test": {"score": 0.5}}),
        ({"matrix": np.eye(2), "mean": torch.tensor(3)}, {"matrix": [[1.0, 0.0], [0.0, 1.0]], "mean": 3}),
        (0.93, "the training returns a float, not a dict or nothing"),
        ({"test": 0.93}, "the training returns a float as 'test', not a dict of scores"),
        ({"test": {"score": "good"}}, "metric 'score' is a str, not a number: 'good'"),
        ({"plot": threading.Lock()}, "what the training returns is not JSON: lock"),
    ],
)
def test_what_a_training_returns_is_kept_as_json_or_fails_its_trial(folder, result, kept):
    """It ended the whole search with an error of ours, again with each restart."""
    folder.path.mkdir()
    study = Study(name="returning", recipe=Odd(epoch=result), train=returning, metric="score")
    end = list(perform(Job.of(study, 0, {"epoch": result}, folder), "cpu"))[-1]
    assert isinstance(end, Failed if isinstance(kept, str) else Finished), end
    assert kept in end.reason if isinstance(kept, str) else end.evaluation == kept


def test_a_checkpoint_whose_epochs_lack_the_metric_is_not_gone_on_from(folder):
    """The study's metric was changed with --accept: the loop ended with a KeyError."""
    list(perform(job(folder.path, (0.5, 0.9)), "cpu"))
    study = Study(name="given", recipe=Given(scores=(0.5,)), train=judged_anew, metric="val_f1")
    started, *events = perform(Job.of(study, 0, {"scores": (0.5,)}, folder), "cpu")
    assert (started.epochs, started.anew) == (
        0,
        "the study is judged by 'val_f1' now, which its epochs do not have",
    )
    assert [type(event) for event in events] == [Epoch, Finished]


def judged_anew(recipe, resume):
    assert resume is None
    yield Epoch(1, {"val_f1": 0.5}, last=True)


class Asks(BaseModel):
    """A training that is a script at heart: it reads its command line and logs to MLflow."""


def asks(recipe, resume):
    import argparse

    import mlflow

    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.5)
    rate = parser.parse_args().lr
    with mlflow.start_run():
        mlflow.log_metric("mine", 1.0)
    mlflow.set_tracking_uri(f"sqlite:///{Path('later.db').absolute()}")
    yield Epoch(1, {"score": rate})
    mlflow.set_tracking_uri(None)


def test_a_training_sees_neither_our_arguments_nor_our_mlflow(folder, monkeypatch):
    ours = f"sqlite:///{Path('ours.db').absolute()}"
    monkeypatch.setattr(sys, "argv", ["study", "run", "asks", "--trials", "3"])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ours)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "everybody")
    folder.path.mkdir()
    study = Study(name="asks", recipe=Asks(), train=asks, metric="score")
    events = list(perform(Job.of(study, 0, {}, folder), "cpu"))
    assert isinstance(events[-1], Finished), events[-1]
    assert events[1].metrics == {"score": 0.5}
    assert sys.argv == ["study", "run", "asks", "--trials", "3"]
    assert os.environ["MLFLOW_TRACKING_URI"] == ours
    assert not Path("ours.db").exists()
    with closing(sqlite3.connect("mlflow.db")) as theirs:
        assert theirs.execute("SELECT key FROM metrics").fetchall() == [("mine",)]


def stateful(recipe, resume):
    for number in range(1, 4):
        yield Epoch(number, {"score": 0.5}, state=lambda number=number: {"number": number, "kept": recipe.epoch})


class Strange:
    """No type that is loaded."""


@pytest.mark.parametrize("kept", [Strange(), [Strange], {"a": lambda: 1}, threading.Lock()], ids=type)
def test_a_state_that_could_not_be_loaded_fails_in_the_first_epoch(folder, kept):
    folder.path.mkdir()
    study = Study(name="stateful", recipe=Odd(epoch=kept), train=stateful, metric="score")
    events = list(perform(Job.of(study, 0, {"epoch": kept}, folder), "cpu"))
    assert [type(event) for event in events] == [Started, Failed]
    assert "It may hold tensors, numbers, strings, paths" in events[-1].reason
    assert not folder.checkpoint.exists()


def sided(recipe, resume):
    yield Epoch(1, {"score": 0.5, "side": float("nan")}, state=lambda: {"model": {"w": torch.ones(1)}}, last=True)


def test_a_side_metric_that_is_not_finite_costs_no_checkpoint(folder):
    folder.path.mkdir()
    study = Study(name="sided", recipe=Asks(), train=sided, metric="score")
    list(perform(Job.of(study, 0, {}, folder), "cpu"))
    assert folder.checkpoint.exists()
    assert weight_in(folder.best)[0] == 1.0


def test_a_training_whose_checkpoint_is_damaged_goes_on_from_the_one_before_to_the_same_epochs(folder):
    asked = job(folder.path, (0.5, 0.9, 0.7), "maximize")
    whole = [event for event in perform(asked, "cpu") if isinstance(event, Epoch)]
    content = bytearray(folder.checkpoint.read_bytes())
    content[-5] ^= 1
    folder.checkpoint.write_bytes(content)
    started, *events = perform(asked, "cpu")
    assert (started.epochs, started.damaged) == (2, "checkpoint.pt is damaged")
    assert [event for event in events if isinstance(event, Epoch)] == whole
