"""Import of a table as numbers; the training rows decide how each column is encoded."""

from __future__ import annotations

from hashlib import file_digest
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from pandas.api import types

from study.data import packed
from study.data.dialects import Reading
from study.data.encoding import as_text, encode
from study.data.known import TEST_SEED, TEST_SHARE, hold_out
from study.data.reading import read_table
from study.data.reports import Report, silent
from study.data.targets import joined, target_of
from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from study.data.packed import Pack


def import_table(
    name: str,
    path: Path,
    label: str,
    *,
    test: Path | None = None,
    test_fraction: float | None = None,
    drop: Sequence[str] = (),
    max_categories: int | None = None,
    reading: Reading | None = None,
    report: Report | None = None,
    read: pd.DataFrame | None = None,
) -> Pack:
    """Convert a table into the pack `name`, replacing an older pack of this name.

    Numbers are kept, with NaN for a missing value. True and false become 1 and 0. A text column becomes one input for
    each category of the training rows, all 0 for a missing or a new category; many are stored as their numbers. A
    column with a single value is left out. The label's values, sorted, become the classes, or are the numbers to
    predict.
    After an error nothing is written.

    Args:
        name: of the data set.
        path: a text file (CSV and the like), a Parquet or a Feather file.
        label: name of the column to predict.
        test: a file with the test rows.
        test_fraction: share to hold out for the test, stratified, if there is no `test`; None is 0.2.
        drop: names of columns to leave out.
        max_categories: categories to keep of each text column, the most frequent ones; None keeps all.
        reading: what is known of the files.
        report: called with a line for each decision about the columns.
        read: the table, if it was read already.

    Raises:
        DataError: a file or column is missing or unfit; names the line or the column.
        PlaceError: the cache folder cannot be written or is full.

    """
    packed.file_of(name)
    tell, how = report or silent, reading or Reading()
    whole = read_table(path, (), how, label=label, report=tell) if read is None else read
    frames, paths = {"train": _features_checked(path, whole, label, drop, how, tell)}, {"train": path}
    if test is not None:
        if test_fraction is not None:
            raise DataError("excludes --test", where="--test-fraction", fix="Leave one of them out.")
        text = _text_of(frames["train"], label)
        paths["test"] = test
        frames["test"] = _same_columns(
            test, joined(test, read_table(test, text, how, label=label), label)[0], frames["train"], tell
        )  # fmt: skip
    origin = " and ".join(f"{each.name} (sha256 {_digest(each)})" for each in paths.values())
    return _store(
        name, paths, frames, label, f"import of {origin}",
        test_fraction=test_fraction, max_categories=max_categories, reading=how, report=tell,
    )  # fmt: skip


def store(
    name: str, path: Path, frames: Mapping[str, pd.DataFrame], label: str, origin: str, *, test_fraction: float | None,
    reading: Reading, report: Report, drop: Sequence[str] = (), max_categories: int | None = None,
) -> Pack:  # fmt: skip
    """Encode tables that are read already, as `import_table` does.

    Args:
        name: of the data set.
        path: where they come from.
        frames: rows by split: `train`, perhaps `val` and `test`.
        label: name of the column to predict.
        origin: more about the source, such as its sha256.
        test_fraction: as of `import_table`, as are the others.
        reading: of it `category`.
        report: called with a line for each decision.
        drop: names of columns to leave out.
        max_categories: categories to keep of each text column.

    """
    train = _features_checked(path, frames["train"], label, drop, reading, report)
    others = {split: _same_columns(path, frame.drop(columns=list(drop)), train, report)
              for split, frame in frames.items() if split != "train"}  # fmt: skip
    if "test" in others and test_fraction is not None:
        raise DataError("has a test split already", where=str(path), fix="Leave --test-fraction out.")
    return _store(
        name, dict.fromkeys(frames, path), {"train": train, **others}, label, f"import of {path.name} ({origin})",
        test_fraction=test_fraction, max_categories=max_categories, reading=reading, report=report,
    )  # fmt: skip


def _store(
    name: str, paths: Mapping[str, Path], frames: dict[str, pd.DataFrame], label: str, source: str, *,
    test_fraction: float | None, max_categories: int | None, reading: Reading, report: Report,
) -> Pack:  # fmt: skip
    path, done = paths["train"], [f"label {label}"]
    target = target_of(path, _column(frames["train"], label), reading, report)
    y = {split: target.values(paths[split], _column(frame, label)) for split, frame in frames.items()}
    if "test" not in frames:
        share = TEST_SHARE if test_fraction is None else test_fraction
        kept, held = hold_out(y["train"], share=share, stratify=target.stratified, where=str(path))
        whole = frames["train"]
        frames = {**frames, "train": whole.iloc[kept], "test": whole.iloc[held]}
        y = {**y, "train": y["train"][kept], "test": y["train"][held]}
        done.append(f"{share:.0%} held out for the test{', stratified' * target.stratified}, seed {TEST_SEED}")
        report(f"There is no test split: {done[-1]}", None)
    features = {split: frame.drop(columns=label) for split, frame in frames.items()}
    columns = encode(path, features["train"], [features[split] for split in features if split != "train"], report,
                     max_categories)  # fmt: skip
    x = {
        "train": columns.train,
        **dict(zip([split for split in features if split != "train"], columns.others, strict=True)),
    }
    brought = [split for split in ("train", "val") if split in x]
    return packed.write(
        name,
        {
            "train_x": np.concatenate([x[split] for split in brought]) if len(brought) > 1 else x["train"],
            "train_y": np.concatenate([y[split] for split in brought]),
            "test_x": x["test"],
            "test_y": y["test"],
        },
        kind="table",
        classes=target.classes,
        source=f"{source}; {'; '.join(done)}",
        imported=True,
        columns=columns.names,
        validation=len(y.get("val", ())),
        offsets=columns.offsets,
        task=target.task,
        categories=columns.categories,
        raw_columns=columns.raw_columns,
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    return cast("pd.Series", frame[name])


def _text_of(frame: pd.DataFrame, label: str) -> list[str]:
    """List the columns that hold text; in test rows they do, too, even if all of them look like numbers there."""
    kinds = frame.dtypes
    return [str(name) for name in frame.columns if name != label and isinstance(kinds[name], pd.StringDtype)]


def _features_checked(
    path: Path, frame: pd.DataFrame, label: str, drop: Sequence[str], how: Reading, report: Report
) -> pd.DataFrame:  # fmt: skip
    """Leave out the columns to drop and unnamed row numbers; reject a table without rows or features."""
    for column in (label, *drop, *how.category):
        if column not in frame.columns:
            names = ", ".join(frame.columns[:30]) + (", ..." if len(frame.columns) > 30 else "")
            raise DataError(f"has no column {column!r}", where=str(path), fix=f"Its columns are: {names}.")
    if label in drop:
        raise DataError(f"{label!r} is the label", where="--drop", fix="Keep it.")
    frame = frame.drop(columns=list(drop))
    for column in [column for column in frame.columns if column.startswith("Unnamed: ")]:
        if types.is_integer_dtype(frame[column]) and (np.diff(frame[column]) == 1).all():
            frame = frame.drop(columns=column)
            report("Left out a column of row numbers without a name", None)
    if len(frame) == 0 or frame.shape[1] < 2:
        raise DataError(f"has {len(frame)} rows and {frame.shape[1] - 1} columns besides {label!r}", where=str(path),
                        fix="Bring some.")  # fmt: skip
    return frame.assign(**{name: as_text(_column(frame, name)) for name in how.category if name != label})


def _same_columns(path: Path, frame: pd.DataFrame, train: pd.DataFrame, report: Report) -> pd.DataFrame:
    there, wanted = set(frame.columns), set(train.columns)
    if missing := [column for column in train.columns if column not in there]:
        raise DataError(f"lacks the columns {', '.join(missing[:10])}", where=str(path), fix="Test rows need all "
                        "columns of the training rows, the label too.")  # fmt: skip
    if more := [column for column in frame.columns if column not in wanted]:
        report(f"Left out of {path.name}, because the training rows do not have them: {', '.join(more[:10])}", None)
    return frame.drop(columns=more)
