"""Import of data sets of Hugging Face from a folder: Parquet or Arrow files, with images as bytes or with rows.

Such folders come from a download of a data set's repository, or from `save_to_disk`. The library `datasets` is not
needed: the files' schema says which column holds images, and how classes are called.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import ipc, parquet

from study.data import image_packs, images, tables, targets
from study.data.archives import File
from study.data.dialects import Reading
from study.data.image_packs import Made
from study.data.kinds import COLUMNAR
from study.data.layout import SPLITS, Slot
from study.data.targets import SEPARATORS
from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from study.data.packed import Pack
    from study.data.reports import Report


@dataclass(frozen=True, slots=True)
class Features:
    """What the columns of a data set are.

    Args:
        image: the column of images; None if there is none.
        names: of the classes, by column.
        columns: all of them.
        lists: those that hold lists, such as several labels.

    """

    image: str | None
    names: Mapping[str, tuple[str, ...]]
    columns: tuple[str, ...]
    lists: frozenset[str]


def import_dataset(
    name: str, path: Path, report: Report, *, label: str | None = None, size: int | None = None,
    test_fraction: float | None = None, drop: Sequence[str] = (), max_categories: int | None = None,
    reading: Reading | None = None,
) -> Pack:  # fmt: skip
    """Convert a data set of Hugging Face into the pack `name`, replacing an older pack of this name.

    Args:
        name: of the data set.
        path: folder with files such as `data/train-00000-of-00001.parquet`, or made by `save_to_disk`.
        report: called with a text and the share that is done, in [0, 1], or None for a single message.
        label: column to predict; None is the only column of classes.
        size: as of `import_images`.
        test_fraction: share to hold out for the test, stratified, if there is no test split; None is 0.2.
        drop: as of `import_table`, as are the next two.
        max_categories: of a table.
        reading: of it `task` and `category`.

    Raises:
        DataError: a file is damaged, or the column to predict is not known.
        PlaceError: the cache folder cannot be written or is full.

    """
    splits = {split: [_opened(file) for file in files] for split, files in _files(path).items()}
    if "train" not in splits:
        raise DataError("has no split called train", where=str(path), fix=f"It has {', '.join(splits)}.")
    features = _features(path, splits["train"][0].schema)
    chosen = label or _label(path, features)
    if chosen not in features.columns:
        raise DataError(f"has no column {chosen!r}", where=str(path), fix=f"It has {', '.join(features.columns)}.")
    for split, part in ((split, part) for split, parts in splits.items() for part in parts):
        if lacking := {chosen, features.image or chosen} - {*part.column_names}:
            what = f"has no column {', '.join(sorted(lacking))} in its split {split}"
            raise DataError(what, where=str(path), fix="Remove the files of that split.")
    origin = f"Hugging Face, label {chosen}, sha256 {_digest(path)}"
    how = reading or Reading()
    if several := chosen in features.lists:
        if how.task not in {None, "multilabel"}:
            what = f"the label {chosen!r} holds lists, which are several labels"
            raise DataError(what, where=str(path), fix="Leave --task out.")
        how = replace(how, task="multilabel")
    if features.image is None:
        frames = {split: _frame(path, parts, features, chosen) for split, parts in splits.items()}
        return tables.store(
            name, path, frames, chosen, origin, test_fraction=test_fraction, reading=how, drop=drop,
            max_categories=max_categories, report=report,
        )  # fmt: skip
    pictures, _ = images.decoded(path, _contents(path, splits, features.image), size, report)
    columns = {split: pd.Series(_labels(path, parts, chosen, features), name=chosen) for split, parts in splits.items()}
    known = () if several else features.names.get(chosen, ())
    labels = targets.labels_of(path, columns, how, report, known)
    found = [Slot(split, text, (split, str(at)), 0) for split in splits for at, text in enumerate(labels.texts[split])]
    made = Made(path, labels.classes, labels.numbers, origin, size, labels.task)
    return image_packs.store(name, made, pictures, found, test_fraction=test_fraction, report=report)


def _files(path: Path) -> dict[str, list[Path]]:
    """List the files of each split, by the first word of their name or of a folder that is called like one."""
    found: dict[str, list[Path]] = {}
    for file in sorted(each for each in path.rglob("*") if each.suffix.lower() in COLUMNAR and each.is_file()):
        words = [re.split(r"[-_.]", part)[0].lower() for part in reversed(file.relative_to(path).parts)]
        split = next((SPLITS[word] for word in words if word in SPLITS), "train")
        if not file.name.startswith(("cache-", ".")):
            found.setdefault(split, []).append(file)
    return found


def _opened(file: Path) -> pa.Table:
    try:
        if file.suffix.lower() == ".parquet":
            return parquet.read_table(file)
        with pa.memory_map(str(file)) as source:
            try:
                return ipc.open_stream(source).read_all()
            except pa.ArrowInvalid:
                return ipc.open_file(source).read_all()
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"cannot be read ({reason})", where=str(file), fix="Download it again.") from error


def _features(path: Path, schema: pa.Schema) -> Features:
    """Read what Hugging Face has stored about the columns; without that, take a struct of bytes and path for images."""
    try:
        about: dict[str, Any] = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features: dict[str, Any] = about.get("info", {}).get("features", {})
        inner = {name: _inner(each) for name, each in features.items() if name in schema.names}
        names = {name: tuple(map(str, each["names"])) for name, each in inner.items()
                 if each.get("_type") == "ClassLabel"}  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"what its files say about their columns is damaged ({error!r})"
        raise DataError(what, where=str(path), fix="Download it again.") from error
    image = next((field.name for field in schema if pa.types.is_struct(field.type)
                  and {"bytes", "path"} <= {part.name for part in field.type}), None)  # fmt: skip
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    of_lists = frozenset(field.name for field in schema if any(kind(field.type) for kind in lists))
    return Features(image, names, tuple(schema.names), of_lists)


def _inner(feature: Any) -> dict[str, Any]:
    """Give what the elements of a list are, which older versions write as a list of one, and all else as it is."""
    if isinstance(feature, list) and len(feature) == 1:
        return _inner(feature[0])
    if isinstance(feature, dict) and feature.get("_type") in {"Sequence", "List", "LargeList"}:
        return _inner(feature.get("feature"))
    return feature if isinstance(feature, dict) else {}


def _label(path: Path, features: Features) -> str:
    others = [name for name in features.columns if name != features.image]
    found = list(features.names) or [name for name in others if name in {"label", "labels"}]
    if len(found) == 1:
        return found[0]
    raise DataError("has several columns", where=str(path), fix=f"--label names one: {', '.join(others)}.")


def _labels(path: Path, parts: Sequence[pa.Table], label: str, features: Features) -> list[Any]:
    values = [value for part in parts for value in part.column(label).to_pylist()]
    if missing := sum(value is None for value in values):
        raise DataError(f"{missing:,} of {len(values):,} images have no label {label!r}", where=str(path))
    return [_text(path, value, features.names.get(label)) for value in values]


def _text(path: Path, value: Any, names: Sequence[str] | None) -> Any:
    """Name a class, or several of a list, joined; other values stay as they are."""
    if isinstance(value, list | np.ndarray):
        return SEPARATORS[0].join(str(_text(path, each, names)) for each in value)
    if names and not (isinstance(value, int | np.integer) and 0 <= value < len(names)):
        what = f"labels that are none of its {len(names)} classes; such a split has no labels"
        raise DataError(what, where=str(path), fix="Remove the files of that split.")
    return names[int(value)] if names else value


def _contents(path: Path, splits: Mapping[str, Sequence[pa.Table]], image: str) -> Iterator[File]:
    total, done = sum(len(part) for parts in splits.values() for part in parts), 0
    for split, parts in splits.items():
        row = 0
        for part in parts:
            for each in part.column(image):
                content = cast("dict[str, Any]", each.as_py() or {}).get("bytes")
                if content is None:
                    raise DataError(f"row {row + 1} of {split} has no image's bytes", where=str(path),
                                    fix="Save the data set with its images embedded.")  # fmt: skip
                yield File((split, f"row {row + 1}"), content, done / total)
                row, done = row + 1, done + 1


def _frame(path: Path, parts: Sequence[pa.Table], features: Features, label: str) -> pd.DataFrame:
    try:
        frame = pa.concat_tables(parts).to_pandas()
    except pa.ArrowException as error:
        what = f"has files of a split with different columns ({' '.join(str(error).split())[:200]})"
        raise DataError(what, where=str(path), fix="Import one kind at a time.") from error
    if label in features.lists:
        texts = ["" if each is None else _text(path, each, features.names.get(label)) for each in frame[label]]
        frame[label] = pd.Series(texts, index=frame.index, dtype="str")
    for name, names in features.names.items():
        if name in features.lists or name not in frame:
            continue
        known = [value for value in frame[name].unique() if not pd.isna(value)]
        if wrong := [value for value in known if isinstance(value, str) or value >= len(names)]:
            what = f"column {name!r} holds {wrong[0]}, which is none of its {len(names)} classes, counted from 0"
            raise DataError(what, where=str(path), fix="Download it again.")
        frame[name] = frame[name].map(lambda value, names=names: names[int(value)] if value >= 0 else None)
    return frame


def _digest(path: Path) -> str:
    total = sha256()
    for files in _files(path).values():
        for file in files:
            total.update(file.read_bytes())
    return total.hexdigest()
