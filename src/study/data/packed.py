"""Packs: each data set decoded once into one file that trainings read.

A pack is a safetensors file `NAME.safetensors` in the cache folder. It is not stored beside the original data, which
may be read-only. It holds `train_x`, `train_y`, `test_x` and `test_y`: images as uint8 [N, height, width, channels],
tables as float32 [N, columns] with NaN for a missing value, sequences of tokens as int64 [N, length], other tensors as
float32 [N, ...]. Labels are int64 [N], or [N, labels] of 0 and 1 where each example may have several, or float64 [N]
where numbers are predicted. Its metadata holds the fields of `Pack`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from safetensors import SafetensorError, safe_open

from study.data import forms, pack_file
from study.data.pack_file import ARRAYS
from study.errors import DataError, PlaceError
from study.record import atomic_files
from study.settings import cache_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from study.data.forms import Kind, Task

CACHE_FIX = "Choose another folder with STUDY_CACHE."
ABANDONED = 3600.0  # seconds without a write after which a temporary file counts as left behind
_whole: set[tuple[str, int, int, int, str]] = set()  # files that were compared with their sha256 in this process


@dataclass(frozen=True, slots=True)
class Pack:
    """Metadata of a data set, known without reading its arrays.

    Args:
        name: the name that recipes use.
        path: of the file.
        kind: image, table, tokens or tensor.
        classes: names, in the order of the label numbers; none if numbers are predicted.
        shape: of one example: (height, width, channels) of an image, (columns,) of a table, (length,) of tokens, or
            any other of tensors.
        train: number of training examples.
        test: number of test examples.
        sha256: over names, types, shapes and contents of the four arrays, in hex.
        source: where it came from and how it was processed, for people.
        imported: whether a user imported it, under any name.
        created: when the file was made, in seconds since 1970.
        size: of the file, in bytes.
        columns: names of a table's columns after encoding; empty for images.
        validation: number of training examples, the last ones, that were brought for validation; 0 if none were.
        levels: range of 16-bit grey values that is stored as 0 to 255 (`study.data.pixels.Levels`); None for others.
        offsets: names of a table's columns and what was subtracted from each, where float32 cannot hold their values.
        task: what is predicted: a class, a number, or which of several labels an example has.
        vocabulary: number of different tokens, which are counted from 0; 0 for data of another kind.
        categories: of each stored column of a table: how many categories it holds the numbers of, from 0 on, NaN for
            none; 0 for a column that is an input as it is. Empty if all are.
        raw_columns: names of an imported table's columns before encoding, each with the number of `columns` that are
            its categories, 0 if it holds numbers. Empty for other data, and for packs made before this was stored.

    """

    name: str
    path: Path
    kind: Kind
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    train: int
    test: int
    sha256: str
    source: str
    imported: bool
    created: float
    size: int
    columns: tuple[str, ...] = ()
    validation: int = 0
    levels: tuple[int, int] | None = None
    offsets: tuple[tuple[str, float], ...] = ()
    task: Task = "classification"
    vocabulary: int = 0
    categories: tuple[int, ...] = ()
    raw_columns: tuple[tuple[str, int], ...] = ()

    def held_out(self, fraction: float) -> int:
        """Count the examples that validate: those brought for it, else a fraction; 0 if the fraction is."""
        return (self.validation or round(fraction * self.train)) if fraction else 0


def file_of(name: str) -> Path:
    """Return the path of a pack, whether it exists or not.

    Raises:
        DataError: the name is not valid.

    """
    return cache_folder() / "packs" / pack_file.file_name(name)


def names() -> list[str]:
    """List the names of all packs on disk, whole or damaged, in alphabetical order."""
    return sorted(pack_file.name_in(path) for path in (cache_folder() / "packs").glob("[!.]*.safetensors"))


def find(name: str) -> Pack | None:
    """Read a pack's metadata, not its arrays; None if there is no such pack.

    Raises:
        DataError: the name is not valid, or the file is truncated, damaged or of another format.
        PlaceError: the file cannot be read.

    """
    path = file_of(name)
    try:
        size = path.stat().st_size
        pack_file.check_header(path)
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            shapes = {array: tuple(file.get_slice(array).get_shape()) for array in ARRAYS}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PlaceError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    except (SafetensorError, ValueError) as error:
        raise _unfit(name, path, f"is incomplete or damaged ({error})") from error
    if about.get("format") not in {pack_file.FORMAT, pack_file.EARLIER}:
        raise _unfit(name, path, "was not made by this version of study")
    try:
        return _from_metadata(name, path, size, about, shapes)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise _unfit(name, path, f"is damaged ({error!r})") from error


def listing() -> list[Pack]:
    """Read the metadata of all packs on disk, by name.

    Raises:
        DataError: as `find`.

    """
    return [pack for name in names() if (pack := find(name)) is not None]


def read(pack: Pack) -> dict[str, np.ndarray]:
    """Read the four arrays.

    Raises:
        DataError: the file is missing, truncated or damaged.

    """
    require_whole(pack)
    return _arrays(pack)


def require_whole(pack: Pack) -> None:
    """Compare the arrays with their sha256, once in a process as long as the file is the same.

    Raises:
        DataError: the file is missing, truncated or damaged.

    """
    try:
        stat = pack.path.stat()
    except OSError as error:
        raise _unfit(pack.name, pack.path, f"cannot be read ({error})") from error
    mark = (str(pack.path), stat.st_ino, stat.st_mtime_ns, stat.st_size, pack.sha256)
    if mark in _whole:
        return
    if not verify(pack):
        raise _unfit(pack.name, pack.path, "is damaged: its data have another sha256")
    _whole.add(mark)


def _arrays(pack: Pack) -> dict[str, np.ndarray]:
    try:
        with safe_open(pack.path, framework="numpy") as file:
            return {array: cast("np.ndarray", file.get_tensor(array)) for array in ARRAYS}
    except (OSError, SafetensorError) as error:
        raise _unfit(pack.name, pack.path, f"cannot be read ({error})") from error


def verify(pack: Pack) -> bool:
    """Read all of a pack, block by block, and compare it with its sha256.

    Raises:
        DataError: the file is missing, truncated or damaged.

    """
    try:
        return pack_file.digest_of(pack.path) == pack.sha256
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unfit(pack.name, pack.path, f"cannot be read ({error!r})") from error


def write(
    name: str,
    arrays: Mapping[str, np.ndarray],
    *,
    kind: Kind,
    classes: Sequence[str],
    source: str,
    imported: bool,
    columns: Sequence[str] = (),
    validation: int = 0,
    levels: tuple[int, int] | None = None,
    offsets: Mapping[str, float] | None = None,
    task: Task = "classification",
    keep: bool = False,
    categories: Sequence[int] = (),
    raw_columns: Sequence[tuple[str, int]] = (),
) -> Pack:
    """Write a pack atomically, replacing an older one of the same name.

    Args:
        name: of the data set.
        arrays: `train_x`, `train_y`, `test_x` and `test_y`, as the module's docstring describes them.
        kind: of the examples.
        classes: names, in the order of the label numbers.
        source: where it came from and how it was processed, for people.
        imported: whether a user imported it.
        columns: names of a table's columns.
        validation: number of training examples, the last ones, that are for validation.
        levels: range of 16-bit grey values that is stored as 0 to 255.
        offsets: what was subtracted from a table's columns, by name.
        task: what is predicted.
        keep: whether an older one stays if it holds the same.
        categories: as of `Pack`.
        raw_columns: as of `Pack`.

    Raises:
        DataError: types, shapes or labels of the arrays do not fit together.
        PlaceError: the disk is full or cannot be written; nothing is left behind.

    """
    path = file_of(name)
    whole = {array: np.ascontiguousarray(arrays[array]) for array in ARRAYS}
    forms.check(name, whole, kind, task, len(classes))
    about = {
        "format": pack_file.FORMAT,
        "kind": kind,
        "classes": json.dumps(list(classes)),
        "columns": json.dumps(list(columns)),
        "source": source,
        "imported": json.dumps(imported),
        "created": repr(time.time()),
        "sha256": pack_file.digest(whole),
        "validation": json.dumps(validation),
        "levels": json.dumps(levels),
        "offsets": json.dumps(dict(offsets or {})),
        "task": task,
        "vocabulary": json.dumps(forms.vocabulary(whole) if kind == "tokens" else 0),
        **({"categories": json.dumps(list(categories))} if any(categories) else {}),
        **({"raw_columns": json.dumps(list(raw_columns))} if raw_columns else {}),
    }
    if keep and (pack := _same(name, about)):
        return pack
    _replace(path, pack_file.header(whole, about), whole)
    pack = find(name)
    assert pack is not None
    return pack


def _same(name: str, about: Mapping[str, str]) -> Pack | None:
    """Find a whole pack that holds what is to be written."""
    try:
        pack = find(name)
        if pack is not None:
            require_whole(pack)
    except DataError:
        return None
    classes, columns = (tuple(json.loads(about[each])) for each in ("classes", "columns"))
    there = pack and (pack.sha256, pack.kind, pack.classes, pack.columns, pack.task, str(pack.validation))
    asked = (about["sha256"], about["kind"], classes, columns, about["task"], about["validation"])
    return pack if there == asked else None


def remove(name: str) -> None:
    """Delete a pack, whole or damaged, if it exists.

    Raises:
        DataError: the name is not valid.
        PlaceError: the file cannot be deleted.

    """
    path = file_of(name)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise PlaceError(f"cannot be deleted: {error.strerror}", where=str(path)) from error


def _from_metadata(name: str, path: Path, size: int, about: dict[str, str], shapes: dict[str, tuple[int, ...]]) -> Pack:
    levels = json.loads(about.get("levels", "null"))
    columns, categories = (tuple(json.loads(about.get(each, "[]"))) for each in ("columns", "categories"))
    return Pack(
        name=name,
        path=path,
        kind=cast("Kind", _known(about["kind"], forms.EXAMPLES)),
        classes=tuple(json.loads(about["classes"])),
        shape=(len(columns),) if categories else shapes["train_x"][1:],
        train=shapes["train_x"][0],
        test=shapes["test_x"][0],
        sha256=about["sha256"],
        source=about["source"],
        imported=json.loads(about["imported"]),
        created=float(about["created"]),
        size=size,
        columns=columns,
        validation=json.loads(about.get("validation", "0")),
        levels=levels and (levels[0], levels[1]),
        offsets=tuple((name, offset) for name, offset in json.loads(about.get("offsets", "{}")).items()),
        task=cast("Task", _known(about.get("task", "classification"), forms.LABELS)),
        vocabulary=json.loads(about.get("vocabulary", "0")),
        categories=categories,
        raw_columns=tuple((name, count) for name, count in json.loads(about.get("raw_columns", "[]"))),
    )


def _known(name: str, names: Mapping[Any, Any]) -> str:
    if name not in names:
        raise ValueError(f"unknown: {name}")
    return name


def _unfit(name: str, path: Path, what: str) -> DataError:
    fix = f"Delete it with `study data remove {name}` and import it again."
    return DataError(f"the pack {what}", where=str(path), fix=fix)


def _replace(path: Path, header: bytes, arrays: Mapping[str, np.ndarray]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
    except OSError as error:
        raise atomic_files.cannot_write(path, error, CACHE_FIX) from error
    atomic_files.replace(path, chain([header], (pack_file.content(arrays[name]) for name in ARRAYS)), CACHE_FIX)


def _sweep(path: Path) -> None:
    """Delete temporary files of this pack that killed processes have left behind."""
    for left in path.parent.glob(f".{path.name}.*"):
        if time.time() - left.stat().st_mtime > ABANDONED:
            left.unlink(missing_ok=True)
