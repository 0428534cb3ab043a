"""Optimizers on MNIST: SGD, momentum, Nesterov, Adam, Adagrad, Adadelta, Adamax and RMSprop, on equal terms.

After the course notes "Optimization Algorithms" (gradient-descent optimizers in PyTorch): a network 784-100-10 with
ReLU, pixels in [0, 1], batches of 100, 3,000 steps, which are five epochs.

How its text was interpreted where it leaves a choice:
- SGD, momentum and Nesterov run at 0.1. The others have the comment "learning_rate = 0.001", but no rate is passed:
  they run at torch's defaults, which are 0.001 only for Adam, 0.01 for Adagrad and RMSprop, 0.002 for Adamax, and 1 for
  Adadelta.
- Its outputs are whole percents; the published figures are those of its summary.
- "Mini-batch gradient descent" is the variant sgd: the same script. For batch and stochastic gradient descent it
  has formulas but no run. Here: batch_gd takes 300 steps at 0.1 over all examples (60 times the examples that sgd sees;
  3,000 would take a quarter of an hour each); stochastic_gd takes 60,000 steps over one example each (a fifth of them),
  at 0.01, because at 0.1 it is unstable with single examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study import Published, Recipe, Study

if TYPE_CHECKING:
    import optuna

SOURCE = "Optimization Algorithms, Summary of Optimization Algorithms Performance"


def space(trial: optuna.Trial) -> dict[str, Any]:
    """Suggest an optimizer, its learning rate, and what else decides how it steps."""
    optimizers = ["sgd", "adam", "adamw", "nadam", "radam", "adamax", "adagrad", "adadelta", "rmsprop"]
    knobs: dict[str, Any] = {
        "optimizer": trial.suggest_categorical("optimizer", optimizers),
        "lr": trial.suggest_float("lr", 1e-4, 3.0, log=True),
    }
    if knobs["optimizer"] in {"sgd", "rmsprop"}:
        knobs["momentum"] = trial.suggest_float("momentum", 0.0, 0.99)
    if knobs["optimizer"] == "sgd" and knobs["momentum"] > 0:  # Nesterov's is a kind of momentum
        knobs["nesterov"] = trial.suggest_categorical("nesterov", [False, True])
    if knobs["optimizer"] in {"adam", "adamw", "nadam", "radam", "adamax"}:
        knobs["beta1"] = trial.suggest_float("beta1", 0.5, 0.99)
        knobs["beta2"] = trial.suggest_float("beta2", 0.9, 0.9999)
    if knobs["optimizer"] == "rmsprop":
        knobs["alpha"] = trial.suggest_float("alpha", 0.8, 0.999)
    if knobs["optimizer"] == "adadelta":
        knobs["rho"] = trial.suggest_float("rho", 0.8, 0.999)
    return knobs


study = Study(
    name="mnist_optimizers",
    recipe=Recipe(
        dataset="mnist",
        model="mlp",
        hidden=(100,),
        activation="relu",
        optimizer="sgd",
        lr=0.1,
        batch_size=100,
        steps=3000,
    ),
    space=space,
    variants={
        "sgd": {},
        "momentum": {"momentum": 0.9},
        "nesterov": {"momentum": 0.9, "nesterov": True},
        "adam": {"optimizer": "adam", "lr": 1e-3},
        "adagrad": {"optimizer": "adagrad", "lr": 1e-2},
        "adadelta": {"optimizer": "adadelta", "lr": 1.0},
        "adamax": {"optimizer": "adamax", "lr": 2e-3},
        "rmsprop": {"optimizer": "rmsprop", "lr": 1e-2},
        "batch_gd": {"batch_size": "full", "steps": 300},
        "stochastic_gd": {"batch_size": 1, "lr": 1e-2, "steps": 60_000},
    },
    published={
        "sgd": Published(value=0.9578, source=SOURCE),
        "momentum": Published(value=0.9769, source=SOURCE),
        "nesterov": Published(value=0.9758, source=SOURCE),
        "adam": Published(value=0.9720, source=SOURCE),
        "adagrad": Published(value=0.9551, source=SOURCE),
        "adadelta": Published(value=0.9745, source=SOURCE),
        "adamax": Published(value=0.9658, source=SOURCE),
        "rmsprop": Published(value=0.971, source=SOURCE, rounding=0.0005),
    },
    final={"val_fraction": 0.0},
)
