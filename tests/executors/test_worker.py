"""What a worker leaves in a trial's folder: the weights that its score is of."""

from __future__ import annotations

import pytest
import torch
from pydantic import BaseModel
from safetensors import safe_open

from study import Epoch, Study
from study.events import Finished
from study.executors import Job
from study.executors.worker import perform
from study.journal import TrialFolder


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
        return content.get_tensor("w").item(), content.metadata()


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


def test_a_worker_that_died_between_the_last_epoch_and_the_end_keeps_the_last_weights_when_it_comes_back(folder):
    events = perform(job(folder.path, (0.5, 0.9, 0.7)), "cpu")
    while next(events) != Epoch(3, {"score": 0.7}):
        pass
    events.close()
    assert not folder.last.exists()
    assert isinstance(list(perform(job(folder.path, (0.5, 0.9, 0.7)), "cpu"))[-1], Finished)
    assert weight_in(folder.last)[0] == 3
