"""Fixtures of the engine's tests: one thread as a worker has, data sets made once, short ways to train."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from study.data import packed
from study.engine import train
from study.recipe import Recipe


@pytest.fixture(autouse=True)
def one_thread():
    """The bits of a training depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def packs_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("packs")


@pytest.fixture
def data(monkeypatch, packs_folder):
    """Data sets are made once for all tests that ask for them in this way."""
    monkeypatch.setenv("STUDY_CACHE", str(packs_folder))


@pytest.fixture
def small(data):
    """A recipe that trains in some hundredths of a second."""

    def make(**knobs):
        start = {
            "dataset": "digits", "model": "mlp", "hidden": (8,), "train_size": 100, "epochs": 2, "batch_size": 32,
        }  # fmt: skip
        if "steps" in knobs:
            del start["epochs"]
        if knobs.get("model") not in {None, "mlp"}:
            del start["hidden"]
        return Recipe.model_validate({**start, **knobs})

    return make


@pytest.fixture
def image_pack(data):
    """Make a pack of random images with a hint of their class."""

    def make(name, *, side=8, channels=3, train=60, test=20, classes=2):
        random = np.random.default_rng(0)

        def split(count):
            y = np.arange(count, dtype=np.int64) % classes
            x = random.integers(0, 256, (count, side, side, channels), dtype=np.uint8)
            x[:, 0, 0] = (y * 255 // (classes - 1))[:, None]
            return x, y

        (train_x, train_y), (test_x, test_y) = split(train), split(test)
        arrays = {"train_x": train_x, "train_y": train_y, "test_x": test_x, "test_y": test_y}
        names = [str(each) for each in range(classes)]
        return packed.write(name, arrays, kind="image", classes=names, source="made by a test", imported=True)

    return make


@pytest.fixture
def run():
    """Train to the end: metrics of each epoch, the last state, the evaluation."""

    def to_the_end(recipe, resume=None):
        training = train(recipe, resume)
        metrics, state = [], resume
        while True:
            try:
                epoch = next(training)
            except StopIteration as end:
                return metrics, state, end.value
            metrics.append(dict(epoch.metrics))
            state = epoch.state()

    return to_the_end


@pytest.fixture
def digest():
    """One hash over the tensors in a nested dict, to the bit."""

    def over(tensors):
        total = hashlib.sha256()
        for tensor in flat(tensors):
            total.update(tensor.contiguous().numpy().tobytes())
        return total.hexdigest()

    return over


def flat(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from flat(each)
