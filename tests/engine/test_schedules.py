"""Schedules equal torch's own, stepped in a real loop."""

from __future__ import annotations

import pytest
import torch
from torch.optim import lr_scheduler

from study.engine import optim
from study.engine.schedules import Schedule
from study.recipe import Recipe

STEPS, PER_EPOCH = 23, 4
INTERVALS = {"epoch": 6, "batch": 23}
SGD = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9}

# For each: knobs, and torch's scheduler for an optimizer and a number of intervals.
CASES = {
    "step": (
        {"schedule": "step", "step_size": 2, "gamma": 0.5},
        lambda optimizer, _: lr_scheduler.StepLR(optimizer, 2, 0.5),
    ),
    "exponential": (
        {"schedule": "exponential", "gamma": 0.9},
        lambda optimizer, _: lr_scheduler.ExponentialLR(optimizer, 0.9),
    ),
    "cosine": (
        {"schedule": "cosine", "eta_min": 0.01},
        lambda optimizer, intervals: lr_scheduler.CosineAnnealingLR(optimizer, intervals, eta_min=0.01),
    ),
    "cosine that turns": (
        {"schedule": "cosine", "t_max": 3},
        lambda optimizer, _: lr_scheduler.CosineAnnealingLR(optimizer, 3),
    ),
    "warm_restarts": (
        {"schedule": "warm_restarts", "t_0": 2, "t_mult": 2, "eta_min": 0.01},
        lambda optimizer, _: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 2, 2, eta_min=0.01),
    ),
    "cyclic": (
        {"schedule": "cyclic", "max_lr": 0.4, "step_size_up": 3, "cycle_mode": "triangular2"},
        lambda optimizer, _: lr_scheduler.CyclicLR(optimizer, 0.1, 0.4, 3, mode="triangular2"),
    ),
    "cyclic without momentum": (
        {"schedule": "cyclic", "max_lr": 0.4, "step_size_up": 3, "cycle_momentum": False},
        lambda optimizer, _: lr_scheduler.CyclicLR(optimizer, 0.1, 0.4, 3, cycle_momentum=False),
    ),
    "one_cycle": (
        {"schedule": "one_cycle", "pct_start": 0.4},
        lambda optimizer, intervals: lr_scheduler.OneCycleLR(optimizer, 0.1, intervals, pct_start=0.4),
    ),
    "one_cycle cut short": (
        {"schedule": "one_cycle", "total_steps": 50},
        lambda optimizer, _: lr_scheduler.OneCycleLR(optimizer, 0.1, 50),
    ),
}


def settings(group):
    return group["lr"], group.get("momentum", group.get("betas"))


def in_torch(recipe, make, intervals, interval):
    """What torch's scheduler sets at every step, in the loop that its manual shows."""
    optimizer = optim.build(recipe, [torch.nn.Parameter(torch.zeros(()))])
    scheduler = make(optimizer, intervals)
    seen = []
    for step in range(STEPS):
        seen.append(settings(optimizer.param_groups[0]))
        optimizer.step()
        if (interval == "batch" or (step + 1) % PER_EPOCH == 0) and step + 1 < STEPS:
            scheduler.step()
    return seen


def in_ours(recipe, steps=STEPS):
    schedule = Schedule(recipe, steps, PER_EPOCH)
    optimizer = optim.build(recipe, [torch.nn.Parameter(torch.zeros(()))])
    seen = []
    for step in range(steps):
        optimizer.param_groups[0].update(schedule.at(step))
        seen.append(settings(optimizer.param_groups[0]))
    return seen


@pytest.mark.parametrize("optimizer", [SGD, {"optimizer": "adam", "lr": 0.1}])
@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("name", CASES)
def test_a_schedule_equals_torchs_in_a_real_loop(name, interval, optimizer):
    knobs, make = CASES[name]
    recipe = Recipe.model_validate({**optimizer, **knobs, "schedule_interval": interval})
    assert in_ours(recipe) == in_torch(recipe, make, INTERVALS[interval], interval)


def test_constant_is_the_learning_rate():
    assert in_ours(Recipe(lr=0.3)) == [(0.3, (0.9, 0.999))] * STEPS


@pytest.mark.parametrize("name", ["cyclic", "one_cycle"])
def test_sgd_without_momentum_is_given_none_by_a_cycle(name):
    recipe = Recipe.model_validate({"optimizer": "sgd", "lr": 0.1, **CASES[name][0]})
    assert {momentum for _, momentum in in_ours(recipe)} == {0}


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("name", CASES)
def test_a_warm_up_rises_as_torchs_linear_one_and_the_schedule_follows_from_its_beginning(name, interval):
    knobs = {**SGD, **CASES[name][0], "schedule_interval": interval}
    plain = Recipe.model_validate(knobs)
    warm = Recipe.model_validate({**knobs, "warmup_epochs": 1.5})
    optimizer = optim.build(plain, [torch.nn.Parameter(torch.zeros(()))])
    optimizer.param_groups[0]["lr"] = first = in_ours(plain)[0][0]
    scheduler = lr_scheduler.LinearLR(optimizer, start_factor=1 / 7, total_iters=6)
    rising = []
    for _ in range(6):
        rising.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    ours = in_ours(warm, STEPS + 6)
    assert [lr for lr, _ in ours[:6]] == pytest.approx(rising)
    assert ours[5][0] < first
    assert ours[6:] == in_ours(plain)


def test_a_warm_up_may_be_longer_than_the_training():
    rates = [lr for lr, _ in in_ours(Recipe(lr=0.1, schedule="one_cycle", warmup_epochs=100))]
    assert rates == sorted(rates)


LOSSES = [1.0, 0.9, 0.95, 0.94, 0.93, 0.92, 0.91, 0.905, 0.901, 0.9, 0.9]


def test_plateau_equals_torchs_and_goes_on_from_its_state():
    recipe = Recipe(optimizer="sgd", lr=0.1, schedule="plateau", patience=1, gamma=0.5, eta_min=0.02)
    optimizer = optim.build(recipe, [torch.nn.Parameter(torch.zeros(()))])
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, min_lr=0.02)
    ours = Schedule(recipe, 44, PER_EPOCH)
    for number, loss in enumerate(LOSSES, 1):
        assert ours.at(number * PER_EPOCH - 1)["lr"] == optimizer.param_groups[0]["lr"]
        scheduler.step(loss)
        ours.epoch_ended(number * PER_EPOCH, loss)
        resumed = Schedule(recipe, 44, PER_EPOCH)
        resumed.load_state_dict(ours.state_dict())
        ours = resumed
    assert optimizer.param_groups[0]["lr"] == 0.02


def test_plateau_does_not_count_epochs_of_the_warm_up():
    recipe = Recipe(optimizer="sgd", lr=0.1, schedule="plateau", patience=0, warmup_epochs=2)
    schedule = Schedule(recipe, 44, PER_EPOCH)
    for number in (1, 2, 3):
        schedule.epoch_ended(number * PER_EPOCH, float(number))
    assert schedule.at(20)["lr"] == 0.1
    schedule.epoch_ended(16, 4.0)
    assert schedule.at(20)["lr"] == pytest.approx(0.01)
