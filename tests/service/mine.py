"""A study of a person's own that trains nothing, for a third of a second an epoch."""

MINE = """
import math, time
from pydantic import BaseModel, ConfigDict
from study import Epoch, Study

class Toy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    x: float = 0.0
    kind: str = "good"
    epochs: int = 3
    seed: int = 0

def train(recipe, resume):
    for number in range((resume["epoch"] if resume else 0) + 1, recipe.epochs + 1):
        time.sleep(0.3)
        if recipe.kind == "raises":
            raise ValueError("boom")
        yield Epoch(number, {"score": 1 - recipe.x**2 - 1 / number}, state=lambda number=number: {"epoch": number})

def space(trial):
    return {"x": trial.suggest_float("x", -1.0, 1.0)}

study = Study(name="NAME", recipe=Toy(), space=space, train=train, metric="score")
"""
