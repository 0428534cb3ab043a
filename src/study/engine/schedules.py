"""The learning rate (and, in cycles, the momentum) of every step: torch's schedulers or one's own, tabled ahead.

An interval is an epoch or a batch, as `schedule_interval` says. A warm-up comes before the schedule, which then starts
from its beginning. Only plateau cannot be known ahead: it is asked after every epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.optim import lr_scheduler

from study.engine import optim, own
from study.errors import RecipeError, StudyFileError
from study.knobs import is_own

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.recipe import Recipe


class Schedule:
    """The settings of the optimizer's parameter group at each step.

    Args:
        recipe: its schedule with its knobs, its warm-up and its optimizer.
        steps: of the whole training.
        steps_per_epoch: of a whole epoch.

    Raises:
        RecipeError: a schedule that torch cannot compute for a training of this length.

    """

    def __init__(self, recipe: Recipe, steps: int, steps_per_epoch: int) -> None:
        """Table the schedule from its first interval to its last."""
        self._warmup = round(recipe.warmup_epochs * steps_per_epoch)
        self._interval = 1 if recipe.schedule_interval == "batch" else steps_per_epoch
        if recipe.schedule == "constant":
            self._interval = max(1, steps)
        intervals = max(1, -(-(steps - self._warmup) // self._interval))
        self._optimizer = optim.build(recipe, [torch.nn.Parameter(torch.zeros(1, 1))])
        self._scheduler = _scheduler(recipe, self._optimizer, intervals)
        self._plateau = self._scheduler if recipe.schedule == "plateau" else None
        self._table = [] if self._plateau else _table(recipe, self._optimizer, self._scheduler, intervals)

    def at(self, step: int) -> Mapping[str, Any]:
        """Give the settings of a step, counted from 0 over the whole training."""
        warm = step - self._warmup
        if self._plateau:
            settings = {"lr": self._optimizer.param_groups[0]["lr"]}
        else:
            settings = self._table[max(0, warm) // self._interval]
        if warm >= 0:
            return settings
        return {**settings, "lr": settings["lr"] * (step + 1) / (self._warmup + 1)}

    def epoch_ended(self, steps: int, val_loss: float) -> None:
        """Report the validation loss after a number of steps to plateau; epochs of the warm-up do not count."""
        if self._plateau and steps > self._warmup:
            self._plateau.step(val_loss)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of plateau; empty for all other schedules."""
        if not self._plateau:
            return {}
        return {"lr": self._optimizer.param_groups[0]["lr"], "plateau": self._plateau.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load what `state_dict` returned."""
        if self._plateau:
            self._optimizer.param_groups[0]["lr"] = state["lr"]
            self._plateau.load_state_dict(state["plateau"])


def _scheduler(recipe: Recipe, optimizer: torch.optim.Optimizer, intervals: int) -> Any:
    """Make torch's scheduler; a knob that is None keeps torch's default, or is the whole training."""
    if is_own(recipe.schedule):
        return _own(recipe, optimizer, intervals)
    base = optimizer.param_groups[0]["lr"]
    knobs = {
        "step": {"step_size": recipe.step_size, "gamma": recipe.gamma},
        "exponential": {"gamma": recipe.gamma},
        "cosine": {"T_max": recipe.t_max or intervals, "eta_min": recipe.eta_min},
        "warm_restarts": {"T_0": recipe.t_0, "T_mult": recipe.t_mult, "eta_min": recipe.eta_min},
        "cyclic": {
            "base_lr": base,
            "max_lr": recipe.max_lr,
            "step_size_up": recipe.step_size_up,
            "mode": recipe.cycle_mode,
            "cycle_momentum": _cycles_momentum(recipe, optimizer),
        },
        "one_cycle": {
            "max_lr": base,
            "total_steps": recipe.total_steps or intervals,
            "pct_start": recipe.pct_start,
            "cycle_momentum": _cycles_momentum(recipe, optimizer),
        },
        "plateau": {"factor": recipe.gamma, "patience": recipe.patience, "min_lr": recipe.eta_min},
    }
    if recipe.schedule == "constant":
        return None
    given = {name: value for name, value in knobs[recipe.schedule].items() if value is not None}
    try:
        return SCHEDULERS[recipe.schedule](optimizer, **given)
    except ZeroDivisionError as error:  # torch's one_cycle, when its rising part is exactly one interval long
        total = recipe.total_steps or intervals
        raise RecipeError(
            f"pct_start={recipe.pct_start} of {total} intervals is one interval, for which torch has no one_cycle",
            fix="Use another pct_start, or schedule_interval=batch.",
        ) from error


SCHEDULERS: dict[str, Any] = {
    "step": lr_scheduler.StepLR,
    "exponential": lr_scheduler.ExponentialLR,
    "cosine": lr_scheduler.CosineAnnealingLR,
    "warm_restarts": lr_scheduler.CosineAnnealingWarmRestarts,
    "cyclic": lr_scheduler.CyclicLR,
    "one_cycle": lr_scheduler.OneCycleLR,
    "plateau": lr_scheduler.ReduceLROnPlateau,
}


def _cycles_momentum(recipe: Recipe, optimizer: torch.optim.Optimizer) -> bool:
    """Tell whether there is a momentum to move: torch itself would switch one on for plain sgd."""
    return recipe.cycle_momentum and bool(optimizer.defaults.get("momentum") or "betas" in optimizer.defaults)


def _table(recipe: Recipe, optimizer: torch.optim.Optimizer, scheduler: Any, intervals: int) -> list[Mapping[str, Any]]:
    """Step torch's scheduler through the whole training and note what it sets."""
    if recipe.total_steps is not None and recipe.total_steps < intervals:
        raise RecipeError(f"total_steps={recipe.total_steps} ends before the training, of {intervals} intervals")
    moves_all = recipe.schedule in {"cyclic", "one_cycle"} or is_own(recipe.schedule)
    moved = ("lr", "momentum", "betas") if moves_all else ("lr",)
    group = optimizer.param_groups[0]
    names = [name for name in moved if name in group]
    if scheduler is None:
        return [{"lr": group["lr"]}] * intervals
    table: list[Mapping[str, Any]] = [{name: group[name] for name in names}]
    with own.running(f"schedule={recipe.schedule} with {type(optimizer).__name__}"):
        optimizer.step()  # without a gradient it does nothing, but torch warns where it is not called
        for _ in range(intervals - 1):
            scheduler.step()
            table.append({name: group[name] for name in names})
    return table


def _own(recipe: Recipe, optimizer: torch.optim.Optimizer, intervals: int) -> lr_scheduler.LRScheduler:
    """Make a person's own scheduler: `make(optimizer, **arguments)`, told the intervals if it takes them."""
    make, given = own.bind(recipe, "schedule", {"intervals": intervals}, leading=1)
    with own.running(recipe.schedule):
        scheduler = make(optimizer, **given)
    if not isinstance(scheduler, lr_scheduler.LRScheduler) or isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        what = f"it gave a {type(scheduler).__name__}, not an LRScheduler whose step() takes no metric"
        raise StudyFileError(what, where=recipe.schedule)
    return scheduler
