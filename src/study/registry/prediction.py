"""Examples that people have, files of images or a table, made into what a registered model takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from study.data.encoding import as_text
from study.data.kinds import kind_of
from study.data.known import TABLES
from study.data.pixels import UNREADABLE, Levels, decode
from study.data.reading import read_table
from study.errors import DataError, InputError
from study.registry import promotion
from study.schemas import models
from study.text import models as text
from study.text.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from study.settings import Settings
    from study.text.table import Block
    from study.tracking.registry import Model, Version


@dataclass(frozen=True, slots=True)
class Predictions(Shown):
    """What a model says of several examples.

    Args:
        version: that predicted.
        predictions: one for each example, in the order that they were given.

    """

    version: Version
    predictions: Sequence[models.Prediction]

    def record(self) -> models.Predictions:
        """Describe the predictions in plain values."""
        return models.Predictions(
            model=self.version.model, version=self.version.number, predictions=list(self.predictions)
        )

    def rows(self) -> list[dict[str, Any]]:
        """Give a row for each example, with a column `probability_CLASS` for each class."""
        return [
            {
                "example": each.example,
                **({"label": each.label} if each.label is not None else {}),
                **({"prediction": each.number} if each.number is not None else {}),
                **{f"probability_{name}": share for name, share in each.probabilities.items()},
            }
            for each in self.predictions
        ]

    def blocks(self) -> list[Block]:
        """Show a line for each example."""
        return text.predictions(self.record())


def predict(
    settings: Settings, model: str, paths: Sequence[Path], number: int | None = None, *, resize: bool = False
) -> Predictions:
    """Predict labels and probabilities.

    Args:
        settings: where the registry is.
        model: its name.
        paths: files of images, folders of them, or one table.
        number: of the version; None is the champion.
        resize: cut and scale images of another size.

    Raises:
        InputError: no such model or version, no champion, or examples that do not fit the model.

    """
    registry = promotion.reach(settings)
    version = promotion.chosen(registry, model, number)
    loaded = registry.load(version)
    names, given = examples(loaded, paths, resize=resize)
    found = loaded.predict(given).to_dict("records")
    return Predictions(version, [_prediction(name, row) for name, row in zip(names, found, strict=True)])


def _prediction(example: str, found: dict[Any, Any]) -> models.Prediction:
    shares = {
        str(name).removeprefix("probability_"): share
        for name, share in found.items()
        if str(name).startswith("probability_")
    }
    return models.Prediction(
        example=example, label=found.get("label"), probabilities=shares, number=found.get("prediction")
    )


def examples(
    model: Model, paths: Sequence[Path], *, resize: bool = False
) -> tuple[list[str], np.ndarray | pd.DataFrame]:
    """Read what a model is to judge.

    Args:
        model: that is to judge it.
        paths: files of images, folders of them, or one table.
        resize: cut and scale images of another size.

    Returns:
        A name for every example, and the examples.

    Raises:
        InputError: a file that is not there, cannot be read, or does not fit the model.

    """
    for path in paths:
        if not path.exists():
            raise InputError("is not there", where=str(path), fix="Give images, a folder of them, or a table.")
    if model.shape is None:
        return _rows(model, paths)
    if model.dtype != "uint8":
        return _tensors(model.shape, model.dtype, paths)
    return _images(model, model.shape, paths, resize=resize)


def _tensors(shape: tuple[int, ...], dtype: str, paths: Sequence[Path]) -> tuple[list[str], np.ndarray]:
    """Read tokens, whole numbers (N, length), or other tensors from NumPy's .npy files."""
    found = list[np.ndarray]()
    what = "whole numbers" if dtype == "int64" else "numbers"
    wanted = f"{what} of shape ({', '.join(map(str, ('N', *shape)))})"
    for path in paths:
        try:
            tensors = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise InputError("cannot be read as an array", where=str(path),
                             fix=f"Save {wanted} with numpy.save.") from error  # fmt: skip
        is_fit = isinstance(tensors, np.ndarray) and tensors.dtype.kind in ("iu" if dtype == "int64" else "iuf")
        if not is_fit or tensors.shape[1:] != shape:
            raise InputError(f"does not hold {wanted}", where=str(path), fix="Save such an array with numpy.save.")
        found.append(tensors.astype(dtype))
    whole = np.concatenate(found)
    return [f"row {number}" for number in range(1, len(whole) + 1)], whole


def _images(
    model: Model, shape: tuple[int, ...], paths: Sequence[Path], *, resize: bool
) -> tuple[list[str], np.ndarray]:
    files = [file for path in paths for file in (_within(path) if path.is_dir() else [path])]
    if tables := [file for file in files if file.suffix.lower() in TABLES]:
        raise InputError("is a table, and the model takes images", where=str(tables[0]))
    levels = Levels(*model.levels) if model.levels else None
    return [str(file) for file in files], np.stack([_image(file, shape, levels, resize=resize) for file in files])


def _within(folder: Path) -> list[Path]:
    suffixes = Image.registered_extensions()
    found = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in suffixes]
    if not found:
        raise InputError("holds no images", where=str(folder), fix="Give their files by name if they have no suffix.")
    return found


def _image(file: Path, shape: tuple[int, ...], levels: Levels | None, *, resize: bool) -> np.ndarray:
    """Decode an image to the model's size and colours, as the import of its data did."""
    height, width = shape[:2]
    try:
        found = decode(file, (width, height) if resize else None)
    except UNREADABLE as error:
        known = not isinstance(error, UnidentifiedImageError)
        reason = (
            " ".join(str(getattr(error, "strerror", None) or error).split())[:200] if known else "of an unknown format"
        )
        raise InputError(f"cannot be read as an image ({reason})", where=str(file)) from error
    high, wide = found.pixels.shape[:2]
    if (high, wide) != (height, width):
        what = f"is {wide}x{high} pixels, and the model takes {width}x{height}"
        raise InputError(what, where=str(file), fix="--resize crops and scales it.")
    is_deep = found.pixels.dtype == np.uint16
    if is_deep != (levels is not None):
        bits = {False: "8", True: "16"}
        what = f"has {bits[is_deep]} bits for each pixel, and the model was trained on images of {bits[not is_deep]}"
        raise InputError(what, where=str(file), fix="Convert it as the images of the training were.")
    pixels = levels.apply(found.pixels) if levels else found.pixels
    if shape[2:] == (3,):
        return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    return np.asarray(Image.fromarray(pixels).convert("L")) if pixels.shape[2] > 1 else pixels[..., 0]


def _is_table(path: Path) -> bool:
    try:
        return not path.is_dir() and kind_of(path) == "table"
    except DataError:
        return False


def _rows(model: Model, paths: Sequence[Path]) -> tuple[list[str], pd.DataFrame]:
    if len(paths) > 1 or not _is_table(paths[0]):
        strange = next((path for path in paths if not _is_table(path)), paths[-1])
        raise InputError("the model takes one table", where=str(strange), fix="Give a .csv or a .parquet file.")
    path = paths[0]
    frame = read_table(path, model.text)
    if lacking := [column for column in model.columns if column not in frame]:
        there = ", ".join(map(str, frame.columns[:10])) + (", ..." if len(frame.columns) > 10 else "")
        raise InputError(f"lacks the columns {', '.join(lacking)}", where=str(path), fix=f"It has: {there}.")
    if frame.empty:
        raise InputError("has no rows", where=str(path))
    for column in model.columns:
        if column not in model.text:
            _check_numbers(path, column, cast("pd.Series", frame[column]))
    found = frame.assign(**{name: as_text(cast("pd.Series", frame[name])) for name in model.text})  # MLflow wants texts
    return [f"row {number}" for number in range(1, len(frame) + 1)], cast("pd.DataFrame", found[list(model.columns)])


def _check_numbers(path: Path, column: str, values: pd.Series) -> None:
    numbers = cast("pd.Series", pd.to_numeric(values, errors="coerce"))
    strange = np.flatnonzero(numbers.isna() & values.notna())
    if len(strange):
        value, row = values.iloc[int(strange[0])], int(strange[0]) + 1
        raise InputError(f"column {column!r} holds {value!r} in row {row}, which is not a number", where=str(path))
