"""Import of images from a folder or an archive, decoded once into a pack."""

from __future__ import annotations

import os
import re
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from hashlib import file_digest
from itertools import pairwise
from typing import TYPE_CHECKING

from PIL import UnidentifiedImageError
from PIL.Image import registered_extensions

from study.data import packed
from study.data.archives import File, Parts, files
from study.data.image_packs import Made, Picture, store
from study.data.known import KNOWN, known_number
from study.data.layout import FIX, Slot, may_hold_image, printable, slots, without_image
from study.data.memory import require_room
from study.data.pixels import UNREADABLE, decode
from study.data.reports import Report, silent
from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from study.data.packed import Pack

BATCH = 64  # images that a thread decodes at a time; with fewer, the threads wait for each other


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
    tell = report or silent
    pictures, found = _pictures(path, size, tell)
    classes, numbers = _classes(name, path, found, tell)
    made = Made(path, classes, numbers, _digest(path), size)
    return store(name, made, pictures, found, test_fraction=test_fraction, report=tell)


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
