"""Import of images from a folder or an archive, decoded once into a pack."""

from __future__ import annotations

import os
import re
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import file_digest
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from PIL import UnidentifiedImageError
from PIL.Image import registered_extensions

from study.data import packed
from study.data.archives import File, Parts, files
from study.data.known import KNOWN, TEST_SEED, TEST_SHARE, hold_out, known_number
from study.data.layout import FIX, Slot, may_hold_image, printable, slots, without_image
from study.data.memory import require_room
from study.data.pixels import UNREADABLE, Decoded, Levels, decode
from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from study.data.packed import Pack

    Report = Callable[[str, float | None], None]

BATCH = 64  # images that a thread decodes at a time; with fewer, the threads wait for each other
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


def import_images(
    name: str, path: Path, report: Report | None = None, *, size: int | None = None, test_fraction: float | None = None
) -> Pack:
    """Decode a folder or an archive of images into the pack `name`, replacing an older pack of this name.

    The result does not depend on the order of an archive's members. Under a known name the classes are numbered as
    torchvision numbers them. After an error nothing is written.

    Args:
        name: of the data set.
        path: folder or archive in one of the layouts of `study.data.layout`.
        report: called with a text and the share that is done, in [0, 1], or None for a single message.
        size: side of the square, in pixels, that each image is cropped and scaled to; None requires equal sizes.
        test_fraction: share to hold out for the test, stratified, if there is no test folder; None is 0.2.

    Raises:
        DataError: another layout, images of several sizes, an unreadable image, a truncated or damaged archive.
        PlaceError: the cache folder cannot be written or is full.

    """
    packed.file_of(name)
    tell = report or _silent
    pictures, found = _pictures(path, size, tell)
    classes, numbers = _classes(name, path, found, tell)
    made = Made(path, classes, numbers, _digest(path), size)
    return store(name, made, pictures, found, test_fraction=test_fraction, report=tell)


@dataclass(frozen=True, slots=True)
class Made:
    """What a pack of images is made from.

    Args:
        path: of the folder or file.
        classes: their names, in order.
        numbers: of the classes, by label.
        origin: more about the source, such as its sha256; may be empty.
        size: side of the squares in pixels that the images were scaled to; None if they were not.

    """

    path: Path
    classes: Sequence[str]
    numbers: Mapping[str, int]
    origin: str
    size: int | None


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
    arrays = {split: _array(pictures, found, made.numbers, split, levels) for split in ("train", "val", "test")}
    if not len(arrays["test"][1]):
        share = TEST_SHARE if test_fraction is None else test_fraction
        train, test = hold_out(arrays["train"][1], share=share, where=str(path))
        arrays["train"], arrays["test"] = _rows(arrays["train"], train), _rows(arrays["train"], test)
        done.append(f"{share:.0%} held out for the test, stratified, seed {TEST_SEED}")
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
    )


def _silent(_text: str, _share: float | None) -> None:
    """Report nothing."""


def _digest(path: Path) -> str:
    if path.is_dir():
        return ""
    with path.open("rb") as file:
        return f"sha256 {file_digest(file, 'sha256').hexdigest()}"


def _pictures(path: Path, size: int | None, report: Report) -> tuple[list[Picture], list[Slot]]:
    """Decode all images while reading, and sort them, so that the order of an archive does not matter."""
    pictures, others = decoded(path, files(path, may_hold_image), size, report)
    if not pictures:
        raise DataError("no images in folders of classes", where=str(path), fix=FIX)
    found = slots([picture.parts for picture in pictures], str(path))
    if empty := without_image(others, found):
        raise DataError(f"the class {empty} has no image", where=str(path), fix="Bring some, or remove its folder.")
    if others:
        report(f"Left out {len(others):,} files of text: {printable('/'.join(others[0]))} ...", None)
    order = sorted(range(len(found)), key=found.__getitem__)
    found, pictures = [found[at] for at in order], [pictures[at] for at in order]
    if one := next((one for one, two in pairwise(found) if one == two), None):
        raise DataError(f"{one} is there twice", where=str(path), fix="Keep one of them.")
    if not any(slot.split == "train" for slot in found):
        raise DataError("no images to train on", where=str(path), fix=FIX)
    return pictures, found


def decoded(
    path: Path, given: Iterable[File], size: int | None, report: Report
) -> tuple[list[Picture], list[Parts]]:  # fmt: skip
    """Decode files in threads, a few batches ahead.

    Args:
        path: where they come from, for errors.
        given: the files; those without content are skipped.
        size: side of the square, in pixels, that each image is cropped and scaled to; None requires equal sizes.
        report: told about progress.

    Returns:
        The images in the order of the files, and the paths of files of text.

    Raises:
        DataError: an image that cannot be decoded, sizes that differ, or more pixels than the memory holds.

    """
    pictures: list[Picture] = []
    others: list[Parts] = []
    for batch, share in _batches_decoded(path, given, size):
        new = [each for each in batch if isinstance(each, Picture)]
        others += [each for each in batch if not isinstance(each, Picture)]
        pictures += new
        if new:
            _check_alike(pictures[0], new, path)
            fix = "Scale the images down, with --size 64 for example."
            require_room(len(pictures) * pictures[0].pixels.nbytes, "the pixels", str(path), fix)
        report(f"Decoding {path.name}", share)
    return pictures, others


def _batches_decoded(
    path: Path, given: Iterable[File], size: int | None
) -> Iterator[tuple[list[Picture | Parts], float]]:  # fmt: skip
    workers = min(os.cpu_count() or 1, 8)
    waiting: deque[tuple[Future[list[Picture | Parts]], float]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for batch, share in _batches(given):
            waiting.append((pool.submit(_decode_batch, path, batch, size), share))
            if len(waiting) > 2 * workers:
                future, read = waiting.popleft()
                yield future.result(), read
        for future, read in waiting:
            yield future.result(), read


def _batches(given: Iterable[File]) -> Iterator[tuple[list[File], float]]:
    """Gather the files that have content in batches, each with the share that is read."""
    batch: list[File] = []
    for file in given:
        if file.content is None:
            continue
        batch.append(file)
        if len(batch) == BATCH:
            yield batch, file.share
            batch = []
    yield batch, 1.0


def _decode_batch(path: Path, batch: Sequence[File], size: int | None) -> list[Picture | Parts]:
    return [_decode(path, file.parts, file.content or b"", size) for file in batch]


def _decode(path: Path, parts: Parts, content: bytes, size: int | None) -> Picture | Parts:
    """Decode an image; give the parts of a text, such as notes or boxes of objects, which is left out."""
    try:
        return Picture(parts, decode(content, None if size is None else (size, size)))
    except UNREADABLE as error:
        if _is_text(parts, content):
            return parts
        known = not isinstance(error, UnidentifiedImageError)
        reason = " ".join(str(error).split())[:200] if known else "of an unknown format"
        what = f"{printable('/'.join(parts))} cannot be decoded ({reason})"
        raise DataError(what, where=str(path), fix="Repair, convert or remove it; nothing was written.") from error


def _is_text(parts: Parts, content: bytes) -> bool:
    if f".{parts[-1].rpartition('.')[2].lower()}" in registered_extensions() or b"\0" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_alike(first: Picture, decoded: Sequence[Picture], path: Path) -> None:
    height, width = first.pixels.shape[:2]
    for picture in decoded:
        high, wide = picture.pixels.shape[:2]
        if (high, wide) != (height, width):
            what = f"images of several sizes: {first} is {width}x{height}, {picture} is {wide}x{high}"
            fix = f"Use --size {min(height, width)} to crop them to squares and scale them to one size."
            raise DataError(what, where=str(path), fix=fix)


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
    pictures: Sequence[Picture], found: Sequence[Slot], numbers: Mapping[str, int], split: str, levels: Levels | None
) -> tuple[np.ndarray, np.ndarray]:
    """Put the pictures and labels of a split into arrays; if any picture is RGB, grey ones become RGB."""
    height, width = pictures[0].pixels.shape[:2]
    channels = max(picture.pixels.shape[2] for picture in pictures)
    chosen = [at for at, slot in enumerate(found) if slot.split == split]
    x = np.empty((len(chosen), height, width, channels), np.uint8)
    for row, at in enumerate(chosen):
        x[row] = levels.apply(pictures[at].pixels) if levels else pictures[at].pixels
    return x, np.array([numbers[found[at].label] for at in chosen], np.int64)


def _rows(arrays: tuple[np.ndarray, np.ndarray], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return arrays[0][rows], arrays[1][rows]


def _classes(name: str, path: Path, images: Sequence[Slot], report: Report) -> tuple[tuple[str, ...], dict[str, int]]:
    """Name and number the classes: as torchvision does for a known data set, else sorted by name, or by value."""
    found = {slot.label for slot in images if slot.split == "train"}
    if len(found) < 2:
        raise DataError(f"only one class, {printable(found.pop())}", where=str(path), fix="Bring two or more.")
    for slot in images:
        if slot.label not in found:
            raise DataError(f"{slot} is of a class that train/ does not have", where=str(path),
                            fix="Move or remove it.")  # fmt: skip
    known = KNOWN[name].classes if name in KNOWN else ()
    numbers = {label: number for label in found if (number := known_number(label, known)) is not None}
    if known and sorted(numbers.values()) == list(range(len(known))) and len(found) == len(known):
        return known, numbers
    if known:
        report(f"These are not the classes of {name} that torchvision has: numbered by name", None)
    ordered = sorted(found, key=int if all(re.fullmatch(r"[0-9]+", label) for label in found) else None)
    return tuple(printable(label) for label in ordered), {label: number for number, label in enumerate(ordered)}
