"""Which device to train on, by torch's names."""

from __future__ import annotations

import torch

from study.errors import DeviceError


def pick(name: str) -> str:
    """Name the device to use: `auto` is cuda, else mps, else cpu; any other name must be there.

    Raises:
        DeviceError: this machine has no such device; lists those that it has.

    """
    there = devices()
    if name == "auto":
        return there[0]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise DeviceError(f"no device {name!r} on this machine", fix=f"There are: {', '.join(there)}.")
    return name


def usable(name: str) -> list[str]:
    """List the devices to train on: all of a kind for `auto` and `cuda`, else the one that was named.

    Raises:
        DeviceError: as `pick`.

    """
    picked = pick(name)
    if name not in {"auto", "cuda"}:
        return [picked]
    return [each for each in devices() if each.startswith(picked.removesuffix(":0"))]


def devices() -> list[str]:
    """Every device of this machine, the fastest kind first."""
    found = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return [*found, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]
