"""The devices of this machine: how many trainings it takes at a time, and the models of its GPUs for the use report."""

from __future__ import annotations

import os
import re
from pathlib import Path

GPUS = Path("/proc/driver/nvidia/gpus")  # NVIDIA's driver: a folder for each, which no library has to be loaded for
WIDTH = 64  # characters of a name in the table


def default_slots() -> int:
    """Count what trains at a time: the GPUs of this machine, else its cores."""
    return len(list(GPUS.iterdir())) if GPUS.is_dir() else len(os.sched_getaffinity(0))


def named(device: str) -> str:
    """Name what a run trains on: the model of the GPU, or of the GPUs if it may use several kinds; else cpu or mps.

    Args:
        device: as it was asked for: auto, cpu, cuda, cuda:1.

    """
    kind, _, number = device.partition(":")
    if kind == "auto":
        kind = "cuda" if GPUS.is_dir() else "cpu"
    if kind != "cuda":
        return kind
    models = _models()
    chosen = [models[int(number)]] if number.isdigit() and int(number) < len(models) else models
    return " or ".join(dict.fromkeys(chosen))[:WIDTH] or kind


def _models() -> list[str]:
    """List the models of the GPUs in the order of their numbers."""
    found: list[tuple[int, str]] = []
    for file in sorted(GPUS.glob("*/information")):
        known = dict(re.findall(r"^([^:\n]+):[ \t]*(.*?)\s*$", file.read_text(errors="replace"), re.MULTILINE))
        if model := known.get("Model"):
            minor = known.get("Device Minor", "")
            found.append((int(minor) if minor.isdigit() else len(found), model))
    return [model for _, model in sorted(found)]
