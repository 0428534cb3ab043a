"""LeCun's tricks for training by backpropagation, each tried on a small CNN and CIFAR-10, and searched together.

After a write-up of the NYU course Deep Learning with PyTorch, lecture 3: the 3-layer CNN of TensorFlow's tutorial,
Adam, 10 epochs, batches of 64; a fixed learning rate of 1e-3 for the first two variants, then 2e-3, less 20 % an epoch.

How its text was interpreted where it leaves a choice:
- The later six variants differ from the baseline in the schedule and in the one trick of their name; they do not
  normalize. The text says that all later variants keep the schedule, and does not say so about normalization; it asks
  for the effect of each trick.
- Weight decay: no value is given; ours is 1e-4.
- It validates on the test images after every epoch; here 5,000 held-out training images (val_fraction 0.1) decide.
- Its results are a bar chart without numbers, so there are no published figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study import Recipe, Study

if TYPE_CHECKING:
    import optuna

DECAY = {"lr": 2e-3, "schedule": "exponential", "gamma": 0.8}


def space(trial: optuna.Trial) -> dict[str, Any]:
    """Suggest all tricks at once; every variant is a point of this space."""
    knobs: dict[str, Any] = {
        "normalize": trial.suggest_categorical("normalize", [False, True]),
        "init": trial.suggest_categorical("init", ["default", "kaiming_uniform", "xavier_uniform", "orthogonal"]),
        "activation": trial.suggest_categorical("activation", ["relu", "leaky_relu", "elu", "gelu", "silu", "tanh"]),
        "dropout_conv": trial.suggest_float("dropout_conv", 0.0, 0.5),
        "dropout_dense": trial.suggest_float("dropout_dense", 0.0, 0.5),
        "optimizer": trial.suggest_categorical("optimizer", ["adam", "adamw", "nadam", "rmsprop", "sgd"]),
        "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        "weight_decay": trial.suggest_categorical("weight_decay", [0.0, 1e-5, 1e-4, 1e-3, 1e-2]),
        "schedule": trial.suggest_categorical("schedule", ["constant", "step", "exponential", "cosine", "one_cycle"]),
    }
    if knobs["optimizer"] in {"sgd", "rmsprop"}:
        knobs["momentum"] = trial.suggest_float("momentum", 0.0, 0.99)
    if knobs["optimizer"] == "sgd" and knobs["momentum"] > 0:  # Nesterov's is a kind of momentum
        knobs["nesterov"] = trial.suggest_categorical("nesterov", [False, True])
    if knobs["schedule"] in {"step", "exponential"}:
        knobs["gamma"] = trial.suggest_float("gamma", 0.1, 0.95)
    if knobs["schedule"] == "step":
        knobs["step_size"] = trial.suggest_int("step_size", 1, 5)
    if knobs["schedule"] in {"cosine", "one_cycle"}:
        knobs["schedule_interval"] = trial.suggest_categorical("schedule_interval", ["epoch", "batch"])
    if knobs["schedule"] == "one_cycle":
        knobs["pct_start"] = trial.suggest_float("pct_start", 0.1, 0.5)
    return knobs


study = Study(
    name="cifar_tricks",
    recipe=Recipe(dataset="cifar10", model="cnn3", optimizer="adam", lr=1e-3, batch_size=64, epochs=10),
    space=space,
    variants={
        "baseline": {},
        "norm_inputs": {"normalize": True},
        "lr_schedule": DECAY,
        "weight_decay": {**DECAY, "weight_decay": 1e-4},
        "init_weights": {**DECAY, "init": "kaiming_uniform"},
        "dropout_dense": {**DECAY, "dropout_dense": 0.2},
        "dropout_conv": {**DECAY, "dropout_conv": 0.2},
        "dropout_both": {**DECAY, "dropout_conv": 0.2, "dropout_dense": 0.2},
    },
    fallback="digits",
)
