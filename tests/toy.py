"""A study of a person's own, without a network: fast, and it fails, diverges or dies when told to."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from study import Epoch, Study


class Toy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    x: float = 0.0
    kind: str = "good"
    epochs: int = 4
    seconds: float = 0.0
    seed: int = 0


def score_after(recipe, number):
    return 1 - (recipe.x - 0.3) ** 2 - 1 / (number + 1)


def train(recipe, resume):
    first = resume["epoch"] + 1 if resume else 1
    for number in range(first, recipe.epochs + 1):
        time.sleep(recipe.seconds)
        score = score_after(recipe, number)
        if recipe.kind == "raises":
            raise ValueError("boom")
        if recipe.kind == "diverges" and number == 2:
            score = math.inf
        if recipe.kind == "nan" and number == 2:
            score = math.nan
        if recipe.kind == "dies" and number == 3 and len(list(Path().glob("died-*"))) < int(os.environ["DEATHS"]):
            Path(f"died-{time.time_ns()}").touch()
            os.kill(os.getpid(), 9)
        if recipe.kind == "dies each epoch" and not Path(f"died-{number}").exists():
            Path(f"died-{number}").touch()
            os.kill(os.getpid(), 9)
        yield Epoch(number, {"score": score, "first": float(first)}, state=lambda number=number: {"epoch": number})
    return {"score": score_after(recipe, recipe.epochs)}


def space(trial):
    return {"x": trial.suggest_float("x", -1.0, 1.0)}


study = Study(name="toy", recipe=Toy(), space=space, train=train, metric="score", variants={"zero": {}, "right": {"x": 0.3}})  # fmt: skip  # noqa: E501
