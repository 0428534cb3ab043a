"""A study for the fault tests: a real training in torch, a few milliseconds an epoch, with network and best weights."""

from __future__ import annotations

import time
from typing import Any

from pydantic import BaseModel, ConfigDict

from study import Epoch, Study

EXAMPLES = 64


class Small(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    lr: float = 0.1
    epochs: int = 3
    seconds: float = 0.0  # that each epoch takes longer: a fault needs a moment
    seed: int = 0


def train(recipe: Small, resume: dict[str, Any] | None):
    """Fit a line by stochastic gradient descent; the score depends on every step taken."""
    import torch

    generator = torch.Generator().manual_seed(recipe.seed)
    x = torch.randn(EXAMPLES, 4, generator=generator)
    y = x @ torch.tensor([1.0, -2.0, 0.5, 3.0]) + 0.1 * torch.randn(EXAMPLES, generator=generator)
    weights, first = torch.zeros(4), 1
    if resume:
        weights, first = resume["model"]["weights"].clone(), resume["number"] + 1
        generator.set_state(resume["random"])
    for number in range(first, recipe.epochs + 1):
        time.sleep(recipe.seconds)
        for batch in torch.randperm(EXAMPLES, generator=generator).split(8):
            error = x[batch] @ weights - y[batch]
            weights = weights - recipe.lr * x[batch].T @ error / len(batch)
        loss = float(((x @ weights - y) ** 2).mean())
        parts = {"model": {"weights": weights.clone()}, "random": generator.get_state(), "number": number}
        yield Epoch(number, {"score": 1 / (1 + loss), "loss": loss}, state=lambda parts=parts: parts)
    return {"loss": float(((x @ weights - y) ** 2).mean())}


study = Study(
    name="small", recipe=Small(), space=lambda trial: {"lr": trial.suggest_float("lr", 1e-3, 0.3, log=True)},
    train=train, metric="score", variants={"baseline": {}, "slow": {"lr": 0.01}},
)  # fmt: skip
