"""Augmentations equal their plain versions, image by image."""

from __future__ import annotations

import pytest
import torch

from study.engine import augment

SHAPES = [(64, 8, 8, 1), (40, 10, 6, 3)]


def batch(shape):
    return torch.randint(1, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def generator():
    return torch.Generator().manual_seed(5)


@pytest.mark.parametrize("shape", SHAPES)
def test_about_half_of_the_images_are_mirrored_and_the_rest_left(shape):
    images = batch(shape)
    mirrored = [
        torch.equal(new, old.flip(1)) for new, old in zip(augment.flip(images, generator()), images, strict=True)
    ]
    left = [torch.equal(new, old) for new, old in zip(augment.flip(images, generator()), images, strict=True)]
    assert [a != b for a, b in zip(mirrored, left, strict=True)] == [True] * len(images)
    assert 0.3 < sum(mirrored) / len(images) < 0.7


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shift_is_one_of_the_windows_of_the_padded_image(shape):
    images, reach = batch(shape), 2
    height, width = shape[1:3]
    seen = set()
    for new, old in zip(augment.shift(images, generator(), reach), images, strict=True):
        padded = torch.nn.functional.pad(old, (0, 0, reach, reach, reach, reach))
        found = [
            (top, left)
            for top in range(2 * reach + 1)
            for left in range(2 * reach + 1)
            if torch.equal(new, padded[top : top + height, left : left + width])
        ]
        assert len(found) == 1
        seen.update(found)
    assert len(seen) > 15  # of 25


@pytest.mark.parametrize("shape", SHAPES)
def test_cutout_sets_a_square_to_zero_that_may_stick_out(shape):
    images = batch(shape)
    sizes = set()
    for new, old in zip(augment.cutout(images, generator(), 3), images, strict=True):
        hit = (new == 0).all(-1)
        rows, columns = hit.any(1).nonzero().flatten(), hit.any(0).nonzero().flatten()
        assert hit.sum() == len(rows) * len(columns)
        assert torch.equal(new[~hit], old[~hit])
        assert rows[-1] - rows[0] + 1 == len(rows) <= 3
        sizes.add((len(rows), len(columns)))
    assert (3, 3) in sizes
    assert len(sizes) > 1


@pytest.mark.parametrize(("height", "width"), [(9, 9), (9, 15)])
def test_a_quarter_turn_is_torchs_own_where_the_image_has_pixels(monkeypatch, height, width):
    """The angle is drawn from [-1, 1] of the limit: with a draw of 1 it is the limit itself."""
    monkeypatch.setattr(augment, "_uniform", lambda shape, generator: torch.ones(shape))
    images = batch((2, height, width, 2))
    turned = augment.rotate(images, generator(), 90)
    expected = images.float().rot90(-1, (1, 2))
    rows, columns = (slice((length - 9) // 2, (length - 9) // 2 + 9) for length in (height, width))
    middle = slice((width - 9) // 2, (width - 9) // 2 + 9)
    if turned[:, rows, columns].sub(expected[:, middle, :]).abs().max() > 1e-2:
        expected = images.float().rot90(1, (1, 2))
    torch.testing.assert_close(turned[:, rows, columns], expected[:, middle, :], atol=1e-2, rtol=0)


def test_a_rotation_by_nothing_leaves_the_image():
    images = batch(SHAPES[1])
    torch.testing.assert_close(augment.rotate(images, generator(), 1e-9), images.float(), atol=1e-2, rtol=0)


def test_rotations_go_both_ways_and_fill_with_zero():
    images = torch.full((200, 9, 9, 1), 200, dtype=torch.uint8)
    images[:, :4] = 100
    turned = augment.rotate(images, generator(), 45)
    tilt = (turned[:, 4, 6, 0] - turned[:, 4, 2, 0]).sign()
    assert 0.3 < (tilt > 0).float().mean() < 0.7
    assert (turned[:, 0, 0] < 100).float().mean() > 0.5


@pytest.mark.parametrize(
    "function",
    [
        augment.flip,
        lambda images, generator: augment.shift(images, generator, 2),
        lambda images, generator: augment.rotate(images, generator, 30),
        lambda images, generator: augment.cutout(images, generator, 3),
    ],
)
def test_the_generator_alone_decides_and_the_batch_is_not_changed(function):
    images = batch(SHAPES[0])
    before = images.clone()
    torch.manual_seed(1)
    first = function(images, generator())
    torch.manual_seed(2)
    assert torch.equal(first, function(images, generator()))
    assert not torch.equal(first, function(images, torch.Generator().manual_seed(6)))
    assert torch.equal(images, before)
