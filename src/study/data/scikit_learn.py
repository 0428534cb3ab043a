"""Import of scikit-learn's data sets by name: bundled ones, and fetched ones that are on disk already."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from study.data import arrays, tables
from study.data.dialects import Reading
from study.errors import DataError
from study.formatting import nearest, reason
from study.knobs import SCIKIT_LEARN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.data.packed import Pack
    from study.data.reports import Report

# Of no data set of their own, or in a form that no import reads.
OTHERS = {
    "files", "svmlight_file", "svmlight_files", "sample_image", "sample_images", "file", "openml", "20newsgroups",
    "20newsgroups_vectorized", "rcv1", "species_distributions", "lfw_pairs",
}  # fmt: skip
NUMBERS = {"linnerud", "diabetes", "california_housing"}  # to predict; the others have classes


def import_set(
    name: str, given: str, report: Report, *, label: str | None = None, test_fraction: float | None = None,
    drop: Sequence[str] = (), max_categories: int | None = None, reading: Reading | None = None,
) -> Pack:  # fmt: skip
    """Convert a data set of scikit-learn into the pack `name`; nothing is downloaded.

    Args:
        name: of the data set.
        given: `scikit-learn:` and the name of a loader, such as scikit-learn:california_housing.
        report: called with a text and the share that is done, in [0, 1], or None for a single message.
        label: the number to predict, where there are several, as in linnerud; the others are left out.
        test_fraction: share to hold out for the test; None is 0.2.
        drop: names of columns to leave out.
        max_categories: categories to keep of each text column.
        reading: of it `task` and `category`.

    Raises:
        DataError: there is no such data set, it is not on disk, or `label` is needed or unknown.
        PlaceError: the cache folder cannot be written or is full.

    """
    path, how, found = Path(given), reading or Reading(), _loaded(given)
    if how.task is None and _short(given) in NUMBERS:
        how = replace(how, task="regression")
    if "images" in found:
        named = np.asarray(_named(found, pd.Series(found.target)), str)
        return arrays.pictured(
            name, path, {"train": (np.asarray(found.images), named)}, "scikit-learn", test_fraction=test_fraction,
            reading=Reading(task="classification"), report=report,
        )  # fmt: skip
    frame = cast("pd.DataFrame", found.frame)
    for column in frame.select_dtypes("object"):
        texts = (each.decode() if isinstance(each, bytes) else each for each in frame[column])
        frame[column] = pd.Series(list(texts), index=frame.index)
    targets = [str(column) for column in frame.columns if column not in set(found.data.columns)]
    if label is None and len(targets) > 1:
        raise DataError("has several numbers to predict", where=given, fix=f"--label names one: {', '.join(targets)}.")
    chosen = label or targets[0]
    if chosen not in targets:
        raise DataError(f"has no label {chosen!r}", where=given, fix=f"It has {', '.join(targets)}.")
    frame = frame.drop(columns=[each for each in targets if each != chosen])
    frame[chosen] = _named(found, cast("pd.Series", frame[chosen]))
    return tables.store(
        name, path, {"train": frame}, chosen, "scikit-learn", test_fraction=test_fraction, reading=how, report=report,
        drop=drop, max_categories=max_categories,
    )  # fmt: skip


def _loaded(given: str) -> Any:
    """Call the loader, which may be named with or without `load_` or `fetch_`, and forbid it to download."""
    from sklearn import datasets  # noqa: PLC0415 - half a second

    loaders = {each.partition("_")[2]: each for each in datasets.__all__ if each.startswith(("load_", "fetch_"))}
    name = _short(given)
    if name in OTHERS:
        fix = "Save its arrays with numpy.savez('data.npz', x=x, y=y), or write a function: dataset='mine.py:make'."
        raise DataError("holds no table and no images with a class each", where=given, fix=fix)
    if name not in loaders:
        known = sorted({*loaders} - OTHERS)
        raise DataError(f"scikit-learn has no data set {name!r}", where=given, fix=nearest(name, known))
    loader = getattr(datasets, loaders[name])
    takes = inspect.signature(loader).parameters
    options = {"as_frame": True, "scaled": False, "download_if_missing": False}
    try:
        found = loader(**{each: options[each] for each in options if each in takes})
    except (OSError, ValueError) as error:
        folder = datasets.get_data_home()
        fix = f"With a network, `sklearn.datasets.{loaders[name]}()` fetches it."
        raise DataError(f"is not in {folder} ({reason(error)})", where=given, fix=fix) from error
    return found


def _short(given: str) -> str:
    return given.removeprefix(SCIKIT_LEARN).removeprefix("load_").removeprefix("fetch_")


def _named(found: Any, column: pd.Series) -> pd.Series:
    """Name whole numbers by the classes, where scikit-learn has names for all of them."""
    names = [str(each) for each in found.get("target_names", ())]
    values = np.asarray(column)
    if len(names) < 2 or values.dtype.kind not in "iu" or not 0 <= values.min() <= values.max() < len(names):
        return column
    return pd.Series(np.asarray(names)[values], index=column.index, name=column.name, dtype="str")
