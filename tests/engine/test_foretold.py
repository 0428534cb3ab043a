"""What `study check` foretells without training, and what then happens to a training that was not checked."""

import os

import numpy as np
import pytest

from study import Recipe
from study.data import packed
from study.engine import train
from study.engine.check import check
from study.engine.sources import ensure
from study.errors import DataError, InputError, RecipeError
from study.running.study_check import check as check_study


def table(rare=3, rows=60, kind="table", **more):
    """Write a data set of two classes, one of which is rare."""
    random = np.random.default_rng(0)
    y = (np.arange(rows) < rare).astype(np.int64)
    x = random.normal(size=(rows, 4)).astype(np.float32)
    if kind == "tokens":
        x = random.integers(1, 9, (rows, 4))
    arrays = {"train_x": x, "train_y": y, "test_x": x[:10], "test_y": y[:10]}
    packed.write("small", arrays, kind=kind, classes=("no", "yes"), source="made", imported=True,
                 columns=list("abcd") if kind == "table" else (), **more)  # fmt: skip
    return Recipe(dataset="small", model="mlp", hidden=(4,), batch_size=8, epochs=1)


def changed(recipe, **knobs):
    return Recipe.model_validate({**recipe.model_dump(), **knobs})


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "log_loss", "f1"])
def test_a_metric_that_needs_both_classes_is_tried_on_the_validation_examples(metric):
    recipe = changed(table(), metric=metric)
    if metric == "roc_auc":  # of 6 validation examples none is of the rare class
        with pytest.raises(RecipeError, match=r"metric=roc_auc .*"):
            check(recipe)
        with pytest.raises(RecipeError, match=r"metric=roc_auc .*"):
            list(train(recipe))
    else:
        check(recipe)
        list(train(recipe))
    check(changed(table(rare=30), metric=metric))


@pytest.mark.parametrize(
    ("knobs", "judged_by", "message"),
    [
        ({}, "val_accuracy", None),
        ({"val_fraction": 0}, "train_accuracy", None),
        ({"val_fraction": 0}, "val_accuracy", "no epoch has the metric 'val_accuracy' with val_fraction=0"),
        ({"metric": "f1"}, "val_f1", None),
        ({}, "val_f1", "no epoch has the metric 'val_f1'. There are val_accuracy, val_loss, train_accuracy"),
        ({"loss": "torch.nn.functional:cross_entropy"}, "val_rmse", "no epoch has the metric 'val_rmse'"),
    ],
)
def test_the_metric_that_a_study_judges_by_is_one_that_each_epoch_has(knobs, judged_by, message):
    recipe = changed(table(rare=30), **knobs)
    if message is None:
        check(recipe, judged_by=judged_by)
        (epoch,) = train(recipe)
        assert judged_by in epoch.metrics
    else:
        with pytest.raises(RecipeError, match=message):
            check(recipe, judged_by=judged_by)


def test_tokens_need_a_network_with_an_embedding():
    with pytest.raises(RecipeError, match="model=mlp takes numbers, and the data set holds tokens"):
        check(table(kind="tokens"))


def test_a_step_whose_inputs_would_fill_the_memory_is_refused(monkeypatch):
    """Of 60 rows with 2 columns of 5,000 categories each, 2.4 MB as inputs, where the memory has 4 MB."""
    random = np.random.default_rng(0)
    x = random.integers(0, 5000, (60, 2)).astype(np.float32)
    y = np.arange(60, dtype=np.int64) % 2
    packed.write("coded", {"train_x": x, "train_y": y, "test_x": x, "test_y": y}, kind="table", classes=("a", "b"),
                 source="made", imported=True, columns=[f"t={n}" for n in range(10_000)],
                 categories=(5000, 5000))  # fmt: skip
    recipe = Recipe(dataset="coded", model="mlp", hidden=(4,), batch_size=8, epochs=1)
    whole = changed(recipe, batch_size="full", val_fraction=0)
    monkeypatch.setattr(os, "sysconf", lambda name: 4_000_000 if name == "SC_PHYS_PAGES" else 1)
    check(recipe)
    with pytest.raises(DataError, match=r"coded: the weights and their gradients would take 8.0 MB"):
        check(changed(recipe, hidden=(100,)))
    with pytest.raises(DataError, match=r"coded: the inputs of a step of 60 examples would take 2.4 MB"):
        check(whole)


STUDY = """
from study import Recipe, Study

{code}

study = Study(name="s", recipe=Recipe(dataset="digits", model="mlp", epochs=1), {more})
"""


@pytest.mark.parametrize(
    ("code", "more", "message"),
    [
        ("def train(recipe): yield", "train=train", "it must take 2 positional arguments, and takes 1"),
        ("def train(recipe, resume, rate): yield", "train=train", "it needs 'rate'. A training is called as"),
        ("def train(recipe, resume, *, device, test=False, **more): yield", "train=train", None),
        ("", "final={'batch_size': 5000, 'val_fraction': 0}", "batch_size=5000 is more than the 1437 training"),
        ("", "final={'val_fraction': 0}", None),
        ("", "variants={'v': {'val_fraction': 0}}", "no epoch has the metric 'val_accuracy' with val_fraction=0"),
    ],
)
def test_check_calls_what_a_study_names(tmp_path, code, more, message):
    ensure("digits")
    file = tmp_path / "s.py"
    file.write_text(STUDY.format(code=code, more=more))
    if message is None:
        check_study(str(file))
        return
    with pytest.raises(InputError, match=message) as caught:
        check_study(str(file))
    assert "\n" not in str(caught.value)
