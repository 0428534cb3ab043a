"""Columns of many categories take the memory of one column, and train as one column for each category does."""

import numpy as np
import pytest
import torch

from study import Recipe
from study.data import encoding, packed
from study.data.sets import import_data
from study.data.tables import import_table
from study.engine import train
from study.engine.data import open_data, open_test, preparation
from study.engine.export import raw, raw_columns
from study.engine.tables import one_hot


def write(path, rows=400, columns=2, codes=40):
    random = np.random.default_rng(0)
    texts = [[f"c{value}" if value else "" for value in random.integers(0, codes, rows)] for _ in range(columns)]
    numbers = random.normal(size=rows)
    label = [("yes" if len(first) % 2 else "no") if first else "no" for first in texts[0]]
    head = ",".join([*(f"t{at}" for at in range(columns)), "size", "few", "label"])
    lines = [
        ",".join(each) for each in zip(*texts, map(str, numbers), np.resize(["a", "b", "c"], rows), label, strict=True)
    ]
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def both(tmp_path, monkeypatch):
    """Import the same table with categories as numbers, and as one column each."""
    path = write(tmp_path / "d.csv")
    coded = import_table("coded", path, "label")
    monkeypatch.setattr(encoding, "CODED", 1000)
    return coded, import_table("wide", path, "label")


def inputs_of(name):
    recipe = Recipe(dataset=name, model="mlp", hidden=(8,), batch_size=32, lr=0.01, epochs=3)
    data = open_data(recipe, "cpu")
    prepare = preparation(recipe, data, torch.float32, 1)
    test = open_test(recipe, "cpu")
    return recipe, prepare(data.train.x), prepare(test.x), data.shape


def test_coded_columns_give_the_inputs_and_the_training_of_one_column_for_each_category(tmp_path, monkeypatch):
    coded, wide = both(tmp_path, monkeypatch)
    assert (coded.columns, coded.shape, coded.categories) == (wide.columns, wide.shape, (39, 39, 0, 0, 0, 0))
    assert 8 * packed.read(coded)["train_x"].nbytes < packed.read(wide)["train_x"].nbytes
    one, of_train, of_test, shape = inputs_of("coded")
    other, wide_train, wide_test, _ = inputs_of("wide")
    assert of_train.shape == (320, 82) == (320, *shape)
    torch.testing.assert_close(of_train, wide_train, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(of_test, wide_test, rtol=1e-6, atol=1e-6)
    for ours, theirs in zip(train(one), train(other), strict=True):
        assert ours.metrics["train_loss"] == pytest.approx(theirs.metrics["train_loss"], rel=1e-4)
        assert ours.metrics["val_accuracy"] == theirs.metrics["val_accuracy"]


def test_coded_columns_come_back_as_the_texts_that_they_were(tmp_path, monkeypatch):
    coded, wide = both(tmp_path, monkeypatch)
    here, there = packed.read(coded), packed.read(wide)
    assert raw_columns(coded, here["train_x"]) == raw_columns(wide, there["train_x"])
    frames = [raw(pack, arrays["train_x"], arrays["test_x"]) for pack, arrays in ((coded, here), (wide, there))]
    assert frames[0].equals(frames[1])
    assert frames[0]["t0"].isna().any()
    spread = one_hot(coded.categories, torch.from_numpy(here["test_x"]))
    np.testing.assert_array_equal(spread.numpy(), there["test_x"])


def test_many_categories_of_many_rows_take_little_memory_and_it_is_told(tmp_path):
    """A tenth of 300,000 rows with 15 columns of 900 codes, which filled 13.5 GB as one column for each code."""
    told = []
    path = write(tmp_path / "d.csv", rows=30_000, columns=15, codes=901)
    pack = import_data("codes", path, lambda text, share: told.append(text), label="label").pack
    assert pack.shape == (15 * 900 + 4,)
    assert pack.size < 30_000 * 19 * 4 + 1_000_000
    assert "In training 64 rows take 3.5 MB, as 13,504 inputs" in told


def test_a_frequent_text_is_a_category_however_many_there_are(tmp_path):
    path = write(tmp_path / "d.csv", rows=30_000, columns=1, codes=1500)
    assert import_table("codes", path, "label").categories[0] == 1499
