"""The script digits_script.py as a study: searched, pruned, recorded, and resumed to the bit after a kill."""

from collections.abc import Iterator
from typing import Any

import digits_script as script
import torch
from pydantic import BaseModel, PositiveFloat, PositiveInt

from study import Epoch, Study


class MyRecipe(BaseModel, frozen=True, extra="forbid"):
    hidden: PositiveInt = 32
    lr: PositiveFloat = 1e-2
    epochs: PositiveInt = 5
    seed: int = 0


def train(recipe: MyRecipe, resume: dict[str, Any] | None) -> Iterator[Epoch]:
    torch.manual_seed(recipe.seed)
    model, optimizer = script.make(recipe.hidden, recipe.lr)
    if resume:
        model.load_state_dict(resume["model"])
        optimizer.load_state_dict(resume["optimizer"])
        torch.set_rng_state(resume["rng"])
    for number in range(resume["number"] + 1 if resume else 1, recipe.epochs + 1):
        metrics = {"train_loss": script.train_epoch(model, optimizer), "val_accuracy": script.evaluate(model)}
        parts = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "rng": torch.get_rng_state()}
        yield Epoch(number, metrics, state=lambda number=number, parts=parts: {**parts, "number": number})


study = Study(
    name="own_script", recipe=MyRecipe(), train=train, space=lambda t: {"lr": t.suggest_float("lr", 1e-4, 1, log=True)}
)
