"""What two knobs of a recipe say against each other, beyond what each says of its effect."""

from __future__ import annotations

from typing import Any

from study.knobs import ADAM_FAMILY, idle_knob, idle_window, is_own


def clash_of(recipe: Any) -> str:
    """Say which knob has no effect, is missing, or contradicts another; empty if all is well."""
    if recipe.epochs is not None and recipe.steps is not None:
        return "give epochs or steps, not both"
    if idle := idle_knob(recipe):
        return idle
    if recipe.schedule == "plateau" and not recipe.val_fraction:
        return "schedule=plateau needs validation examples: val_fraction above 0"
    if recipe.nesterov and recipe.dampening:
        return "nesterov excludes dampening"
    if not (recipe.cycle_momentum or recipe.momentum or is_own(recipe.optimizer) or recipe.optimizer in ADAM_FAMILY):
        return f"cycle_momentum has no effect: optimizer={recipe.optimizer} has no momentum here"
    if recipe.beta1 is not None and recipe.schedule in {"cyclic", "one_cycle"} and recipe.cycle_momentum:
        return f"beta1 has no effect with schedule={recipe.schedule} unless cycle_momentum is off"
    if recipe.optimizer == "rprop" and recipe.schedule != "constant":
        return f"schedule={recipe.schedule} has no effect with optimizer=rprop, which adapts its own steps"
    if recipe.max_lr is not None and recipe.max_lr <= recipe.lr:
        return "max_lr must be above lr"
    for knob in ("l1_epochs", "l2_epochs", "weight_decay_epochs"):
        if idle := idle_window(knob, getattr(recipe, knob), recipe.epochs):
            return idle
    return ""
