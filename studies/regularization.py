"""L1, L2, dropout, batch normalization and data augmentation against nothing of the kind, on MNIST.

After an article on training neural networks in PyTorch, section "Regularization": a network 784-256-128-10 with ReLU,
pixels in [-1, 1], SGD at 0.01, batches of 128, ten epochs.

How its text was interpreted:
- Its parts on L1 and L2 do not make a new network. L1 continues to train the network of the plain run, and L2 that of
  L1: each table compares ten more epochs with ten. The variants train ten epochs from the start; those ending
  in _as_published repeat the article's 20 and 30 in one training, each penalty acting in its ten. That L2 follows L1,
  and not the plain run, shows in its first epoch: 92.64 %, where the plain network, at 93.05 %, would have risen.
- Both penalties come with a weight decay of 0.001, which is L2 once more, and so does dropout.
- Dropout and batch norm also change the network, to 784-500-250-10 and 784-256-128-64-10, and batch norm adds dropout
  0.5 and momentum 0.9. dropout_alone and batch_norm_alone test each in the plain network.
- The batch-norm network calls F.dropout without `training`, so dropout stays on in the test. batch_norm switches it
  off; batch_norm_as_published does not.
- It describes augmentation but does not run it; here it shifts by up to 2 pixels and rotates by up to 10 degrees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study import Published, Recipe, Study, Variant

if TYPE_CHECKING:
    import optuna

SOURCE = "Regularization, epoch 10 of"
L1 = {"l1": 1e-3, "weight_decay": 1e-3}
L2 = {"l2": 1e-3, "weight_decay": 1e-3}
BATCH_NORM = {"hidden": (256, 128, 64), "batch_norm": True, "dropout_dense": 0.5, "momentum": 0.9}


def space(trial: optuna.Trial) -> dict[str, Any]:
    """Suggest all kinds of regularization at once, with the learning rate and momentum on which they depend."""
    return {
        "l1": trial.suggest_categorical("l1", [0.0, 1e-6, 1e-5, 1e-4, 1e-3]),
        "l2": trial.suggest_categorical("l2", [0.0, 1e-6, 1e-5, 1e-4, 1e-3]),
        "dropout_dense": trial.suggest_float("dropout_dense", 0.0, 0.6),
        "batch_norm": trial.suggest_categorical("batch_norm", [False, True]),
        "label_smoothing": trial.suggest_float("label_smoothing", 0.0, 0.2),
        "augment_crop": trial.suggest_int("augment_crop", 0, 3),
        "augment_rotate": trial.suggest_float("augment_rotate", 0.0, 20.0),
        "augment_cutout": trial.suggest_int("augment_cutout", 0, 10),
        "lr": trial.suggest_float("lr", 1e-3, 0.3, log=True),
        "momentum": trial.suggest_float("momentum", 0.0, 0.99),
    }


study = Study(
    name="regularization",
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
        "none": {},
        "l1": L1,
        "l2": L2,
        "dropout": {"hidden": (500, 250), "dropout_dense": 0.5, "weight_decay": 1e-3},
        "batch_norm": BATCH_NORM,
        "augmentation": {"augment_crop": 2, "augment_rotate": 10.0},
        "dropout_alone": {"dropout_dense": 0.5},
        "batch_norm_alone": {"batch_norm": True},
        "l1_as_published": Variant(L1, epochs=20, l1_epochs=(11, 20), weight_decay_epochs=(11, 20), as_published=True),
        "l2_as_published": Variant(
            {**L1, **L2},
            epochs=30,
            l1_epochs=(11, 20),
            l2_epochs=(21, 30),
            weight_decay_epochs=(11, 30),
            as_published=True,
        ),
        "batch_norm_as_published": Variant(BATCH_NORM, dropout_at_test=True, as_published=True),
    },
    published={
        "none": Published(value=0.9305, source=f"{SOURCE} Training"),
        "l1": Published(value=0.9216, source=f"{SOURCE} L1 regularization"),
        "l2": Published(value=0.9534, source=f"{SOURCE} L2 regularization"),
        "dropout": Published(value=0.9360, source=f"{SOURCE} Dropout"),
        "batch_norm": Published(value=0.9519, source=f"{SOURCE} Batch Normalization"),
        "l1_as_published": Published(value=0.9216, source=f"{SOURCE} L1 regularization"),
        "l2_as_published": Published(value=0.9534, source=f"{SOURCE} L2 regularization"),
        "batch_norm_as_published": Published(value=0.9519, source=f"{SOURCE} Batch Normalization"),
    },
    final={"val_fraction": 0.0},
)
