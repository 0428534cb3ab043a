"""Import of images from a folder or an archive of `train/<class>/*` and `test/<class>/*`, decoded once into a pack."""

from __future__ import annotations

import itertools
import os
import re
import struct
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from hashlib import file_digest
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from study.data import packed
from study.data.archives import Parts, files
from study.data.known import KNOWN, TEST_SEED, TEST_SHARE, hold_out
from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from study.data.packed import Pack

    Report = Callable[[str, float | None], None]

SPLITS = ("train", "test")
SUFFIXES = frozenset({"jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm"})
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # without those for which Pillow starts a program
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
BATCH = 64  # images that a thread decodes at a time; with fewer, the threads wait for each other


@dataclass(frozen=True, slots=True)
class Slot:
    """An image's path in parts: folders above the split, `train` or `test`, the class's folder, the file name."""

    top: Parts
    split: str
    label: str
    name: str

    def __str__(self) -> str:
        return _printable("/".join((*self.top, self.split, self.label, self.name)))


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded image: its slot, its pixels as uint8 [height, width, 1 or 3], and its file format."""

    slot: Slot
    pixels: np.ndarray
    format: str


def import_images(
    name: str, path: Path, report: Report | None = None, *, size: int | None = None, test_fraction: float | None = None
) -> Pack:
    """Decode a folder or an archive of images into the pack `name`, replacing an older pack of this name.

    The result does not depend on the order of an archive's members. Under a known name the classes are numbered as
    torchvision numbers them. After an error nothing is written.

    Args:
        name: of the data set.
        path: folder or archive with `train/<class>/*` and perhaps `test/<class>/*`, at its top or one folder deep.
        report: called with a text and the share that is done, in [0, 1], or None for a single message.
        size: side of the square, in pixels, that each image is cropped and scaled to; None requires equal sizes.
        test_fraction: share to hold out for the test, stratified, if there is no test folder; None is 0.2.

    Raises:
        DataError: another layout, images of several sizes, an unreadable image, a truncated or damaged archive.
        PlaceError: the cache folder cannot be written or is full.

    """
    packed.file_of(name)
    tell = report or _silent
    pictures = _pictures(path, size, tell)
    formats = " and ".join(sorted({picture.format for picture in pictures}))
    done = [_digest(path), f"{formats}, decoded"]
    if size is not None:
        done.append(f"cropped to squares and scaled to {size}x{size}")
    classes, numbers = _classes(name, path, pictures, tell)
    arrays = _arrays(pictures, numbers)
    if not len(arrays["test_y"]):
        share = TEST_SHARE if test_fraction is None else test_fraction
        arrays = _held_out(arrays, share, path)
        done.append(f"{share:.0%} held out for the test, stratified, seed {TEST_SEED}")
        tell(f"There is no test folder: {done[-1]}", None)
    elif test_fraction is not None:
        raise DataError("has a test folder already", where=str(path), fix="Leave --test-fraction out.")
    source = f"import of {_printable(path.absolute().name)} ({'; '.join(part for part in done if part)})"
    return packed.write(name, arrays, kind="image", classes=classes, source=source, imported=True)


def _silent(_text: str, _share: float | None) -> None:
    """Report nothing."""


def _digest(path: Path) -> str:
    if path.is_dir():
        return ""
    with path.open("rb") as file:
        return f"sha256 {file_digest(file, 'sha256').hexdigest()}"


def _printable(name: str) -> str:
    """Write a file's name so that it can be printed and stored, even if its bytes are not valid UTF-8."""
    return name.encode(errors="backslashreplace").decode()


def _pictures(path: Path, size: int | None, report: Report) -> list[Picture]:
    """Decode all images while reading, and sort them, so that the order of an archive does not matter."""
    pictures: list[Picture] = []
    for decoded, share in _decoded(path, size, report):
        pictures += decoded
        _check_alike(pictures[0], decoded, path)
        _check_room(len(pictures) * pictures[0].pixels.nbytes, path)
        report(f"Decoding {path.name}", share)
    pictures.sort(key=lambda picture: astuple(picture.slot))
    for one, two in itertools.pairwise(pictures):
        if one.slot == two.slot:
            raise DataError(f"{one.slot} is there twice", where=str(path), fix="Keep one of them.")
    if not any(picture.slot.split == "train" for picture in pictures):
        fix = "Use the layout train/cat/1.png, train/dog/2.png, and the same in test/ if there is a test split."
        raise DataError("no images in train/<class>/", where=str(path), fix=fix)
    return pictures


def _decoded(path: Path, size: int | None, report: Report) -> Iterator[tuple[list[Picture], float]]:
    """Decode in threads, a few batches ahead; yield them in the order in which they were read."""
    workers = min(os.cpu_count() or 1, 8)
    waiting: deque[tuple[Future[list[Picture]], float]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for batch, share in _batches(path, report):
            waiting.append((pool.submit(_decode_batch, path, batch, size), share))
            if len(waiting) > 2 * workers:
                future, read = waiting.popleft()
                yield future.result(), read
        for future, read in waiting:
            yield future.result(), read


def _batches(path: Path, report: Report) -> Iterator[tuple[list[tuple[Slot, bytes]], float]]:
    """Read the images in batches, each with the share that is read; report files that were left out."""
    batch: list[tuple[Slot, bytes]] = []
    left_out: list[str] = []
    first: Slot | None = None
    for file in files(path, lambda parts: _slot(parts) is not None):
        slot = _slot(file.parts)
        if slot is None or file.content is None:
            left_out += [] if _hidden(file.parts) else ["/".join(file.parts)]
            continue
        first = first or slot
        if slot.top != first.top:
            raise DataError(f"two data sets, with {first} and with {slot}", where=str(path), fix="Import one of them.")
        batch.append((slot, file.content))
        if len(batch) == BATCH:
            yield batch, file.share
            batch = []
    if batch:
        yield batch, 1.0
    if left_out:
        example = _printable(left_out[0])
        report(
            f"Left out {len(left_out):,} files that are not images in train/<class>/ or test/<class>/: {example} ...",
            None,
        )


def _slot(parts: Parts) -> Slot | None:
    """Find an image's slot by its path; None if it is not an image or not in a class's folder."""
    top = 0 if len(parts) == 3 else 1
    if len(parts) not in {3, 4} or (top and parts[0] in SPLITS) or parts[top] not in SPLITS or _hidden(parts):
        return None
    if parts[-1].rpartition(".")[2].lower() not in SUFFIXES:
        return None
    return Slot(parts[:top], *parts[top:])


def _hidden(parts: Parts) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _decode_batch(path: Path, batch: Sequence[tuple[Slot, bytes]], size: int | None) -> list[Picture]:
    return [_decode(path, slot, content, size) for slot, content in batch]


def _decode(path: Path, slot: Slot, content: bytes, size: int | None) -> Picture:
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            stored = image.format or ""
            simple = plain(image)
            if size is not None:
                simple = ImageOps.fit(simple, (size, size), Image.Resampling.BICUBIC)
    except UNREADABLE as error:
        known = not isinstance(error, Image.UnidentifiedImageError)
        reason = " ".join(str(error).split())[:200] if known else "of an unknown format"
        fix = "Repair or remove it; nothing was written."
        raise DataError(f"{slot} cannot be decoded ({reason})", where=str(path), fix=fix) from error
    pixels = np.asarray(simple)
    return Picture(slot, pixels if pixels.ndim == 3 else pixels[..., None], stored)


def plain(image: Image.Image) -> Image.Image:
    """Convert any kind of image to 8-bit grey or RGB; transparency is dropped, so that hidden pixels show."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in {"I", "F"}:
        raise ValueError("32-bit pixels, whose range is unknown")
    if image.mode in {"1", "L", "LA", "La"}:
        return image.convert("L")
    return image.convert("RGBA").convert("RGB") if image.mode == "P" else image.convert("RGB")


def _check_alike(first: Picture, decoded: Sequence[Picture], path: Path) -> None:
    height, width = first.pixels.shape[:2]
    for picture in decoded:
        high, wide = picture.pixels.shape[:2]
        if (high, wide) != (height, width):
            what = f"images of several sizes: {first.slot} is {width}x{height}, {picture.slot} is {wide}x{high}"
            fix = f"Use --size {min(height, width)} to crop them to squares and scale them to one size."
            raise DataError(what, where=str(path), fix=fix)


def _check_room(needed: int, path: Path) -> None:
    """Reject images that would fill more than half of the memory, if the system reports how much there is."""
    room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2 if hasattr(os, "sysconf") else needed
    if needed > room:
        fix = "Scale the images down, with --size 64 for example."
        raise DataError(f"its pixels fill more than half of the memory ({room:,} bytes)", where=str(path), fix=fix)


def _classes(
    name: str, path: Path, pictures: Sequence[Picture], report: Report
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Name and number the classes: as torchvision does for a known data set, else sorted by name, or by value."""
    found = {picture.slot.label for picture in pictures if picture.slot.split == "train"}
    if len(found) < 2:
        raise DataError(f"only one class, {_printable(found.pop())}", where=str(path), fix="Two or more are needed.")
    for picture in pictures:
        if picture.slot.label not in found:
            raise DataError(f"{picture.slot} is of a class that train/ does not have", where=str(path),
                            fix="Move or remove it.")  # fmt: skip
    known = KNOWN[name].classes if name in KNOWN else ()
    numbers = {label: number for label in found if (number := _known_number(label, known)) is not None}
    if known and sorted(numbers.values()) == list(range(len(known))) and len(found) == len(known):
        return known, numbers
    if known:
        report(f"These are not the classes of {name} that torchvision has: numbered by name", None)
    ordered = sorted(found, key=int if all(re.fullmatch(r"[0-9]+", label) for label in found) else None)
    return tuple(_printable(label) for label in ordered), {label: number for number, label in enumerate(ordered)}


def _known_number(label: str, known: Sequence[str]) -> int | None:
    """Find a folder's class by its name, ignoring case and punctuation (`t_shirt_top`), or by its number."""
    names = [re.sub(r"[^a-z0-9]", "", each.lower()) for each in known]
    plain = re.sub(r"[^a-z0-9]", "", label.lower())
    if plain in names:
        return names.index(plain)
    return int(label) if re.fullmatch(r"[0-9]{1,4}", label) else None


def _arrays(pictures: list[Picture], numbers: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Put the pictures of each split into one array; if any picture is RGB, grey ones become RGB."""
    height, width = pictures[0].pixels.shape[:2]
    channels = max(picture.pixels.shape[2] for picture in pictures)
    arrays: dict[str, np.ndarray] = {}
    for split in SPLITS:
        chosen = [picture for picture in pictures if picture.slot.split == split]
        x = np.empty((len(chosen), height, width, channels), np.uint8)
        for row, picture in enumerate(chosen):
            x[row] = picture.pixels
        arrays[f"{split}_x"] = x
        arrays[f"{split}_y"] = np.array([numbers[picture.slot.label] for picture in chosen], np.int64)
    return arrays


def _held_out(arrays: Mapping[str, np.ndarray], share: float, path: Path) -> dict[str, np.ndarray]:
    x, y = arrays["train_x"], arrays["train_y"]
    train, test = hold_out(y, share=share, where=str(path))
    return {"train_x": x[train], "train_y": y[train], "test_x": x[test], "test_y": y[test]}
