"""Pictures: that they are drawn, of a size to look at, whatever the training did."""

import io

import numpy as np
import pytest
from PIL import Image

from study.tracking import pictures


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def curve(epochs, **more):
    return [{"train_loss": 1 / n, "val_loss": 2 / n, "lr": 0.1, **more} for n in range(1, epochs + 1)]


@pytest.mark.parametrize("size", [1, 2, 10, 37, 100])
def test_a_confusion_matrix_of_any_size_fits_on_a_screen(size):
    picture = opened(pictures.confusion(np.eye(size, dtype=int).tolist(), [f"a class {n}" for n in range(size)], "t"))
    assert max(picture.shape) <= 1000
    assert (picture[0, 0] == 255).all()


def test_the_diagonal_of_a_confusion_matrix_is_darker_the_better_the_class_is_known():
    all_right, all_wrong = ([[50, 0], [0, 50]], [[0, 50], [50, 0]])
    right, wrong = (opened(pictures.confusion(counts, None, "t")).mean(axis=2) for counts in (all_right, all_wrong))
    height, width = right.shape
    upper_left = np.s_[height // 3 : height // 2, width // 4 : width // 2]
    assert right[upper_left].mean() < wrong[upper_left].mean() - 100


def test_a_class_without_examples_is_drawn_white():
    assert opened(pictures.confusion([[3, 0], [0, 0]], ["seen", "unseen"], "t")).shape[2] == 3


def test_a_class_may_have_any_name():
    for name in ("", " ", "ein sehr langer Name, der nicht passt", "\n", "猫"):
        assert opened(pictures.confusion([[3, 0], [0, 0]], ["usual", name], "t")).shape[2] == 3


@pytest.mark.parametrize(
    "epochs",
    [
        curve(1),
        curve(200),
        curve(3, val_loss=float("nan")),
        curve(3, lr=float("inf")),
        [{"score": 1.0}, {"other": 2.0}],
        [{f"metric {n}": 1.0 for n in range(30)}],
        curve(2, lr=1e-9),
        curve(2, score=-1e300),
    ],
    ids=["one epoch", "many epochs", "nan", "inf", "metrics come and go", "many metrics", "tiny", "huge"],
)
def test_curves_are_drawn_of_whatever_a_training_yields(epochs):
    height, width, _ = opened(pictures.curves(epochs, "title", None)).shape
    assert height == 330
    assert width <= 4 * 370


def test_a_pruned_trial_looks_pruned():
    plain, pruned = (pictures.curves(curve(4), "title", reason) for reason in (None, "median pruner"))
    assert plain != pruned


def test_a_metric_of_one_split_alone_keeps_the_name_of_the_split():
    epochs = [{"train_loss": 1.0, "val_loss": 2.0, "train_accuracy": 0.5}]
    assert pictures._groups(epochs) == {"loss": ["train_loss", "val_loss"], "train_accuracy": ["train_accuracy"]}
