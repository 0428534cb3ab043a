"""The images that are shown as mistakes are mistakes, of the split that was asked for, the surest first."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from study.engine import train
from study.engine.checkpoint import save_weights
from study.engine.data import open_data, open_test
from study.engine.mistakes import surest_mistakes
from study.errors import RecipeError


def trained(recipe, folder, *, test=False):
    """Train to the end; the weights in a file, and the report on the last epoch's model."""
    epochs = train(recipe, test=test)
    while True:
        try:
            epoch = next(epochs)
        except StopIteration as end:
            return folder / "best.safetensors", end.value
        save_weights(folder / "best.safetensors", epoch.state()["model"], {})


@pytest.mark.parametrize("test", [False, True])
def test_the_surest_mistakes_of_a_split_come_first(small, tmp_path, test):
    recipe = small()
    weights, report = trained(recipe, tmp_path, test=test)
    found = surest_mistakes(recipe, weights, "test" if test else "validation", most=10)
    report = report["test"] if test else report
    assert 1 - found.wrong / found.total == pytest.approx(report["accuracy"])
    assert found.images.shape == (10, 8, 8, 1)
    assert found.images.dtype == np.uint8
    assert (np.diff(found.sureness) <= 0).all()
    assert (found.targets != found.predictions).all()
    split = open_test(recipe, "cpu") if test else open_data(recipe, "cpu").val
    assert any(torch.equal(split.x[row], torch.tensor(found.images[0])) for row in split.rows)


def test_a_network_of_one_output_is_sure_by_its_sign(small, image_pack, tmp_path):
    image_pack("two", classes=2)
    recipe = small(dataset="two", train_size=None, loss="bce", val_fraction=0.5, batch_size=8)
    weights, _ = trained(recipe, tmp_path)
    found = surest_mistakes(recipe, weights, most=1000)
    assert found.wrong == len(found.images)
    assert ((found.sureness >= 0.5) & (found.sureness <= 1)).all()


@pytest.mark.parametrize(
    ("knobs", "words"),
    [({"dataset": "breast_cancer"}, "holds no images"), ({"val_fraction": 0.0}, "nothing is held out")],
)
def test_where_there_is_nothing_to_show_it_says_why(small, tmp_path, knobs, words):
    with pytest.raises(RecipeError, match=words):
        surest_mistakes(small(**knobs), tmp_path / "none")
