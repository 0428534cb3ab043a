"""The share of a GPU with `--gpus-per-trial auto`: from what trials need, wider after a trial ran out of memory."""

from __future__ import annotations

import pytest

from study.executors.shares import Share


@pytest.mark.parametrize(
    ("needs", "share"),
    [
        ([], 1.0),
        ([0.95], 1.0),
        ([0.46], 1.0),  # two of them would need more than 90 %
        ([0.45], 0.5),
        ([0.2], 0.25),
        ([0.2, 0.1], 0.25),  # the most that any has needed
        ([0.1, 0.2], 0.25),
        ([0.05], 1 / 18),
    ],
)
def test_as_many_trials_share_a_gpu_as_fit_into_nine_tenths_of_its_memory(needs, share):
    found = Share(1.0, is_measured=True)
    for need in needs:
        found.learn(need)
    assert found.gpus == share


def test_it_tells_whether_the_share_changes():
    found = Share(1.0, is_measured=True)
    assert [found.learn(need) for need in (0.2, 0.2, 0.21, 0.1, 0.3)] == [True, False, False, False, True]


def test_a_trial_that_runs_out_of_memory_doubles_the_share_until_it_has_a_gpu_alone():
    found = Share(1.0, is_measured=True)
    found.learn(0.15)
    tried = []
    while found.widen(found.gpus):
        tried.append(found.gpus)
    assert tried == [pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0]


def test_of_trials_that_ran_out_of_memory_together_each_doubles_its_own_share():
    found = Share(1.0, is_measured=True)
    found.learn(0.2)
    assert found.widen(0.25)
    assert found.widen(0.25)
    assert found.gpus == 0.5


@pytest.mark.parametrize("given", [Share(0.5, is_measured=False), Share(0.0, is_measured=True)])
def test_a_share_that_was_given_and_a_cluster_without_gpus_stay_as_they_are(given):
    before = given.gpus
    assert not given.learn(0.1)
    assert not given.widen(before)
    assert given.gpus == before
