"""Gradient descent, SGD, Adam and Adagrad at one learning rate, on MNIST.

After an article on training neural networks in PyTorch, section "Optimization Algorithms": a network 784-128-10 with
ReLU, pixels in [-1, 1], batches of 64, ten epochs, each optimizer at 0.01.

How its text was interpreted:
- "Gradient Descent" is trained by the same lines as "Stochastic Gradient Descent", SGD on batches of 64. So gd and sgd
  are the same recipe here, and their published figures are two seeds of it. Gradient descent over all examples at once
  is the variant batch_gd of the study mnist_optimizers.
- One learning rate for all is the document's choice: ten times Adam's default, and Adagrad's default. The space
  searches it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study import Published, Recipe, Study

if TYPE_CHECKING:
    import optuna

SOURCE = "Optimization Algorithms, Comparing the Results"


def space(trial: optuna.Trial) -> dict[str, Any]:
    """Suggest an optimizer with the rate that suits it."""
    knobs: dict[str, Any] = {
        "optimizer": trial.suggest_categorical("optimizer", ["sgd", "adam", "adagrad"]),
        "lr": trial.suggest_float("lr", 1e-4, 1.0, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [32, 64, 128, 256]),
    }
    if knobs["optimizer"] == "sgd":
        knobs["momentum"] = trial.suggest_float("momentum", 0.0, 0.99)
    return knobs


study = Study(
    name="ann_optimizers",
    recipe=Recipe(
        dataset="mnist",
        pixel_range="symmetric",
        model="mlp",
        hidden=(128,),
        activation="relu",
        optimizer="sgd",
        lr=0.01,
        batch_size=64,
        epochs=10,
    ),
    space=space,
    variants={"sgd": {}, "gd": {}, "adam": {"optimizer": "adam"}, "adagrad": {"optimizer": "adagrad"}},
    published={
        "sgd": Published(value=0.9452, source=SOURCE),
        "gd": Published(value=0.9433, source=SOURCE),
        "adam": Published(value=0.9365, source=SOURCE),
        "adagrad": Published(value=0.9554, source=SOURCE),
    },
    final={"val_fraction": 0.0},
)
