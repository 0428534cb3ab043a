"""Find split and class of each image by its path, in the layouts that people have.

- `train/CLASS/*` and perhaps `test/CLASS/*`, `val/CLASS/*`: splits may be called as in `SPLITS`, in any case.
- `CLASS/train/*`: the same the other way round.
- `CLASS/*`: no split.

Folders above are ignored, folders below the class belong to it, as in torchvision's `ImageFolder`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from study.data.archives import Parts

SPLITS = {
    "train": "train", "training": "train", "train_set": "train", "training_set": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test", "test_set": "test", "eval": "test",
}  # fmt: skip
CLUTTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})  # what systems leave in folders
FIX = "Lay them out as train/cat/1.png, train/dog/2.png, and test/... alike; or as cat/1.png, dog/2.png."


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """What an image's path says of it.

    Args:
        split: train, val or test.
        label: the class's folder.
        parts: the whole path.
        at: which of the parts is the label.

    """

    split: str
    label: str
    parts: Parts
    at: int

    def __str__(self) -> str:
        return printable("/".join(self.parts))


def printable(name: str) -> str:
    """Write a file's name so that it can be printed and stored, even if its bytes are not valid UTF-8."""
    return name.encode(errors="backslashreplace").decode()


def may_hold_image(parts: Parts) -> bool:
    """Tell whether a file is worth reading: neither hidden nor what systems leave behind, and in some folder."""
    return len(parts) > 1 and not any(part.startswith(".") or part.lower() in CLUTTER for part in parts)


def slots(paths: Sequence[Parts], where: str) -> list[Slot]:
    """Find split and class of images.

    Args:
        paths: of the images, in parts; at least one.
        where: what errors name as their place.

    Returns:
        A slot for each path, in their order.

    Raises:
        DataError: the layout is none of those above, or two data sets lie side by side.

    """
    split = {_split_at(parts) for parts in paths}
    if split == {None}:
        return _without_split(paths, where)
    found = list[Slot]()
    for parts in paths:
        at = _split_at(parts)
        if at is None:
            what = f"{printable('/'.join(parts))} is in no split, and others are in train/"
            raise DataError(what, where=where, fix="Move or remove it.")
        found.append(_with_split(parts, at, where))
    tops = {slot.parts[: min(slot.at, at)]: slot for slot in found if (at := _split_at(slot.parts)) is not None}
    if len(tops) > 1:
        one, two, *_ = tops.values()
        raise DataError(f"two data sets, with {one} and with {two}", where=where, fix="Import one of them.")
    return found


def without_image(others: Iterable[Parts], images: Sequence[Slot]) -> str | None:
    """Find a class's folder that has files but no image; None if there is none.

    Args:
        others: paths of files that are no images.
        images: those that there are.

    """
    classes = {slot.parts[: slot.at + 1] for slot in images}
    above = {folder[:-1] for folder in classes}
    for parts in others:
        for at in range(len(parts) - 1):
            if parts[:at] in above and parts[: at + 1] not in classes:
                return printable(parts[at])
    return None


def _split_at(parts: Parts) -> int | None:
    """Find the split's folder: the first that is called like one."""
    return next((at for at, part in enumerate(parts[:-1]) if part.lower() in SPLITS), None)


def _with_split(parts: Parts, at: int, where: str) -> Slot:
    split = SPLITS[parts[at].lower()]
    if len(parts) - at > 2:
        return Slot(split, parts[at + 1], parts, at + 1)
    if at:
        return Slot(split, parts[at - 1], parts, at - 1)
    raise DataError(f"{printable('/'.join(parts))} is in no class's folder", where=where, fix=FIX)


def _without_split(paths: Iterable[Parts], where: str) -> list[Slot]:
    """Take the folders below the one that all images share for the classes."""
    folders = [parts[:-1] for parts in paths]
    shared = _shared(folders)
    if bad := next((parts for parts in paths if len(parts) - 1 == shared), None):
        raise DataError(f"{printable('/'.join(bad))} is in no class's folder", where=where, fix=FIX)
    return [Slot("train", parts[shared], parts, shared) for parts in paths]


def _shared(folders: Sequence[Parts]) -> int:
    """Count the first parts that all folders share."""
    first, last = min(folders), max(folders)
    return next((at for at, (one, two) in enumerate(zip(first, last, strict=False)) if one != two),
                min(len(first), len(last)))  # fmt: skip
