"""Import of any classification data set of torchvision that is on disk, by the name of its class."""

from __future__ import annotations

import inspect
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from PIL import Image

from study.data import image_packs, images, targets
from study.data.archives import File
from study.data.dialects import Reading
from study.data.image_packs import Made
from study.data.layout import Slot
from study.errors import DataError
from study.formatting import nearest, reason
from study.knobs import TORCHVISION
from study.settings import data_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from study.data.packed import Pack
    from study.data.reports import Report

SPLITS = {"train": "train", "val": "val", "valid": "val", "trainval": "train", "test": "test"}  # by torchvision's names
OURS = {"root", "train", "transform", "target_transform", "download", "loader"}  # arguments that are not a person's
UNREADABLE = (RuntimeError, ValueError, TypeError, OSError, ImportError)  # what torchvision raises


def import_set(
    name: str, given: str, report: Report, *, size: int | None = None, test_fraction: float | None = None
) -> Pack:  # fmt: skip
    """Convert a data set of torchvision, in the layout that it expects below STUDY_DATA, into the pack `name`.

    Args:
        name: of the data set.
        given: `torchvision:` and the name of a class of `torchvision.datasets`, such as torchvision:Flowers102; then
            perhaps arguments of it, such as torchvision:EMNIST:split=letters.
        report: called with a text and the share that is done, in [0, 1], or None for a single message.
        size: as of `study.data.images.import_images`, as is the next one.
        test_fraction: share to hold out for the test if there is no test split.

    Raises:
        DataError: there is no such class, its files are not there, or it does not give images and classes.
        PlaceError: the cache folder cannot be written or is full.

    """
    path = Path(given)
    splits = _opened(given)
    report(f"Splits of {given}: {', '.join(f'{split} {len(data):,}' for split, data in splits.items())}", None)
    labels: dict[str, list[str]] = {split: [] for split in splits}
    pictures, _ = images.decoded(path, _files(given, splits, labels), size, report)
    columns = {split: pd.Series(each, name="class", dtype="str") for split, each in labels.items()}
    found_labels = targets.labels_of(path, columns, Reading(task="classification"), report)
    found = [Slot(split, text, (split, str(at)), 0)
             for split in splits for at, text in enumerate(found_labels.texts[split])]  # fmt: skip
    made = Made(path, found_labels.classes, found_labels.numbers, f"files in {data_folder()}", size)
    return image_packs.store(name, made, pictures, found, test_fraction=test_fraction, report=report)


def _opened(given: str) -> dict[str, Any]:
    """Open the splits that a class has: by `train`, by `split`, or the whole."""
    from torchvision import datasets  # noqa: PLC0415 - seconds that only its data sets cost

    (kind, _, more), root = given.removeprefix(TORCHVISION).partition(":"), data_folder()
    reader: Any = getattr(datasets, kind, None)
    if kind not in datasets.__all__ or not isinstance(reader, type):
        raise DataError(f"torchvision has no data set {kind!r}", where=given, fix=nearest(kind, datasets.__all__))
    takes = inspect.signature(reader).parameters
    arguments = _arguments(given, more, takes)
    ways: dict[str, dict[str, Any]] = {"train": {}}
    if "train" in takes or "split" in arguments:  # of EMNIST, which takes `train` besides
        ways = {"train": {"train": True}, "test": {"train": False}}
    elif "split" in takes:
        ways = {split: {"split": split} for split in SPLITS}
    found: dict[str, Any] = {}
    troubles: list[str] = []
    for split, way in ways.items():
        if SPLITS[split] in found:
            continue  # trainval, beside train and val
        try:
            found[SPLITS[split]] = reader(root, **arguments, **way)
        except UNREADABLE as error:
            troubles.append(reason(error))
    if "train" not in found:
        fix = f"torchvision.datasets.{kind}(FOLDER, download=True) may fetch it; STUDY_DATA names the folder."
        raise DataError(f"is not in {root}, or cannot be read ({troubles[0]})", where=given, fix=fix)
    return found


def _arguments(given: str, more: str, takes: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """Read arguments such as `split=letters`, and see that none is missing."""
    free = {name: each for name, each in takes.items() if name not in OURS and each.kind is not each.VAR_KEYWORD}
    if "split" in free and free["split"].default is not inspect.Parameter.empty:
        del free["split"]  # all of its splits are taken
    found: dict[str, Any] = {}
    for part in filter(None, more.split(",")):
        name, _, value = part.partition("=")
        if name not in free or not value:
            fix = nearest(name, sorted(free), else_say="It has") if free else "It has none."
            raise DataError(f"has no argument {part!r}", where=given, fix=fix)
        found[name] = int(value) if value.isdecimal() else value
    for name, each in free.items():
        if each.default is each.empty and name not in found:
            raise DataError(f"needs {name}", where=given, fix=f"Add it: {given}:{name}=VALUE.")
    return found


def _files(given: str, splits: Mapping[str, Any], labels: dict[str, list[str]]) -> Iterator[File]:
    """Give each image as a file without loss, and add the name of its class to the labels."""
    total, done = sum(map(len, splits.values())), 0
    for split, data in splits.items():
        classes = getattr(data, "classes", None)
        for at in range(len(data)):
            image, label = _example(given, data, at)
            labels[split].append(str(classes[label] if classes and label < len(classes) else label))
            content = BytesIO()
            (image if image.mode in {"L", "RGB"} else image.convert("RGB")).save(content, "PNG", compress_level=1)
            yield File((split, str(at)), content.getvalue(), done / total)
            done += 1


def _example(given: str, data: Any, at: int) -> tuple[Image.Image, int]:
    try:
        image, label = data[at]
    except (*UNREADABLE, IndexError) as error:
        raise DataError(f"image {at} cannot be read ({reason(error)})", where=given) from error
    try:
        number = int(label)
    except (TypeError, ValueError) as error:
        what = f"gives {type(label).__name__} where the number of a class is wanted"
        raise DataError(what, where=given, fix="Write a function: dataset='mypackage.data:make'.") from error
    if not isinstance(image, Image.Image):
        raise DataError(f"gives {type(image).__name__} where an image is wanted", where=given)
    return image, number
