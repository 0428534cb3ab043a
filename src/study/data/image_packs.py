"""Decoded images as a pack: one array for each split, 16-bit values as 8-bit, some held out for the test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from study.data import packed
from study.data.forms import LABELS
from study.data.known import TEST_SEED, TEST_SHARE, hold_out
from study.data.layout import Slot, printable
from study.data.pixels import Decoded, Levels
from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from study.data.archives import Parts
    from study.data.forms import Task
    from study.data.packed import Pack
    from study.data.reports import Report
    from study.data.targets import Number

LEAST_BRIGHT = 64  # of 255; images of 16 bits a colour that stay below it use less than 14 bits


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded image: the parts of its path, and its pixels."""

    parts: Parts
    decoded: Decoded

    @property
    def pixels(self) -> np.ndarray:
        """Values, uint8 or uint16 [height, width, 1 or 3]."""
        return self.decoded.pixels

    def __str__(self) -> str:
        return printable("/".join(self.parts))


@dataclass(frozen=True, slots=True)
class Made:
    """What a pack of images is made from.

    Args:
        path: of the folder or file.
        classes: their names, in order; none if numbers are predicted.
        numbers: of the classes, the numbers to predict, or 0 and 1 for each of several labels; by label.
        origin: more about the source, such as its sha256; may be empty.
        size: side of the squares in pixels that the images were scaled to; None if they were not.
        task: what is predicted.

    """

    path: Path
    classes: Sequence[str]
    numbers: Mapping[str, Number]
    origin: str
    size: int | None
    task: Task = "classification"


def store(
    name: str, made: Made, pictures: Sequence[Picture], found: Sequence[Slot], *, test_fraction: float | None,
    report: Report,
) -> Pack:  # fmt: skip
    """Write decoded images as a pack; hold some out for the test if none are for it.

    Args:
        name: of the data set.
        made: what it is made from.
        pictures: the images.
        found: split and label of each.
        test_fraction: as of `import_images`.
        report: as of `import_images`.

    Raises:
        DataError: images that do not go together.
        PlaceError: the cache folder cannot be written or is full.

    """
    path, done = (
        made.path,
        [made.origin, f"{' and '.join(sorted({each.decoded.format for each in pictures}))}, decoded"],
    )
    if made.size is not None:
        done.append(f"cropped to squares and scaled to {made.size}x{made.size}")
    levels = _levels(pictures, path)
    if levels:
        done.append(f"16-bit grey values {levels.low} to {levels.high} stored as 8-bit")
        report(_told(levels, pictures), None)
    arrays = {split: _array(pictures, found, made, split, levels) for split in ("train", "val", "test")}
    if not len(arrays["test"][1]):
        share = TEST_SHARE if test_fraction is None else test_fraction
        stratify = made.task == "classification"
        train, test = hold_out(arrays["train"][1], share=share, stratify=stratify, where=str(path))
        arrays["train"], arrays["test"] = _rows(arrays["train"], train), _rows(arrays["train"], test)
        done.append(f"{share:.0%} held out for the test{', stratified' * stratify}, seed {TEST_SEED}")
        report(f"There is no test split: {done[-1]}", None)
    elif test_fraction is not None:
        raise DataError("has a test split already", where=str(path), fix="Leave --test-fraction out.")
    validation = len(arrays["val"][1])
    both = [np.concatenate(pair) for pair in zip(arrays["train"], arrays["val"], strict=True)]
    return packed.write(
        name,
        {"train_x": both[0], "train_y": both[1], "test_x": arrays["test"][0], "test_y": arrays["test"][1]},
        kind="image",
        classes=made.classes,
        source=f"import of {printable(path.absolute().name)} ({'; '.join(part for part in done if part)})",
        imported=True,
        validation=validation,
        levels=levels and (levels.low, levels.high),
        task=made.task,
    )


def _levels(pictures: Sequence[Picture], path: Path) -> Levels | None:
    """Find the range of 16-bit grey values; None if all images have 8 bits.

    Raises:
        DataError: images of 8 bits lie beside them, or the values lie in bits that Pillow does not read.

    """
    cut = [picture for picture in pictures if picture.decoded.is_cut]
    if cut and max(int(picture.pixels.max()) for picture in cut) < LEAST_BRIGHT:
        what = f"{cut[0]} has 16 bits for each colour and uses the lower ones, of which only the upper 8 are read"
        raise DataError(what, where=str(path), fix="Convert such images to 8 bits first.")
    deep = [picture for picture in pictures if picture.pixels.dtype == np.uint16]
    if deep and len(deep) < len(pictures):
        other = next(picture for picture in pictures if picture.pixels.dtype != np.uint16)
        what = f"{deep[0]} has 16 bits and {other} has 8, so that their brightness cannot be compared"
        raise DataError(what, where=str(path), fix="Convert all to the same kind first.")
    return Levels.of(picture.pixels for picture in deep) if deep else None


def _told(levels: Levels, pictures: Sequence[Picture]) -> str:
    """Say how 16-bit values are stored, and how many of those that occur become one."""
    occurs = np.zeros(2**16, bool)
    for picture in pictures:
        occurs[picture.pixels] = True
    left = len(np.unique(levels.apply(np.flatnonzero(occurs).astype(np.uint16))))
    total = int(occurs.sum())
    kept = "all are kept" if left == total else f"{left} are kept apart"
    return f"16-bit grey values from {levels.low} to {levels.high} become 8-bit: of {total:,} that occur, {kept}"


def _array(
    pictures: Sequence[Picture], found: Sequence[Slot], made: Made, split: str, levels: Levels | None
) -> tuple[np.ndarray, np.ndarray]:
    """Put the pictures and labels of a split into arrays; if any picture is RGB, grey ones become RGB."""
    height, width = pictures[0].pixels.shape[:2]
    channels = max(picture.pixels.shape[2] for picture in pictures)
    chosen = [at for at, slot in enumerate(found) if slot.split == split]
    x = np.empty((len(chosen), height, width, channels), np.uint8)
    for row, at in enumerate(chosen):
        x[row] = levels.apply(pictures[at].pixels) if levels else pictures[at].pixels
    y = np.array([made.numbers[found[at].label] for at in chosen], LABELS[made.task][0])
    return x, y.reshape(len(chosen), len(made.classes)) if made.task == "multilabel" else y


def _rows(arrays: tuple[np.ndarray, np.ndarray], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return arrays[0][rows], arrays[1][rows]
