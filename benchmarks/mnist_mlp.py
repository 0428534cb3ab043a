"""The perceptron 784-100-10 on MNIST, batches of 100: the small work of throughput.py, as a study with a fixed list."""

from __future__ import annotations

from study import Recipe, Study

study = Study(
    name="mnist_mlp",
    recipe=Recipe(dataset="mnist", model="mlp", hidden=(100,), optimizer="adam", lr=1e-3, batch_size=100, epochs=10),
    variants={
        "adam": {},
        "adam_low": {"lr": 3e-4},
        "adam_high": {"lr": 3e-3},
        "adam_decay": {"lr": 3e-3, "schedule": "exponential", "gamma": 0.8},
        "normalized": {"normalize": True},
        "dropout": {"dropout_dense": 0.2},
        "sgd_momentum": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9},
        "tanh": {"activation": "tanh"},
    },
)
