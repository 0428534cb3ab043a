"""Optimizers are torch's own, given the knobs that are set and no others."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
import torch

from study.engine import optim, schedules
from study.knobs import used_by
from study.recipe import Recipe

KNOBS = {
    "sgd": {"momentum": 0.9, "nesterov": True},
    "adam": {"beta1": 0.8, "amsgrad": True},
    "adamw": {"beta2": 0.99, "eps": 1e-6},
    "nadam": {"momentum_decay": 0.0},
    "radam": {"beta1": 0.8, "beta2": 0.99},
    "adamax": {"eps": 1e-6},
    "adagrad": {"lr_decay": 0.1, "initial_accumulator_value": 0.2},
    "adadelta": {"rho": 0.8},
    "adafactor": {},
    "rmsprop": {"alpha": 0.9, "momentum": 0.5, "centered": True},
    "rprop": {},
    "asgd": {},
}


def weight():
    return torch.nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4))


def after_some_steps(optimizer):
    (parameter,) = optimizer.param_groups[0]["params"]
    for _ in range(5):
        optimizer.zero_grad()
        (parameter.square().sum() + parameter.sin().sum()).backward()
        optimizer.step()
    return parameter.detach()


def in_torch(name, knobs, decay):
    make = next(each for each in vars(torch.optim).values() if getattr(each, "__name__", "").lower() == name)
    knobs = dict(knobs)
    if "weight_decay" in inspect.signature(make).parameters:
        knobs["weight_decay"] = decay
    if betas := {name: knobs.pop(name) for name in ("beta1", "beta2") if name in knobs}:
        knobs["betas"] = (betas.get("beta1", 0.9), betas.get("beta2", 0.999))
    return make([weight()], lr=0.05, **knobs)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_an_optimizer_steps_as_torchs_does(name, decay):
    if decay and name == "rprop":
        decay = 0.0
    recipe = Recipe(optimizer=name, lr=0.05, weight_decay=decay, **KNOBS[name])
    ours = after_some_steps(optim.build(recipe, [weight()]))
    torch.testing.assert_close(ours, after_some_steps(in_torch(name, KNOBS[name], decay)), rtol=1e-5, atol=1e-7)


def test_every_optimizer_of_the_recipe_is_there():
    assert optim.OPTIMIZERS.keys() == used_by(Recipe, "optimizer").keys()


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_every_knob_that_an_optimizer_uses_reaches_it(name):
    values = {"nesterov": True, "amsgrad": True, "centered": True, "weight_decay": 0.1}
    for knob in used_by(Recipe, "optimizer")[name] - {"dampening", "nesterov"}:
        recipe = Recipe.model_validate({"optimizer": name, knob: values.get(knob, 0.37)})
        defaults = optim.build(recipe, [weight()]).defaults
        index = {"beta1": 0, "beta2": 1}.get(knob)
        found = defaults[knob] if index is None else defaults["betas"][index]
        assert found == values.get(knob, 0.37)


def test_adamw_decays_only_when_asked():
    assert optim.build(Recipe(optimizer="adamw"), [weight()]).defaults["weight_decay"] == 0


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "adagrad"])
def test_an_optimizer_is_fused_where_torch_can(name):
    assert optim.build(Recipe(optimizer=name), [weight()]).defaults["fused"]


WITHOUT_COMPILER = """
import sys, torch
from study.engine.optim import OPTIMIZERS, build
from study.engine.schedules import Schedule
from study.recipe import Recipe

weight = torch.nn.Parameter(torch.ones(3, 4))
for name in OPTIMIZERS:
    for knobs in SCHEDULES if name == "sgd" else ({},):
        recipe = Recipe(optimizer=name, **knobs)
        schedule, optimizer = Schedule(recipe, 8, 2), build(recipe, [weight])
        for step in range(8):
            optimizer.zero_grad()
            weight.square().sum().backward()
            optimizer.param_groups[0].update(schedule.at(step))
            optimizer.step()
            schedule.epoch_ended(step, 1.0)
        optimizer.load_state_dict(optimizer.state_dict())
print([name for name in sys.modules if name.startswith(("torch._dynamo", "sympy"))])
"""
SCHEDULES = [
    {},
    {"schedule": "step", "step_size": 1, "gamma": 0.5},
    {"schedule": "exponential", "gamma": 0.5},
    {"schedule": "cosine"},
    {"schedule": "warm_restarts", "t_0": 1},
    {"schedule": "cyclic", "max_lr": 0.1},
    {"schedule": "one_cycle"},
    {"schedule": "plateau"},
]


def test_no_optimizer_and_no_schedule_of_ours_loads_torchs_compiler():
    assert {each.get("schedule", "constant") for each in SCHEDULES} == {*schedules.SCHEDULERS, "constant"}
    code = f"SCHEDULES = {SCHEDULES}{WITHOUT_COMPILER}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
