"""Import of images that a table lists, in a column of files and one of labels, or a file in COCO's format."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
from PIL.Image import registered_extensions

from study.data import image_packs, images, tables, targets
from study.data.archives import File
from study.data.image_packs import Made
from study.data.layout import SPLITS, Slot
from study.data.reading import read_table
from study.data.targets import SEPARATORS
from study.errors import DataError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from study.data.dialects import Reading
    from study.data.packed import Pack
    from study.data.reports import Report

FILE, LABEL = "file", "label"  # columns
OF_SPLITS = {"split", "set", "subset"}  # likewise
LOOKED_AT = 50  # rows that tell whether a column names images


def column_of_images(frame: pd.DataFrame, label: str) -> str | None:
    """Find the column whose values are names of image files; None if there is none."""
    for name in frame.columns:
        values = [value for value in cast("pd.Series", frame[name])[:LOOKED_AT] if value == value]  # noqa: PLR0124 - NaN
        if name != label and values and all(_is_image(value) for value in values):
            return str(name)
    return None


def import_listing(
    name: str, path: Path, report: Report, *, label: str, reading: Reading, test: Path | None = None,
    size: int | None = None, test_fraction: float | None = None, drop: Sequence[str] = (),
    max_categories: int | None = None,
) -> Pack:  # fmt: skip
    """Convert a table into the pack `name`, or the images that it lists, if a column has names of image files.

    The images are looked for beside the table, and in folders there. A column `split` tells the split of each image, if
    all of its values are names of splits. The arguments and errors are those of `import_table` and `import_images`.

    Raises:
        InputError: an option has no effect on such data.
        DataError: a file is not there or no image, or a label is missing; names it.
        PlaceError: the cache folder cannot be written or is full.

    """
    frame, several = targets.joined(path, read_table(path, (), reading, label=label, report=report), label)
    how = replace(reading, task="multilabel") if several else reading
    image = column_of_images(frame, label) if label in frame.columns else None
    if image is None or image in drop:
        if size is not None:
            raise InputError("has no effect on a table", where="--size")
        return tables.import_table(
            name, path, label, test=test, test_fraction=test_fraction, drop=drop, max_categories=max_categories,
            reading=how, report=report, read=frame,
        )  # fmt: skip
    rows = {"train": frame}
    if test is not None:
        rows["test"] = targets.joined(test, read_table(test, (), reading, label=label), label)[0]
        if lacking := [column for column in (image, label) if column not in rows["test"]]:
            raise DataError(f"lacks the columns {', '.join(lacking)}", where=str(test))
    if left := [column for column in frame.columns if column not in {image, label, *drop}]:
        report(f"{image} names the images; left out: {', '.join(left[:10])}", None)
    kept = {image, label, *(column for column in frame.columns if column.lower() in OF_SPLITS and column not in drop)}
    listed = {split: each.drop(columns=[column for column in each.columns if column not in kept]).rename(
        columns={image: FILE, label: LABEL}) for split, each in rows.items()}  # fmt: skip
    return _store(name, path, listed, f"label {label}", report, reading=how, size=size, test_fraction=test_fraction)


def import_coco(
    name: str, path: Path, report: Report, *, reading: Reading, test: Path | None = None, size: int | None = None,
    test_fraction: float | None = None,
) -> Pack:  # fmt: skip
    """Convert images that a file in COCO's format lists into the pack `name`: which categories each image has.

    Each image has one class if all have exactly one category, else several labels. The images are looked for beside the
    file, and in folders there. The arguments are those of `import_listing`.

    Raises:
        DataError: the file is not in that format, or lists a file that is not there or no image.
        PlaceError: the cache folder cannot be written or is full.

    """
    rows = {"train": _of_coco(path)}
    if test is not None:
        rows["test"] = _of_coco(test)
    several = any((frame[LABEL].str.split(SEPARATORS[0]).str.len() != 1).any() or (frame[LABEL] == "").any()
                  for frame in rows.values())  # fmt: skip
    if several and reading.task == "classification":
        raise DataError("has images with none or several categories", where=str(path), fix="Leave --task out.")
    if several:
        report("Images have none or several categories: several labels are predicted (--task multilabel)", None)
    how = replace(reading, task="multilabel" if several else "classification")
    return _store(name, path, rows, "categories", report, reading=how, size=size, test_fraction=test_fraction)


def _of_coco(path: Path) -> pd.DataFrame:
    """Read files, and the names of their categories joined, from `images`, `annotations` and `categories`."""
    fix = "COCO's format has images with id and file_name, annotations with image_id and category_id, and categories."
    try:
        content = json.loads(path.read_bytes())
        names = {each["id"]: str(each["name"]) for each in content["categories"]}
        files = {each["id"]: str(each["file_name"]) for each in content["images"]}
        found: dict[Any, set[str]] = {image: set() for image in files}
        for each in content["annotations"]:
            found[each["image_id"]].add(names[each["category_id"]])
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"is no list of images in COCO's format ({error!r})", where=str(path), fix=fix) from error
    if not files:
        raise DataError("lists no images", where=str(path), fix=fix)
    rows = [(files[image], SEPARATORS[0].join(sorted(each))) for image, each in found.items()]
    return pd.DataFrame(rows, columns=[FILE, LABEL], dtype="str")


def _store(
    name: str, path: Path, rows: dict[str, pd.DataFrame], origin: str, report: Report, *, reading: Reading,
    size: int | None, test_fraction: float | None,
) -> Pack:  # fmt: skip
    """Read the images that tables list in a column of files, and their labels."""
    whole = pd.concat([some[[FILE, LABEL]] for some in rows.values()], ignore_index=True)
    splits = pd.Series([each for split, some in rows.items() for each in _splits(some, split)])
    columns = {str(split): cast("pd.Series", whole[LABEL][splits == split]) for split in splits.unique()}
    if "train" not in columns:
        raise DataError("lists no images to train on", where=str(path), fix="Its column of splits has no train.")
    labels = targets.labels_of(path, columns, reading, report)
    texts = {split: iter(each) for split, each in labels.texts.items()}
    found = [
        Slot(split, next(texts[split]), tuple(str(file).split("/")), 0)
        for split, file in zip(splits, whole[FILE], strict=True)
    ]
    index = _index(path.parent)
    pictures, _ = images.decoded(path, _contents(path, index, found), size, report)
    if len(pictures) != len(found):
        raise DataError("lists files that are no images", where=str(path), fix="Remove their lines.")
    made = Made(path, labels.classes, labels.numbers, origin, size, labels.task)
    return image_packs.store(name, made, pictures, found, test_fraction=test_fraction, report=report)


def _is_image(value: object) -> bool:
    return isinstance(value, str) and f".{value.rpartition('.')[2].lower()}" in registered_extensions()


def _splits(rows: pd.DataFrame, split: str) -> list[str]:
    for name in rows.columns:
        if name.lower() in OF_SPLITS:
            values = [str(value).lower() for value in rows[name]]
            if all(value in SPLITS for value in values):
                return [SPLITS[value] for value in values]
    return [split] * len(rows)


def _index(folder: Path) -> dict[str, list[Path]]:
    """Find files by their last name, for tables that leave the folder out."""
    found: dict[str, list[Path]] = {}
    for file in folder.rglob("*"):
        if file.is_file():
            found.setdefault(file.name, []).append(file)
    return found


def _contents(path: Path, index: dict[str, list[Path]], found: Sequence[Slot]) -> Iterator[File]:
    for at, slot in enumerate(found):
        file = path.parent / "/".join(slot.parts)
        if not file.is_file():
            there = index.get(slot.parts[-1], [])
            if len(there) != 1:
                what = f"lists {slot}, which is {'there several times' if there else 'not there'}"
                raise DataError(what, where=str(path), fix="Name files relative to the table's folder.")
            file = there[0]
        try:
            yield File(slot.parts, file.read_bytes(), at / len(found))
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", where=str(file)) from error
