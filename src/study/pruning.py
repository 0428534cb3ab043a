"""Pruners by name, set for objectives that are reported once an epoch, from epoch 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna import pruners

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.pruners import BasePruner

# Optuna prunes from step n_warmup_steps on: 2 leaves epoch 1 alone.
PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "median": lambda: pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
    "percentile": lambda: pruners.PercentilePruner(33.0, n_startup_trials=5, n_warmup_steps=2),
    "asha": lambda: pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    "hyperband": lambda: pruners.HyperbandPruner(min_resource=1, max_resource="auto", reduction_factor=3),
    "none": pruners.NopPruner,
}
