"""Data that a person's own function gives, named by its import path as a recipe's `dataset`, made into a pack.

A command calls the function as it begins. Its trainings, in whatever processes, read the pack.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from study.data import arrays, packed
from study.data.dialects import Reading
from study.data.reports import Report, silent
from study.engine.own import parameters, running
from study.engine.sources import unknown
from study.errors import DataError
from study.formatting import nearest
from study.imports import import_object
from study.knobs import SCIKIT_LEARN, TORCHVISION

if TYPE_CHECKING:
    from study.data.forms import Kind
    from study.data.packed import Pack

FIX = "Return {'x': ..., 'y': ...}, or {'x_train': ..., 'y_train': ..., 'x_test': ..., 'y_test': ...}."
PARTS = ("x", "y", "tokens")
NAMES = tuple(f"{part}{end}" for end in ("", "_train", "_val", "_test") for part in PARTS)


def make(name: str, report: Report | None = None) -> Pack:
    """Call the function, and write its pack, or keep the one that holds the same.

    Args:
        name: import path of a function without arguments that returns the contract of docs/own_data.md: tensors or
            arrays by name, `x` and `y`, perhaps of each split, and `classes`, perhaps; or the pair of `x` and `y`.
        report: told what is decided.

    Raises:
        StudyFileError: the function cannot be imported, needs arguments, or raises.
        DataError: what it returns is not data to train on; says which part.
        PlaceError: the cache folder cannot be written or is full.

    """
    packed.file_of(name)
    if name.startswith((SCIKIT_LEARN, TORCHVISION)):
        raise unknown(name)
    function = import_object(name)
    given, _ = parameters(name, function)
    if needed := [each.name for each in given.values() if each.default is each.empty]:
        raise DataError(f"needs {needed[0]!r}", where=name, fix="Give it a default: it is called without arguments.")
    with running(name):
        returned = function()
    found = _named(name, returned)
    classes = _classes(name, found.pop("classes", None))
    is_tokens = any(key.startswith("tokens") for key in found)
    if is_tokens and any(key.startswith("x") for key in found):
        raise DataError("returns both x and tokens", where=name, fix="Leave one of them out.")
    values = {key.replace("tokens", "x"): _array(name, key, value) for key, value in found.items()}
    splits = arrays.splits(name, values, FIX)
    kind = _kind(name, splits["train"][0], is_tokens=is_tokens)
    for split, (x, y) in splits.items():
        _check(name, split, x, y, kind)
    how = Reading(task="regression" if splits["train"][1].dtype.kind == "f" else "classification")
    named = {split: (x, _with_names(name, y, classes)) for split, (x, y) in splits.items()}
    return arrays.written(
        name, Path(name), named, kind, f"made by {name}", test_fraction=None, reading=how, report=report or silent,
        classes=classes, keep=True,
    )  # fmt: skip


def require_same_again(name: str) -> None:
    """Call the function once more, and see that it gives the same data.

    Raises:
        DataError: it gives others each time.

    """
    before = make(name).sha256
    if make(name).sha256 != before:
        what = "gives other data each time that it is called"
        raise DataError(what, where=name, fix="Seed its random numbers: a search that goes on needs the same data.")


def _named(name: str, returned: Any) -> dict[str, Any]:
    """Give what the function returned by name."""
    if isinstance(returned, tuple | list) and len(returned) == 2:
        return {"x": returned[0], "y": returned[1]}
    if not isinstance(returned, Mapping):
        raise DataError(f"returns a {type(returned).__name__}, where a dict is wanted", where=name, fix=FIX)
    found = {str(key): value for key, value in returned.items()}
    for key in found:
        if key not in {*NAMES, "classes"}:
            meant = nearest(key, [*NAMES, "classes"], else_say="Known are")
            raise DataError(f"returns {key!r}, which is no name of data", where=name, fix=meant)
    return found


def _classes(name: str, classes: Any) -> tuple[str, ...]:
    """Check the names of the classes, in the order of their numbers."""
    if classes is None:
        return ()
    names = tuple(map(str, classes)) if isinstance(classes, list | tuple) else ()
    if len(names) < 2 or len(set(names)) < len(names):
        raise DataError("classes are not a list of different names", where=name, fix="Such as ['cat', 'dog'].")
    return names


def _array(name: str, key: str, value: Any) -> np.ndarray:
    """Turn a tensor, an array or a list into an array of bytes, whole numbers, fractions or texts."""
    if isinstance(value, torch.Tensor):
        tensor = value.detach().cpu()
        found = (tensor.float() if tensor.dtype in {torch.bfloat16, torch.float16} else tensor).numpy()
    else:
        try:
            found = np.asarray(value)
        except ValueError as error:
            raise DataError(f"{key} has rows of several lengths", where=name, fix="Pad them to one.") from error
    kinds = "biuf" if not key.startswith("y") else "biufUO"
    if found.dtype.kind not in kinds or (found.dtype == object and not all(isinstance(each, str) for each in found)):
        what = f"{key} holds {found.dtype.name} of a {type(value).__name__}"
        raise DataError(what, where=name, fix="Return tensors or NumPy arrays of numbers; labels may be texts.")
    return found.astype(str) if found.dtype == object else found


def _kind(name: str, x: np.ndarray, *, is_tokens: bool) -> Kind:
    """Tell what the examples are: tokens by their name, images by their bytes, rows by their two axes."""
    if is_tokens:
        return "tokens"
    if x.dtype == np.uint8 and x.ndim == 4:
        if x.shape[3] in arrays.CHANNELS:
            return "image"
        fix = "Give uint8 as (N, height, width, channels), or any shape as floating-point numbers."
        raise DataError(f"x has bytes of shape {x.shape}, which are no images", where=name, fix=fix)
    return "table" if x.ndim == 2 else "tensor"


def _check(name: str, split: str, x: np.ndarray, y: np.ndarray, kind: Kind) -> None:
    """Reject values that no training could use; a missing value of a table is NaN."""
    bad = np.isinf(x) if kind == "table" else ~np.isfinite(x)
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        value = "an infinite value" if kind == "table" else "a value that is not finite"
        raise DataError(f"x of {split} has {value} in row {row}", where=name, fix="Repair it before it is returned.")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise DataError(f"y of {split} has a number that is not finite", where=name, fix="Leave such examples out.")


def _with_names(name: str, y: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Name whole numbers by the classes that are given."""
    if not classes or y.ndim != 1 or y.dtype.kind == "U":
        return y
    if y.dtype.kind == "f":
        fix = "Return whole numbers as y, or leave the classes out."
        raise DataError("y holds floating-point numbers, which are predicted as such", where=name, fix=fix)
    if not 0 <= y.min() <= y.max() < len(classes):
        what = f"y has numbers from {y.min()} to {y.max()} for {len(classes)} classes"
        raise DataError(what, where=name, fix="Count them from 0.")
    return np.asarray(classes)[y.astype(np.int64)]
