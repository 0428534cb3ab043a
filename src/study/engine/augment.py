"""Augmentation: functions from a batch and a generator to a batch; images as stored, (N, H, W, C)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Generator, Tensor

from study.engine import own
from study.errors import RecipeError, StudyFileError

if TYPE_CHECKING:
    from study.engine.data import Data
    from study.recipe import Recipe

Augment = Callable[[Tensor, Generator], Tensor]


def augmentation(recipe: Recipe, data: Data) -> Augment | None:
    """Chain the recipe's augmentations, in the order of this file, a person's own last; None if there are none.

    Raises:
        RecipeError: a knob that would leave nothing of an image, or an argument that does not exist.
        StudyFileError: a person's own augmentation cannot be imported.

    """
    for knob, pixels in (("augment_crop", recipe.augment_crop), ("augment_cutout", recipe.augment_cutout)):
        if pixels and pixels >= min(data.shape[1:]):
            raise RecipeError(f"{knob}={pixels} leaves nothing of images with {min(data.shape[1:])} pixels")
    chain: list[Augment] = []
    if recipe.augment_flip:
        chain.append(flip)
    if recipe.augment_crop:
        chain.append(lambda images, generator: shift(images, generator, recipe.augment_crop))
    if recipe.augment_rotate:
        chain.append(lambda images, generator: rotate(images, generator, recipe.augment_rotate))
    if recipe.augment_cutout:
        chain.append(lambda images, generator: cutout(images, generator, recipe.augment_cutout))
    if recipe.augment is not None:
        chain.append(_own(recipe))

    def augment(images: Tensor, generator: Generator) -> Tensor:
        for each in chain:
            images = each(images, generator)
        return images

    return augment if chain else None


def _own(recipe: Recipe) -> Augment:
    """Make a person's own augmentation: `function(examples, generator, **arguments)`."""
    function, given = own.bind(recipe, "augment", leading=2)

    def augment(examples: Tensor, generator: Generator) -> Tensor:
        with own.running(path := recipe.augment or ""):
            found = function(examples, generator, **given)
        if not isinstance(found, Tensor) or found.shape != examples.shape:
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise StudyFileError(f"it must keep the shape {tuple(examples.shape)}, and gave {got}", where=path)
        return found

    return augment


def flip(images: Tensor, generator: Generator) -> Tensor:
    """Mirror about half of the images, left to right."""
    mirrored = _uniform(len(images), generator) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(2), images)


def shift(images: Tensor, generator: Generator, pixels: int) -> Tensor:
    """Shift each image by up to `pixels` in both directions, filling with zeros."""
    count, height, width, channels = images.shape
    device = images.device
    padded = F.pad(images, (0, 0, pixels, pixels, pixels, pixels))
    top, left = torch.randint(0, 2 * pixels + 1, (2, count, 1), generator=generator, device=device)
    rows = torch.arange(height, device=device) + top + torch.arange(count, device=device)[:, None] * padded.shape[1]
    columns = torch.arange(width, device=device) + left
    index = rows[:, :, None] * padded.shape[2] + columns[:, None, :]
    return padded.view(-1, channels).index_select(0, index.flatten()).view(count, height, width, channels)


def rotate(images: Tensor, generator: Generator, degrees: float) -> Tensor:
    """Rotate each image about its center by up to `degrees` either way; bilinear, so the result is float."""
    count, height, width, channels = images.shape
    angle = (_uniform(count, generator) * 2 - 1) * math.radians(degrees)
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # In affine_grid's coordinates both sides are 2 long: the aspect ratio keeps the rotation one.
    turn = torch.stack([cosine, -sine * height / width, zero, sine * width / height, cosine, zero], 1).view(-1, 2, 3)
    grid = F.affine_grid(turn, [count, channels, height, width], align_corners=False)
    turned = F.grid_sample(images.permute(0, 3, 1, 2).float(), grid, align_corners=False)
    return turned.permute(0, 2, 3, 1).contiguous()


def cutout(images: Tensor, generator: Generator, side: int) -> Tensor:
    """Set a square of each image to zero; its center is any pixel, so part of it may be outside the image."""
    count, height, width, _ = images.shape
    rows, columns = (
        torch.arange(length, device=images.device) - (_uniform((count, 1), generator) * length).long() + side // 2
        for length in (height, width)
    )
    hit_rows, hit_columns = (rows >= 0) & (rows < side), (columns >= 0) & (columns < side)
    return images.masked_fill((hit_rows[:, :, None] & hit_columns[:, None, :])[..., None], 0)


def _uniform(shape: int | tuple[int, ...], generator: Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)
