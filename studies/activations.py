"""Sigmoid, ReLU, tanh, leaky ReLU and softmax in the hidden layer, on MNIST.

After an article on training neural networks in PyTorch, section "Activation Functions": a network 784-100-10, pixels
in [0, 1], SGD at 0.01, batches of 100, ten epochs.

How its text was interpreted: its leaky ReLU has a slope of 0.1 in the explanation, but nn.LeakyReLU's 0.01 in the
training, which is used here. Its softmax is over the hidden units of an example (dim=1), as here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study import Published, Recipe, Study

if TYPE_CHECKING:
    import optuna

SOURCE = "Activation Functions, Example: Train"


def space(trial: optuna.Trial) -> dict[str, Any]:
    """Suggest an activation together with the learning rate and the initial weights that suit it."""
    activations = [
        "relu", "leaky_relu", "sigmoid", "tanh", "softmax", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus",
        "relu6", "hardswish", "identity",
    ]  # fmt: skip
    return {
        "activation": trial.suggest_categorical("activation", activations),
        "lr": trial.suggest_float("lr", 1e-3, 1.0, log=True),
        "init": trial.suggest_categorical("init", ["default", "xavier_uniform", "kaiming_uniform", "orthogonal"]),
    }


study = Study(
    name="activations",
    recipe=Recipe(
        dataset="mnist",
        model="mlp",
        hidden=(100,),
        activation="relu",
        optimizer="sgd",
        lr=0.01,
        batch_size=100,
        epochs=10,
    ),
    space=space,
    variants={
        "relu": {},
        "sigmoid": {"activation": "sigmoid"},
        "tanh": {"activation": "tanh"},
        "leaky_relu": {"activation": "leaky_relu"},
        "softmax": {"activation": "softmax"},
    },
    published={
        "relu": Published(value=0.9200, source=SOURCE),
        "sigmoid": Published(value=0.8720, source=SOURCE),
        "tanh": Published(value=0.9157, source=SOURCE),
        "leaky_relu": Published(value=0.9188, source=SOURCE),
        "softmax": Published(value=0.1135, source=SOURCE),
    },
    final={"val_fraction": 0.0},
)
