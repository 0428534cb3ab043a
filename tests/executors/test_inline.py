"""The executor in this process, beyond its contract: it trains as a worker does, and leaves the process as it was."""

from __future__ import annotations

import pytest
import torch
from pydantic import BaseModel

import study
from study import Epoch, Study


class Nothing(BaseModel, frozen=True, extra="forbid"):
    seed: int = 0


def train(recipe, resume):
    yield Epoch(1, {"threads": torch.get_num_threads()})


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_it_trains_with_one_thread_as_a_worker_does_and_gives_the_others_back(two_threads):
    counts = Study(name="counts", recipe=Nothing(), train=train, metric="threads")
    assert study.run(counts, 1, executor="inline", track=False).best.value == 1
    assert torch.get_num_threads() == 2
