"""Examples that people have, files of images or a table, made into what a registered model takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from study.data.images import FORMATS, SUFFIXES, UNREADABLE, plain
from study.data.known import TABLES
from study.data.tables import read_table
from study.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from study.tracking.registry import Model


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
    return _images(model.shape, paths, resize=resize)


def _images(shape: tuple[int, ...], paths: Sequence[Path], *, resize: bool) -> tuple[list[str], np.ndarray]:
    files = [file for path in paths for file in (_within(path) if path.is_dir() else [path])]
    if tables := [file for file in files if file.suffix.lower() in TABLES]:
        raise InputError("is a table, and the model takes images", where=str(tables[0]))
    return [str(file) for file in files], np.stack([_image(file, shape, resize=resize) for file in files])


def _within(folder: Path) -> list[Path]:
    found = [file for file in sorted(folder.rglob("*")) if file.suffix.lower().removeprefix(".") in SUFFIXES]
    if not found:
        raise InputError("holds no images", where=str(folder), fix=f"Known are {', '.join(sorted(SUFFIXES))}.")
    return found


def _image(file: Path, shape: tuple[int, ...], *, resize: bool) -> np.ndarray:
    """Decode an image to the model's size and colours."""
    height, width = shape[:2]
    try:
        with Image.open(file, formats=FORMATS) as opened:
            image = plain(opened).convert("RGB" if shape[2:] == (3,) else "L")
    except UNREADABLE as error:
        known = not isinstance(error, Image.UnidentifiedImageError)
        reason = (
            " ".join(str(getattr(error, "strerror", None) or error).split())[:200] if known else "of an unknown format"
        )
        raise InputError(f"cannot be read as an image ({reason})", where=str(file)) from error
    if image.size != (width, height):
        if not resize:
            what = f"is {image.width}x{image.height} pixels, and the model takes {width}x{height}"
            raise InputError(what, where=str(file), fix="--resize cuts and scales it.")
        image = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)


def _rows(model: Model, paths: Sequence[Path]) -> tuple[list[str], pd.DataFrame]:
    if len(paths) > 1 or paths[0].is_dir() or paths[0].suffix.lower() not in TABLES:
        strange = next((path for path in paths if path.suffix.lower() not in TABLES), paths[-1])
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
    return [f"row {number}" for number in range(1, len(frame) + 1)], cast("pd.DataFrame", frame[list(model.columns)])


def _check_numbers(path: Path, column: str, values: pd.Series) -> None:
    numbers = cast("pd.Series", pd.to_numeric(values, errors="coerce"))
    strange = np.flatnonzero(numbers.isna() & values.notna())
    if len(strange):
        value, row = values.iloc[int(strange[0])], int(strange[0]) + 1
        raise InputError(f"column {column!r} holds {value!r} in row {row}, which is no number", where=str(path))
