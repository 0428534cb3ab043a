"""Zero, random normal, He's and Xavier's initial weights, where they matter: three layers on MNIST.

After an article on training neural networks in PyTorch, section "Weight Initialization". It draws the weights of a
network 10-5-1 and prints them, but trains nothing and publishes no figure. That network's weights are drawn, and held
against the theory, by tests/studies/test_init.py; here the same four draws start the network 784-256-128-10 of the
article's section "Regularization": pixels in [-1, 1], ReLU, SGD at 0.01, batches of 128, ten epochs.

How its text was interpreted:
- It draws the first layer's weights alone; ours draws every layer's. Biases keep torch's own initial values in both, so
  that zero weights do not leave everything at zero.
- It gives the variance of Xavier's weights as 1/n; the function that it calls uses 2/(inputs + outputs).
- The baseline, default, is torch's own initialization: uniform within 1/sqrt(inputs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study import Recipe, Study

if TYPE_CHECKING:
    import optuna


def space(trial: optuna.Trial) -> dict[str, Any]:
    """Suggest how weights are drawn, how wide, and the learning rate and activation on which that depends."""
    inits = [
        "default", "zero", "normal", "uniform", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal",
        "orthogonal",
    ]  # fmt: skip
    knobs: dict[str, Any] = {
        "init": trial.suggest_categorical("init", inits),
        "activation": trial.suggest_categorical("activation", ["relu", "tanh", "sigmoid"]),
        "lr": trial.suggest_float("lr", 1e-3, 1.0, log=True),
    }
    if knobs["init"] in {"normal", "uniform"}:
        knobs["init_scale"] = trial.suggest_float("init_scale", 1e-3, 1.0, log=True)
    return knobs


study = Study(
    name="init",
    recipe=Recipe(
        dataset="mnist",
        pixel_range="symmetric",
        model="mlp",
        hidden=(256, 128),
        activation="relu",
        optimizer="sgd",
        lr=0.01,
        batch_size=128,
        epochs=10,
    ),
    space=space,
    variants={
        "default": {},
        "zero": {"init": "zero"},
        "normal": {"init": "normal", "init_scale": 1.0},
        "he": {"init": "kaiming_normal"},
        "xavier": {"init": "xavier_normal"},
    },
    final={"val_fraction": 0.0},
)
