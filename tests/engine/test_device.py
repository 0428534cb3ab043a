"""Devices by torch's names."""

from __future__ import annotations

import pytest
import torch

from study.engine import device
from study.errors import DeviceError


@pytest.mark.parametrize(
    ("gpus", "mps", "name", "picked"),
    [
        (0, False, "auto", "cpu"),
        (0, True, "auto", "mps"),
        (2, False, "auto", "cuda:0"),
        (2, False, "cuda", "cuda"),
        (2, False, "cuda:1", "cuda:1"),
        (2, False, "cpu", "cpu"),
    ],
)
def test_the_fastest_kind_is_taken_unless_one_is_named(monkeypatch, gpus, mps, name, picked):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert device.pick(name) == picked


@pytest.mark.parametrize("name", ["cuda:9", "gpu", "", "cpu:1"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name):
    with pytest.raises(DeviceError, match=rf"no device '{name}' on this machine. There are: .*cpu"):
        device.pick(name)
