"""Logistic regression against a convolutional network with fewer parameters, on MNIST.

After the worksheet "Workshop 8: Convolutional Neural Networks" of COMP90051 at the University of Melbourne: logistic
regression of 7,850 parameters, and a network of 5,994 (two 5x5 convolutions of 8 and 16 filters, each with ReLU and a
2x2 max pool, dropout 0.5, one dense layer); pixels in [0, 1], Adam at 0.001, batches of 100, 20 epochs.

How its text was interpreted:
- It runs in Keras: Glorot's uniform weights are our xavier_uniform, and Adam's eps is 1e-7. Keras starts biases at
  zero, ours keep torch's small random ones.
- cnn_torch_as_published is its second run, in PyTorch: torch's own weights and eps, ten epochs. It never calls
  model.eval(), so dropout stays on in the test. Its log begins at 95 % in the first batch: the network had been
  trained before, for an unknown time; ours starts from random weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study import Published, Recipe, Study, Variant

if TYPE_CHECKING:
    import optuna

SOURCE = "COMP90051 Workshop 8"


def space(trial: optuna.Trial) -> dict[str, Any]:
    """Suggest how the network is drawn, regularized and trained; its filters stay as they are."""
    return {
        "activation": trial.suggest_categorical("activation", ["relu", "leaky_relu", "tanh", "elu", "silu"]),
        "init": trial.suggest_categorical("init", ["default", "xavier_uniform", "kaiming_uniform", "orthogonal"]),
        "batch_norm": trial.suggest_categorical("batch_norm", [False, True]),
        "dropout_conv": trial.suggest_float("dropout_conv", 0.0, 0.4),
        "dropout_dense": trial.suggest_float("dropout_dense", 0.0, 0.7),
        "lr": trial.suggest_float("lr", 1e-4, 3e-2, log=True),
        "weight_decay": trial.suggest_categorical("weight_decay", [0.0, 1e-5, 1e-4, 1e-3]),
        "augment_crop": trial.suggest_int("augment_crop", 0, 3),
    }


study = Study(
    name="mnist_cnn",
    recipe=Recipe(
        dataset="mnist",
        model="cnn2",
        activation="relu",
        init="xavier_uniform",
        dropout_dense=0.5,
        optimizer="adam",
        lr=1e-3,
        eps=1e-7,
        batch_size=100,
        epochs=20,
    ),
    space=space,
    variants={
        "logistic": {"model": "logistic", "dropout_dense": 0.0},
        "cnn": {},
        "cnn_torch_as_published": Variant(init="default", eps=None, epochs=10, dropout_at_test=True, as_published=True),
    },
    published={
        "logistic": Published(value=0.9278, source=f"{SOURCE}, 2. Multi-class logistic regression, epoch 20"),
        "cnn": Published(value=0.9912, source=f"{SOURCE}, 3. Convolutional neural network, epoch 20"),
        "cnn_torch_as_published": Published(value=0.9727, source=f"{SOURCE}, Bonus 2: PyTorch, epoch 9"),
    },
    final={"val_fraction": 0.0},
)
