"""Measures how much faster a recipe's steps are in bfloat16 on a device: an offer to people, never taken silently."""

from __future__ import annotations

import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from study.engine.device import pick
from study.engine.train import assemble, in_bfloat16, one_pass
from study.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.engine.train import Parts

FLAGS = {"avx512_bf16", "amx_bf16"}  # of a processor that multiplies bfloat16; without them it is slower
STEPS = 6  # of a round
ROUNDS = 5
PATIENCE = 3.0  # seconds after which no further round begins
LEAST_ROUNDS = 3


def by_bfloat16(knobs: Mapping[str, Any], device: str) -> float | None:
    """Measure float32 over bfloat16, in seconds of a training step, both in turn.

    Args:
        knobs: all of a recipe of ours; its data set is in the cache.
        device: as for a search.

    Returns:
        The median ratio, above 1 where bfloat16 is faster; None where the device has no fast bfloat16, the recipe is
        not in float32, or a round takes too long to measure.

    """
    recipe, device = Recipe.model_validate(dict(knobs)), pick(device)
    cheaper = in_bfloat16(recipe)
    if cheaper is None or not multiplies_bfloat16(device):
        return None
    both = [assemble(each.model_copy(update={"epochs": None, "steps": STEPS}), device) for each in (recipe, cheaper)]
    for parts in both:
        seconds(parts)  # the first one allocates, and chooses kernels
    began, ratios = time.perf_counter(), list[float]()
    while len(ratios) < ROUNDS and time.perf_counter() - began < PATIENCE:
        plain, cheap = (seconds(parts) for parts in both)
        ratios.append(plain / cheap)
    return statistics.median(ratios) if len(ratios) >= LEAST_ROUNDS else None


def seconds(parts: Parts) -> float:
    """Train some steps, and give their seconds."""
    synchronize = torch.cuda.synchronize if parts.device.startswith("cuda") else None
    began = time.perf_counter()
    with parts.step.mode():
        one_pass(parts, 1)
    if synchronize:
        synchronize()
    return time.perf_counter() - began


def multiplies_bfloat16(device: str) -> bool:
    """Tell whether a device has instructions for products of bfloat16, as far as it says."""
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu":
        return False
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("flags"):
                return bool(FLAGS & {*line.split()})
    return False
