"""Import of NumPy's .npz files: examples and labels, perhaps of several splits, under the usual names."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from hashlib import file_digest
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from study.data import forms, image_packs, packed, tables, targets
from study.data.archives import ZIP_DAMAGE
from study.data.dialects import Reading
from study.data.image_packs import Made, Picture
from study.data.known import TEST_SEED, TEST_SHARE, hold_out
from study.data.layout import SPLITS, Slot
from study.data.memory import require_room
from study.data.pixels import Decoded
from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from study.data.forms import Kind
    from study.data.packed import Pack
    from study.data.reports import Report

TOKENS = frozenset({"tokens", "ids"})  # words of the names of sequences, such as input_ids
EXAMPLES = frozenset({"x", "data", "images", "image", "features", "inputs", "arr_0", "tokens", "input_ids"})
LABELS = frozenset({"y", "target", "targets", "labels", "label", "arr_1"})
FIX = "Save them as numpy.savez('data.npz', x_train=..., y_train=..., x_test=..., y_test=...), or as x and y."
CHANNELS = {1, 3}
MOST_AXES = 4  # of images
BRIGHTEST = 255

Splits = dict[str, tuple[np.ndarray, np.ndarray]]


def import_arrays(
    name: str, path: Path, report: Report, *, test_fraction: float | None = None, reading: Reading | None = None
) -> Pack:  # fmt: skip
    """Convert the arrays of an .npz file into the pack `name`, replacing an older pack of this name.

    Examples of three axes [N, height, width], or of four with 1 or 3 channels last or first, are images; those of two
    are the rows of a table. Whole numbers of two axes called `tokens` or `input_ids` are sequences of tokens. Labels
    [N, labels] of 0 and 1 are several labels for each example.

    Args:
        name: of the data set.
        path: of the file, with `x` and `y`, or with `x_train`, `y_train`, `x_test`, `y_test` and the like.
        report: called with a text and the share that is done, in [0, 1], or None for a single message.
        test_fraction: share to hold out for the test, stratified, if there is no test split; None is 0.2.
        reading: of it `task`, and `category` with `y` if numbers are classes.

    Raises:
        DataError: the file is damaged, holds other arrays, or objects, which could run any program.
        PlaceError: the cache folder cannot be written or is full.

    """
    arrays = _read(path)
    pairs = splits(str(path), arrays, FIX)
    how, (first, labels) = reading or Reading(), pairs["train"]
    with path.open("rb") as file:
        origin = f"sha256 {file_digest(file, 'sha256').hexdigest()}"
    are_tokens = any(_words(key) & TOKENS for key in arrays)
    if first.ndim > MOST_AXES:
        fix = "Other tensors come from a function: dataset='mypackage.data:make'."
        raise DataError(f"examples {first.dtype} {first.shape}", where=str(path), fix=fix)
    if are_tokens or labels.ndim == 2:
        form = "tokens" if are_tokens else "table" if first.ndim == 2 else "image"
        if form == "image":
            pairs = {split: (_bytes(path, x), y) for split, (x, y) in pairs.items()}
        return written(name, path, pairs, form, f"import of {path.name} ({origin})", test_fraction=test_fraction,
                       reading=how, report=report)  # fmt: skip
    if first.ndim == 2:
        frames = {split: pd.DataFrame(x, columns=_columns(x)).assign(y=y) for split, (x, y) in pairs.items()}
        return tables.store(name, path, frames, "y", origin, test_fraction=test_fraction, reading=how, report=report)
    return pictured(name, path, pairs, origin, test_fraction=test_fraction, reading=how, report=report)


def pictured(
    name: str, path: Path, pairs: Splits, origin: str, *, test_fraction: float | None, reading: Reading, report: Report
) -> Pack:
    """Write images of three axes, or of four, with a label each, as a pack; the arguments are those of `written`."""
    pictures, found = list[Picture](), list[Slot]()
    columns = {split: pd.Series(y, name="y") for split, (_, y) in pairs.items()}
    labels = targets.labels_of(path, columns, reading, report)
    for split, (x, _) in pairs.items():
        pixels = _pixels(path, x)
        pictures += [Picture((split, str(at)), Decoded(each, "NumPy")) for at, each in enumerate(pixels)]
        found += [Slot(split, label, (split, str(at)), 0) for at, label in enumerate(labels.texts[split])]
    made = Made(path, labels.classes, labels.numbers, origin, None, labels.task)
    return image_packs.store(name, made, pictures, found, test_fraction=test_fraction, report=report)


def _columns(x: np.ndarray) -> list[str]:
    return [f"x{at}" for at in range(x.shape[1])]


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as content:
            whole = sum(each.file_size for each in content.zip.infolist())
            require_room(whole, "its arrays", str(path), "Save fewer examples, or a smaller type such as uint8.")
            return {key: content[key] for key in content.files}
    except (ValueError, EOFError, zlib.error, *ZIP_DAMAGE) as error:
        reason = "an array holds objects" if "allow_pickle" in str(error) else " ".join(str(error).split())
        raise DataError(f"cannot be read ({reason})", where=str(path), fix=FIX) from error


def splits(where: str, arrays: Mapping[str, np.ndarray], fix: str) -> Splits:
    """Pair examples with labels by the names of the arrays.

    Args:
        where: what errors name as their place.
        arrays: by name, such as `x_train`.
        fix: what to do about arrays that have no pair.

    Raises:
        DataError: there are none to train on, or examples and labels do not go together.

    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        if role := _role(key):
            found.setdefault(role[0], {})[role[1]] = array
    listed = ", ".join(f"{key} {array.shape}" for key, array in list(arrays.items())[:10]) or "nothing"
    if any(set(pair) != {"x", "y"} for pair in found.values()) or "train" not in found:
        raise DataError(f"has no examples with labels: it holds {listed}", where=where, fix=fix)
    pairs: Splits = {}
    marked = all(_marks_classes(pair["y"]) for pair in found.values() if pair["y"].ndim == 2 and pair["y"].shape[1] > 1)
    for split, pair in found.items():
        x, y = pair["x"], _flat(pair["y"], marked=marked)
        if (
            not (x.size and y.size)
            or x.ndim < 2
            or len(x) != len(y)
            or not _are_labels(y)
            or x.dtype.kind not in "biuf"
        ):
            what = f"examples {x.dtype} {x.shape} do not go with labels {y.dtype} {y.shape}"
            raise DataError(what, where=where, fix=fix)
        pairs[split] = x, y
    return pairs


def _are_labels(y: np.ndarray) -> bool:
    return y.ndim == 1 or (y.ndim == 2 and y.dtype.kind in "biuf" and bool(((y == 0) | (y == 1)).all()))


def written(
    name: str, path: Path, pairs: Splits, form: Kind, origin: str, *, test_fraction: float | None, reading: Reading,
    report: Report, classes: Sequence[str] = (), keep: bool = False,
) -> Pack:  # fmt: skip
    """Write examples as they are, and their labels, as a pack.

    Args:
        name: of the data set.
        path: what errors name as their place.
        pairs: examples and labels by split, `train` among them.
        form: of the examples.
        origin: where they come from.
        test_fraction: as of `import_arrays`, as are the next two.
        reading: of it `task`.
        report: told what is decided.
        classes: names of several labels, or of classes in an order of their own.
        keep: whether a pack that holds the same stays.

    Raises:
        DataError: they do not go together.
        PlaceError: the cache folder cannot be written or is full.

    """
    first, of_first = pairs["train"]
    if form in {"table", "tokens"} and (first.ndim != 2 or (form == "tokens" and first.dtype.kind not in "iu")):
        fix = "Tokens are whole numbers [N, length]; several labels go with rows [N, columns] or tokens."
        raise DataError(f"examples {first.dtype} {first.shape}", where=str(path), fix=fix)
    several = of_first.ndim == 2
    columns = {split: pd.Series(y, name="y") for split, (_, y) in pairs.items() if not several}
    target = None if several else targets.target_of(path, columns["train"], reading, report)
    if target and classes:
        target = replace(target, classes=tuple(classes))
    y = {split: target.values(path, columns[split]) if target else each.astype(np.int64)
         for split, (_, each) in pairs.items()}  # fmt: skip
    x = {split: each.astype(forms.EXAMPLES[form][0]) for split, (each, _) in pairs.items()}
    done = [origin]
    if "test" not in x:
        share, stratify = TEST_SHARE if test_fraction is None else test_fraction, bool(target and target.stratified)
        kept, held = hold_out(y["train"], share=share, stratify=stratify, where=str(path))
        x |= {"train": x["train"][kept], "test": x["train"][held]}
        y |= {"train": y["train"][kept], "test": y["train"][held]}
        done.append(f"{share:.0%} held out for the test{', stratified' * stratify}, seed {TEST_SEED}")
        report(f"There is no test split: {done[-1]}", None)
    elif test_fraction is not None:
        raise DataError("has a test split already", where=str(path), fix="Leave --test-fraction out.")
    both = [[each[split] for split in ("train", "val") if split in each] for each in (x, y)]
    return packed.write(
        name,
        {"train_x": np.concatenate(both[0]), "train_y": np.concatenate(both[1]), "test_x": x["test"],
         "test_y": y["test"]},
        kind=form,
        classes=target.classes if target else classes or [f"label_{at}" for at in range(of_first.shape[1])],
        source="; ".join(done),
        imported=True,
        columns=_columns(first) if form == "table" else (),
        validation=len(y.get("val", ())),
        task=target.task if target else "multilabel",
        keep=keep,
    )  # fmt: skip


def _words(key: str) -> set[str]:
    return {*re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower().split("_")}


def _role(key: str) -> tuple[str, str] | None:
    """Find split and role of an array by its name, such as `X_train` or `test_labels`."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
    parts = [part for part in plain.split("_") if part not in SPLITS]
    splits = [SPLITS[part] for part in plain.split("_") if part in SPLITS]
    role = {**dict.fromkeys(EXAMPLES, "x"), **dict.fromkeys(LABELS, "y")}.get("_".join(parts))
    return ((splits or ["train"])[0], role) if role else None


def _marks_classes(y: np.ndarray) -> bool:
    """Tell whether each row of labels [N, classes] has a single 1; by chance so may one split of several labels."""
    return y.dtype.kind in "biuf" and bool(((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all())


def _flat(y: np.ndarray, *, marked: bool) -> np.ndarray:
    """Give labels one axis: of [N, 1], or of classes that are marked by a 1 in their column, in all splits."""
    if y.ndim == 2 and y.shape[1] == 1:
        return y[:, 0]
    return y.argmax(1) if y.ndim == 2 and y.size and marked else y


def _bytes(path: Path, x: np.ndarray) -> np.ndarray:
    """Convert images to uint8. Raises as `_pixels`, or for values that do not fit."""
    pixels = _pixels(path, x)
    if pixels.dtype != np.uint8:
        raise DataError("images of 16 bits with several labels", where=str(path), fix="Bring them to 0 to 255.")
    return pixels


def _pixels(path: Path, x: np.ndarray) -> np.ndarray:
    """Convert images to uint8 or uint16 [N, height, width, channels].

    Raises:
        DataError: another shape, or values that are neither bytes nor shares of 1.

    """
    if x.ndim == 3:
        x = x[..., None]
    if x.shape[3] not in CHANNELS and x.shape[1] in CHANNELS:
        x = x.transpose(0, 2, 3, 1)
    if x.shape[3] not in CHANNELS:
        raise DataError(f"images of the shape {x.shape[1:]}", where=str(path), fix="They need 1 or 3 channels.")
    if x.dtype.name in {"uint8", "uint16"}:
        return x
    low, high = float(x.min()), float(x.max())
    whole = x.dtype.kind != "f" or bool((x == np.rint(x)).all())
    if whole and low >= 0 and 1 < high <= np.iinfo(np.uint16).max:
        return x.astype(np.uint8 if high <= BRIGHTEST else np.uint16)
    if low >= 0 and high <= 1:
        scaled = x.astype(np.float64) * BRIGHTEST
        if bool((np.abs(scaled - np.rint(scaled)) < 1e-3).all()):
            return np.rint(scaled).astype(np.uint8)
        return np.rint(x.astype(np.float64) * np.iinfo(np.uint16).max).astype(np.uint16)
    what = f"pixels from {low:g} to {high:g}"
    raise DataError(what, where=str(path), fix="Bring them to 0 to 255, or to 0 to 1.")
