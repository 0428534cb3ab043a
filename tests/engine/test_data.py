"""Data sets: splits that are disjoint, stratified, exact and always the same; pixels and columns as they should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from study.data import packed
from study.engine.data import _split, open_data, open_test, preparation
from study.engine.sources import ensure
from study.errors import DataError
from study.recipe import Recipe

TRAIN, VAL = [0, 1, 6, 7, 15, 17, 19, 23, 29], [2, 3, 4, 5, 9, 16]


def counts(split):
    return torch.bincount(split.y[split.rows]).tolist()


def prepared(recipe, upscaling=1, dtype=torch.float32):
    data = open_data(recipe, "cpu")
    return data, preparation(recipe, data, dtype, upscaling)


def test_a_tenth_of_a_balanced_set_is_exactly_a_tenth_of_each_class(image_pack):
    """As with CIFAR-10, of whose 50,000 images 500 of each class are held out."""
    image_pack("balanced", train=5000, classes=10, side=1)
    data = open_data(Recipe(dataset="balanced"), "cpu")
    assert counts(data.val) == [50] * 10
    assert counts(data.train) == [450] * 10


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.237, 0.5])
@pytest.mark.parametrize("size", [None, 37, 500])
def test_splits_are_disjoint_stratified_and_of_exact_size(data, fraction, size):
    found = open_data(Recipe(dataset="digits", val_fraction=fraction, train_size=size), "cpu")
    whole = torch.bincount(found.train.y)
    assert not set(found.train.rows.tolist()) & set(found.val.rows.tolist())
    assert len(found.val) == round(fraction * len(found.train.y))
    assert len(found.train) == (size or len(found.train.y) - len(found.val))
    for split in (found.train, found.val):
        exact = whole * len(split) / len(found.train.y)
        assert (torch.tensor(counts(split)) - exact).abs().max() <= 1.5
        assert torch.equal(split.rows, split.rows.sort().values)


def test_splits_are_the_same_for_all_time():
    """Another split would make stored results mean something else."""
    train, val = _split(torch.arange(30) % 3, 0.2, 0, 9)
    assert train.tolist() == TRAIN
    assert val.tolist() == VAL
    assert _split(torch.arange(30) % 3, 0.2, 1, 9)[1].tolist() != VAL


def test_a_smaller_training_set_holds_out_the_same_examples(data):
    few, many = (open_data(Recipe(dataset="digits", train_size=size), "cpu") for size in (100, None))
    assert torch.equal(few.val.rows, many.val.rows)
    assert set(few.train.rows.tolist()) < set(many.train.rows.tolist())


def test_images_are_not_copied_and_opened_once(data):
    first, second = (open_data(Recipe(dataset="digits", seed=seed), "cpu") for seed in (1, 2))
    assert first is second
    assert first.train.x.data_ptr() == first.val.x.data_ptr()
    assert first.train.x.dtype == torch.uint8
    assert first.shape == (1, 8, 8)
    assert first.sha256 == ensure("digits").sha256


def test_a_pack_that_is_replaced_is_opened_anew(image_pack):
    image_pack("changing", train=60)
    before = open_data(Recipe(dataset="changing"), "cpu")
    image_pack("changing", train=80)
    assert len(before.train) == 54
    assert len(open_data(Recipe(dataset="changing"), "cpu").train) == 72


@pytest.mark.parametrize(
    ("knobs", "black", "white"), [({}, 0.0, 1.0), ({"pixel_range": "symmetric"}, -1.0, 1.0)]
)  # fmt: skip
def test_pixels_lie_in_their_range(image_pack, knobs, black, white):
    image_pack("range")
    _, prepare = prepared(Recipe(dataset="range", **knobs))
    ends = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 8, 8, 3)
    inputs = prepare(ends)
    assert inputs.shape == (2, 3, 8, 8)
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(inputs[0], torch.full((3, 8, 8), black))
    torch.testing.assert_close(inputs[1], torch.full((3, 8, 8), white))


def test_normalized_images_have_mean_zero_and_deviation_one_over_the_training_part(image_pack):
    image_pack("normal", train=300)
    data, prepare = prepared(Recipe(dataset="normal", normalize=True))
    inputs = prepare(data.train.x[data.train.rows]).double()
    torch.testing.assert_close(inputs.mean((0, 2, 3)), torch.zeros(3, dtype=torch.double), atol=1e-6, rtol=0)
    torch.testing.assert_close(inputs.std((0, 2, 3), correction=0), torch.ones(3, dtype=torch.double))
    mean, deviation = data.moments
    pixels = data.train.x[data.train.rows].double()
    torch.testing.assert_close(mean, pixels.mean((0, 1, 2)))
    torch.testing.assert_close(deviation, pixels.std((0, 1, 2), correction=0))


def test_a_channel_that_is_always_the_same_normalizes_to_zero(data):
    x = np.full((20, 2, 2, 1), 9, np.uint8)
    y = np.arange(20, dtype=np.int64) % 2
    arrays = {"train_x": x, "train_y": y, "test_x": x, "test_y": y}
    packed.write("flat", arrays, kind="image", classes=["a", "b"], source="", imported=True)
    found, prepare = prepared(Recipe(dataset="flat", normalize=True))
    assert prepare(found.train.x).abs().max() < 1e-6


def test_images_grow_by_repeating_pixels(image_pack):
    image_pack("growing")
    data, prepare = prepared(Recipe(dataset="growing"), upscaling=3)
    _, plain = prepared(Recipe(dataset="growing"))
    grown = torch.nn.functional.interpolate(plain(data.train.x), scale_factor=3)
    assert torch.equal(prepare(data.train.x), grown)


@pytest.fixture
def table(data):
    random = np.random.default_rng(0)
    x = random.normal(5, 3, (200, 3)).astype(np.float32)
    x[:, 2] = 7
    x[random.random(200) < 0.1, 0] = np.nan
    y = np.arange(200, dtype=np.int64) % 2
    arrays = {"train_x": x[:150], "train_y": y[:150], "test_x": x[150:], "test_y": y[150:]}
    packed.write("table", arrays, kind="table", classes=["a", "b"], source="", imported=True)
    return Recipe(dataset="table", model="mlp"), x


def test_a_table_is_standardised_by_its_training_part_and_what_is_missing_is_zero(table):
    recipe, raw = table
    data, prepare = prepared(recipe)
    train = raw[data.train.rows.numpy()].astype(np.float64)
    mean, deviation = np.nanmean(train, 0), np.nanstd(train, 0)
    deviation[2] = 1
    for found, split in ((data.val.x, raw[:150]), (open_test(recipe, "cpu").x, raw[150:])):
        expected = np.nan_to_num((split - mean) / deviation)
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    assert torch.equal(prepare(data.train.x), data.train.x)
    assert data.shape == (3,)


def test_the_test_split_is_whole_and_apart(image_pack):
    pack = image_pack("tested", train=60, test=20)
    split = open_test(Recipe(dataset="tested"), "cpu")
    assert len(split) == pack.test == 20
    assert torch.equal(split.x, torch.from_numpy(packed.read(pack)["test_x"]))


def test_a_pack_that_vanishes_says_so(image_pack, monkeypatch):
    pack = image_pack("vanishing", train=70)
    monkeypatch.setattr("study.engine.data.ensure", lambda name: pack)
    pack.path.write_bytes(b"damaged")
    with pytest.raises(DataError, match="the pack cannot be read"):
        open_data(Recipe(dataset="vanishing"), "cpu")
