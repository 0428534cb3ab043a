"""Data sets as tensors on the device, with fixed splits: a batch is an index, and nothing is copied on the CPU.

Images stay uint8, as in the pack's file, which is mapped into memory, so processes share its pages. Only `open_test`
reads the test split.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from study.data import packed
from study.engine.inputs import Pixels
from study.engine.sources import ensure
from study.engine.tables import Table, table_of
from study.engine.tasks import PLAIN, Scale
from study.errors import DataError, RecipeError
from study.knobs import unfit_for_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from study.data.forms import Kind, Task
    from study.data.packed import Pack
    from study.recipe import Recipe

BRIGHTEST = 255  # of a uint8 pixel


@dataclass(frozen=True, eq=False)
class Split:
    """Some examples of a data set.

    Args:
        x: uint8 (N, H, W, C), float32 (N, F), int64 (N, length) or float32 (N, ...), all examples of the file.
        y: int64 (N,), their classes, counted from 0; int64 (N, labels) of 0 and 1; or numbers to predict, float64 (N,),
            standardised.
        rows: int64, which of them belong to the split.

    """

    x: Tensor
    y: Tensor
    rows: Tensor

    def __len__(self) -> int:
        """Count the examples of the split."""
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Data:
    """The part of a data set that a search may see.

    Args:
        name: of the data set.
        kind: images are uint8; a table is float32, standardized by its training part, missing values are 0; tokens
            are int64; other tensors are float32, as they are.
        classes: their names.
        shape: of one input of a network, (C, H, W), (F,), (length,), or that of a tensor.
        train: examples to train on.
        val: examples held out of the training split.
        sha256: of the pack's file.
        task: what is predicted.
        scale: of the numbers to predict.
        vocabulary: number of different tokens.
        spread: from a table's rows as they are stored to inputs of a network, (N, F); None where they are these.

    """

    name: str
    kind: Kind
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    train: Split
    val: Split
    sha256: str
    task: Task = "classification"
    scale: Scale = PLAIN
    vocabulary: int = 0
    spread: Callable[[Tensor], Tensor] | None = None

    @cached_property
    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the training part's pixels, float64 (C,) in [0, 255], from exact counts."""
        counts = torch.zeros(self.shape[0], BRIGHTEST + 1, dtype=torch.int64, device=self.train.x.device)
        for rows in self.train.rows.split(4096):
            images = self.train.x.index_select(0, rows)
            for channel in range(len(counts)):
                counts[channel] += torch.bincount(images[..., channel].flatten(), minlength=BRIGHTEST + 1)
        share = counts.cpu().double() / counts[0].sum().item()
        value = torch.arange(BRIGHTEST + 1, dtype=torch.float64)
        mean = share @ value
        return mean, (share * (value - mean[:, None]).square()).sum(1).sqrt()


def open_data(recipe: Recipe, device: str) -> Data:
    """Open the training split of the recipe's data set, part of it held out for validation.

    Args:
        recipe: its dataset, train_size, val_fraction and split_seed.
        device: where the tensors are put, as torch spells it.

    Raises:
        DataError: the data set cannot be had, or its file is damaged.
        RecipeError: the splits cannot be made, or a knob has no effect on this kind of data.

    """
    pack = ensure(recipe.dataset)
    if unfit := unfit_for_data(recipe, pack.kind, pack.name):
        raise RecipeError(unfit)
    return _open(pack, recipe.val_fraction, recipe.split_seed, recipe.train_size, device)


def open_test(recipe: Recipe, device: str) -> Split:
    """Open the test split, for a final figure and never for a choice; tables and numbers as `open_data` has them.

    Raises:
        DataError: as `open_data`.
        RecipeError: as `open_data`.

    """
    pack = ensure(recipe.dataset)
    x, y = _read(pack, "test")
    if pack.kind == "table":
        x = table(recipe).standardise(x)
    if pack.task == "regression":
        before = _read(pack, "train")[1]
        rows = _parts(pack, before, recipe.val_fraction, recipe.split_seed, recipe.train_size)[0]
        y = _standardised(y, scale_of(before[rows]))
    return Split(x.to(device), y.to(device), torch.arange(len(y), device=device))


def require_same(recipe: Recipe, name: str, sha256: str) -> None:
    """Reject data that were replaced since a search began: its trials could not be compared.

    Args:
        recipe: of a trial; its data set may be another one.
        name: of the data set that the search was checked with.
        sha256: of it.

    Raises:
        DataError: it is another one now.

    """
    if recipe.dataset == name and ensure(name).sha256 != sha256:
        what = f"the data set {name} was replaced since this search began"
        raise DataError(what, fix="Stop the search, and run it again under another --name.")


def order_of(recipe: Recipe, data: Data, generator: torch.Generator) -> Tensor:
    """Draw the order of an epoch: places in the training split, int64, as many as it has examples, on the CPU.

    Raises:
        RecipeError: classes are to be drawn equally often, and there are none.

    """
    if recipe.sampling == "shuffled":
        return torch.randperm(len(data.train), generator=generator)
    if data.task != "classification":
        raise RecipeError(f"sampling={recipe.sampling} is for classes, and {data.name} has none")
    labels = data.train.y.index_select(0, data.train.rows).cpu()
    chances = 1 / torch.bincount(labels).double().index_select(0, labels)
    places = torch.rand(len(labels), generator=generator, dtype=torch.float64) * chances.sum()
    return torch.searchsorted(chances.cumsum(0), places).clamp(max=len(labels) - 1)


def preparation(recipe: Recipe, data: Data, dtype: torch.dtype, upscaling: int) -> Callable[[Tensor], Tensor]:
    """Make the function from a batch of stored examples to the input of a network.

    Args:
        recipe: its normalize and pixel_range.
        data: of which the batches are.
        dtype: of the input.
        upscaling: whole factor by which images grow.

    Returns:
        A function from uint8 or float (N, H, W, C) to float (N, C, H * upscaling, W * upscaling) in channels_last, or
        from float (N, F) to the same.

    """
    if data.kind == "tokens":
        return lambda rows: rows
    if data.spread:
        spread = data.spread
        return lambda rows: spread(rows).to(dtype)
    if data.kind in {"table", "tensor"}:
        return lambda rows: rows.to(dtype)
    channels, height, width = data.shape
    if recipe.normalize:
        mean, deviation = data.moments
        deviation = deviation.where(deviation > 0, 1)
    else:
        middle, half = (0.5, 0.5) if recipe.pixel_range == "symmetric" else (0.0, 1.0)
        mean, deviation = (torch.full((channels,), part * BRIGHTEST, dtype=torch.float64) for part in (middle, half))
    # Of a whole image's shape, for a sum over the last dimension of 3 is slow.
    full = torch.ones(height, width, 1, dtype=torch.float64)
    factor = (full / deviation).to(dtype).to(data.train.x.device)
    shift = (full * (-mean / deviation)).to(dtype).to(data.train.x.device)

    return Pixels(factor, shift, upscaling)


@lru_cache(maxsize=2)  # a search stays with its data set
def _open(pack: Pack, val_fraction: float, split_seed: int, train_size: int | None, device: str) -> Data:
    x, y = _read(pack, "train")
    train, val = _parts(pack, y, val_fraction, split_seed, train_size)
    spread = None
    if pack.kind == "table":
        rows = table_of(x[train], pack.categories)
        x, spread = rows.standardise(x), rows.spread if rows.is_spread else None
    scale = scale_of(y[train]) if pack.task == "regression" else PLAIN
    if pack.task == "regression":
        y = _standardised(y, scale)
    x, y, train, val = (tensor.to(device) for tensor in (x, y, train, val))
    shape = (pack.shape[2], *pack.shape[:2]) if pack.kind == "image" else pack.shape
    return Data(
        pack.name, pack.kind, pack.classes, shape, Split(x, y, train), Split(x, y, val), pack.sha256, pack.task, scale,
        pack.vocabulary, spread,
    )  # fmt: skip


def scale_of(numbers: Tensor) -> Scale:
    """Find mean and standard deviation of numbers, float64 (N,); the latter is 1 if all are equal."""
    return Scale(numbers.mean().item(), numbers.std(correction=0).item() or 1.0)


def _standardised(numbers: Tensor, scale: Scale) -> Tensor:
    return (numbers - scale.mean) / scale.deviation


def _read(pack: Pack, split: str) -> tuple[Tensor, Tensor]:
    """Map the examples of a split into memory, and their labels or numbers."""
    packed.require_whole(pack)
    try:
        with safe_open(pack.path, "pt") as file:
            return file.get_tensor(f"{split}_x"), file.get_tensor(f"{split}_y")
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"the file of {pack.name} cannot be read: {error}",
            where=str(pack.path),
            fix="Delete it; it is made again when first used.",
        ) from error


def table(recipe: Recipe) -> Table:
    """Make what turns the rows of the recipe's table into inputs, by its training rows. Raises as `open_data`."""
    pack = ensure(recipe.dataset)
    x, y = _read(pack, "train")
    return table_of(x[_parts(pack, y, recipe.val_fraction, recipe.split_seed, recipe.train_size)[0]], pack.categories)


def _parts(pack: Pack, labels: Tensor, val_fraction: float, seed: int, train_size: int | None) -> tuple[Tensor, Tensor]:
    """Give the rows to train on and those to validate on, which the data set may bring."""
    if pack.task != "classification":  # nothing to stratify by
        labels = torch.zeros(len(labels), dtype=torch.int64)
    if not (val_fraction and pack.validation):
        return _split(labels, val_fraction, seed, train_size)
    first = len(labels) - pack.validation
    return _split(labels[:first], 0, seed, train_size)[0], torch.arange(first, len(labels))


def _split(labels: Tensor, val_fraction: float, seed: int, train_size: int | None) -> tuple[Tensor, Tensor]:
    """Choose the rows to train on and those to hold out, both stratified by class and in the order of the file."""
    total = len(labels)
    classes, counts = np.unique(labels.numpy(), return_counts=True)
    held = round(val_fraction * total)
    size = total - held if train_size is None else train_size
    if (val_fraction and not held) or held == total:
        raise RecipeError(f"val_fraction={val_fraction} of {total} examples leaves a split empty")
    if size > total - held:
        raise RecipeError(f"train_size={size} is more than the {total - held} training examples")
    # RandomState, for numpy promises its numbers for all versions to come.
    random = np.random.RandomState(np.frombuffer(sha256(b"split %d" % seed).digest(), np.uint32))
    shuffled = [random.permutation(np.flatnonzero(labels.numpy() == each)) for each in classes]
    to_hold = _shares(counts, held)
    to_train = _shares(counts - to_hold, size)
    val = np.concatenate([rows[:n] for rows, n in zip(shuffled, to_hold, strict=True)])
    train = np.concatenate([rows[n : n + m] for rows, n, m in zip(shuffled, to_hold, to_train, strict=True)])
    return torch.from_numpy(np.sort(train)), torch.from_numpy(np.sort(val))


def _shares(counts: np.ndarray, total: int) -> np.ndarray:
    """Share out a total in proportion to the counts, by largest remainders."""
    exact = counts * (total / counts.sum())
    shares = np.floor(exact).astype(np.int64)
    left = np.argsort(-(exact - shares), kind="stable")[: total - shares.sum()]
    shares[left] += 1
    return shares
