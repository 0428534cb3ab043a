"""A study whose truth is known: a recipe's accuracy is its x, less what a useless knob costs, plus the seed's noise."""

from __future__ import annotations

import hashlib

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from study import Epoch, Study


class Noisy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    x: float = 0.5
    useless: int = 0
    brake: float = 0.0
    strength: float = 1.0
    spread: float = 0.01
    epochs: int = 2
    seed: int = 0

    @model_validator(mode="after")
    def _strength_needs_brake(self):
        if self.strength != 1 and not self.brake:
            raise ValueError("strength has no effect without brake")
        return self


def truth(recipe):
    return recipe.x - recipe.brake * recipe.strength


def noise(recipe, what):
    """A number of the recipe, the seed and the purpose alone; a negative spread fails."""
    if recipe.spread < 0:
        raise ValueError("spread is negative")
    text = f"{recipe.x} {recipe.useless} {recipe.brake} {recipe.strength} {recipe.seed} {what}"
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    return recipe.spread * np.random.default_rng(seed).standard_normal()


def train(recipe, resume, *, test=False):
    for number in range(1 + (resume["epoch"] if resume else 0), recipe.epochs + 1):
        value = truth(recipe) + noise(recipe, "val") - 0.1 * (recipe.epochs - number)
        yield Epoch(number, {"val_accuracy": float(value)}, state=lambda number=number: {"epoch": number})
    return {"test": {"accuracy": float(truth(recipe) + noise(recipe, "test"))}} if test else {}


def space(trial):
    return {"x": trial.suggest_float("x", 0.5, 0.6), "useless": trial.suggest_int("useless", 0, 3)}


study = Study(name="noisy", recipe=Noisy(), space=space, train=train, variants={"baseline": {}})
