"""The works of answer.py: what is trained, and the search space that all of its sides search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh")


@dataclass(frozen=True)
class Size:
    """How much of a work a search does.

    Args:
        trials: of each side.
        epochs: of a full trial.
        train_size: images to train on; None for all.

    """

    trials: int
    epochs: int
    train_size: int | None = None


@dataclass(frozen=True)
class Work:
    """A network on a data set.

    Args:
        dataset: as `study` names it.
        knobs: of the recipe that the search starts from.
        full: the measure.
        quick: for a look.

    """

    dataset: str
    knobs: dict[str, Any]
    full: Size
    quick: Size


WORKS = {
    "digits": Work(
        "digits", {"model": "mlp", "hidden": (100,), "batch_size": 32}, Size(100, 20), Size(24, 6)
    ),
    "mnist": Work(
        "mnist", {"model": "mlp", "hidden": (100,), "batch_size": 100}, Size(100, 10), Size(8, 3, 4000)
    ),
    "cifar": Work(
        "cifar10", {"model": "cnn3", "batch_size": 64}, Size(100, 10), Size(3, 2, 11250)
    ),
}  # fmt: skip


START = {  # the settings that a recipe has unless one says otherwise
    "optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0, "schedule": "constant", "init": "default",
    "activation": "relu", "normalize": False, "dropout_dense": 0.0,
}  # fmt: skip


def start(work: str) -> dict[str, Any]:
    """Give the point of the space from which a person would begin."""
    return {**START, **({"dropout_conv": 0.0} if work == "cifar" else {})}


def suggest(trial: optuna.Trial, work: str) -> dict[str, Any]:
    """Suggest what the search may change."""
    params: dict[str, Any] = {
        "optimizer": trial.suggest_categorical("optimizer", ["adam", "sgd"]),
        "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        "weight_decay": trial.suggest_categorical("weight_decay", [0.0, 1e-5, 1e-4, 1e-3]),
        "schedule": trial.suggest_categorical("schedule", ["constant", "exponential"]),
        "init": trial.suggest_categorical("init", ["default", "kaiming_uniform", "xavier_uniform"]),
        "activation": trial.suggest_categorical("activation", list(ACTIVATIONS)),
        "normalize": trial.suggest_categorical("normalize", [False, True]),
        "dropout_dense": trial.suggest_float("dropout_dense", 0.0, 0.5),
    }
    if params["optimizer"] == "sgd":
        params["momentum"] = trial.suggest_float("momentum", 0.0, 0.99)
    if params["schedule"] == "exponential":
        params["gamma"] = trial.suggest_float("gamma", 0.1, 0.95)
    if work == "cifar":
        params["dropout_conv"] = trial.suggest_float("dropout_conv", 0.0, 0.5)
    return params
