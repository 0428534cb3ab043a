"""Import of a table from CSV or Parquet, as numbers; the training rows decide how each column is encoded."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal
from hashlib import file_digest
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from pandas.api import types

from study.data import packed
from study.data.known import PARQUET, TEST_SEED, TEST_SHARE, hold_out
from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from study.data.packed import Pack

    Report = Callable[[str, float | None], None]

SEPARATORS = ",;\t|"
MISSING = ["?"]  # missing values in UCI's files, besides those that pandas knows
CATEGORIES = 1000  # a column with more distinct texts holds names or sentences, not categories
UNREADABLE = (ValueError, OSError, EOFError, csv.Error)  # ValueError: also pandas' and Arrow's own


@dataclass(frozen=True, slots=True)
class Encoded:
    """The columns that encode one column: their names, and their values in training and test, float32 [N, columns]."""

    names: tuple[str, ...]
    train: np.ndarray
    test: np.ndarray


def import_table(
    name: str,
    path: Path,
    label: str,
    *,
    test: Path | None = None,
    test_fraction: float | None = None,
    drop: Sequence[str] = (),
    report: Report | None = None,
) -> Pack:
    """Convert a table into the pack `name`, replacing an older pack of this name.

    Numbers are kept, with NaN for a missing value. True and false become 1 and 0. A text column becomes one column for
    each category of the training rows, all 0 for a missing or a new category. A column with a single value is left
    out. The label's values, sorted, become the classes. After an error nothing is written.

    Args:
        name: of the data set.
        path: a CSV (separated by comma, semicolon, tab or bar) with a header, or a Parquet file.
        label: name of the column to predict.
        test: a file of the same format with the test rows.
        test_fraction: share to hold out for the test, stratified, if there is no `test`; None is 0.2.
        drop: names of columns to leave out.
        report: called with a line for each decision about the columns.

    Raises:
        DataError: a file or column is missing or unfit; names the line or the column.
        PlaceError: the cache folder cannot be written or is full.

    """
    packed.file_of(name)
    tell = report or _silent
    whole = _features_checked(path, read_table(path), label, drop, tell)
    labels, classes = _labels(path, _column(whole, label))
    done = [f"label {label}"]
    if test is not None:
        if test_fraction is not None:
            raise DataError("excludes --test", where="--test-fraction", fix="Leave one of them out.")
        held_out = _same_columns(test, read_table(test), whole, tell)
        train_y, test_y = labels, _numbered(test, _column(held_out, label), classes)
    else:
        share = TEST_SHARE if test_fraction is None else test_fraction
        kept, held = hold_out(labels, share=share, where=str(path))
        whole, held_out, train_y, test_y = whole.iloc[kept], whole.iloc[held], labels[kept], labels[held]
        done.append(f"{share:.0%} held out for the test, stratified, seed {TEST_SEED}")
        tell(f"There is no --test file: {done[-1]}", None)
    columns = _encode(path, whole.drop(columns=label), held_out.drop(columns=label), tell)
    files = " and ".join(f"{each.name} (sha256 {_digest(each)})" for each in (path, test) if each is not None)
    return packed.write(
        name,
        {"train_x": columns.train, "train_y": train_y, "test_x": columns.test, "test_y": test_y},
        kind="table",
        classes=classes,
        source=f"import of {files}; {'; '.join(done)}",
        imported=True,
        columns=columns.names,
    )


def _silent(_text: str, _share: float | None) -> None:
    """Report nothing."""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def read_table(path: Path, text: Collection[str] = ()) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Args:
        path: of the file.
        text: names of columns of a CSV to read as text, even if all values look like numbers.

    Raises:
        DataError: it cannot be read as a table.

    """
    try:
        frame = pd.read_parquet(path) if path.suffix.lower() in PARQUET else _read_csv(path, text)
    except UNREADABLE as error:
        reason = (getattr(error, "strerror", None) or " ".join(str(error).split()))[:200]
        raise DataError(f"cannot be read as a table ({reason})", where=str(path),
                        fix="Give a .csv with a header line in UTF-8, or a .parquet file.") from error  # fmt: skip
    frame.columns = [str(column) for column in frame.columns]
    _check_names(path, list(frame.columns))
    return frame


def _check_names(path: Path, names: Sequence[str]) -> None:
    for name in names:
        if list(names).count(name) > 1:
            raise DataError(f"two columns are called {name!r}", where=str(path), fix="Rename one.")


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    return cast("pd.Series", frame[name])


def _read_csv(path: Path, text: Collection[str]) -> pd.DataFrame:
    """Read a CSV; reject lines with more or fewer fields than the header, since pandas silently fills short ones."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        separator = max(SEPARATORS, key=header.count)
        file.seek(0)
        lines = csv.reader(file, delimiter=separator)
        names = next(lines, [])
        _check_names(path, names)
        for line in lines:
            if line and len(line) != len(names):
                what = f"line {lines.line_num} has {len(line)} fields, the header {len(names)}"
                raise DataError(what, where=str(path), fix="Is the file incomplete? Repair it, or download it again.")
    return pd.read_csv(
        path, sep=separator, encoding="utf-8-sig", na_values=MISSING, low_memory=False, index_col=False,
        dtype=dict.fromkeys(text, "str"),
    )  # fmt: skip


def _features_checked(path: Path, frame: pd.DataFrame, label: str, drop: Sequence[str], report: Report) -> pd.DataFrame:
    """Leave out the columns to drop and unnamed row numbers; reject a table without rows or features."""
    for column in (label, *drop):
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
    return frame


def _same_columns(path: Path, frame: pd.DataFrame, train: pd.DataFrame, report: Report) -> pd.DataFrame:
    if missing := [column for column in train.columns if column not in frame.columns]:
        raise DataError(f"lacks the columns {', '.join(missing[:10])}", where=str(path), fix="Test rows need all "
                        "columns of the training rows, the label too.")  # fmt: skip
    if more := [column for column in frame.columns if column not in train.columns]:
        report(f"Left out of {path.name}, because the training rows do not have them: {', '.join(more[:10])}", None)
    return frame.drop(columns=more)


def _labels(path: Path, column: pd.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number the values of a label, in numeric order if all are numbers, else in alphabetical order."""
    texts = set(_class_names(path, column))
    if len(texts) < 2:
        raise DataError(f"the label {column.name!r} is always the same", where=str(path), fix="Two classes are needed.")
    try:
        classes = tuple(sorted(texts, key=float))
    except ValueError:
        classes = tuple(sorted(texts))
    return _numbered(path, column, classes), classes


def _numbered(path: Path, column: pd.Series, classes: Sequence[str]) -> np.ndarray:
    numbers = {name: number for number, name in enumerate(classes)}
    names = _class_names(path, column)
    if new := sorted(set(names) - set(numbers)):
        raise DataError(f"labels that the training rows do not have: {', '.join(new[:5])}", where=str(path),
                        fix=f"Known are {', '.join(classes[:20])}.")  # fmt: skip
    return np.array([numbers[name] for name in names], np.int64)


def _class_names(path: Path, column: pd.Series) -> list[str]:
    """Write a label's values as class names; 1 and 1.0 are one class."""
    if missing := int(column.isna().sum()):
        raise DataError(f"{missing:,} of {len(column):,} rows have no label {column.name!r}", where=str(path),
                        fix="Fill in or remove them.")  # fmt: skip
    names: list[str] = []
    for value in column.tolist():
        if isinstance(value, float) and not value.is_integer():
            raise DataError(f"the label {column.name!r} holds fractions such as {value!r}", where=str(path),
                            fix="Labels are classes; cut numbers into ranges first.")  # fmt: skip
        names.append(str(int(value)) if isinstance(value, float) else str(value))
    return names


def _encode(path: Path, train: pd.DataFrame, test: pd.DataFrame, report: Report) -> Encoded:
    constant = [column for column in train.columns if _is_constant(path, _column(train, column))]
    if constant:
        report(f"Left out, because they are the same in all training rows: {', '.join(constant)}", None)
    kept = [column for column in train.columns if column not in constant]
    if not kept:
        raise DataError("every column is the same in all training rows", where=str(path), fix="At least one is needed.")
    encoded = [_encode_column(path, _column(train, column), _column(test, column)) for column in kept]
    categories = [f"{column} ({len(each.names)})" for column, each in zip(kept, encoded, strict=True)
                  if each.names != (column,)]  # fmt: skip
    if categories:
        report(f"One column for each category: {', '.join(categories)}", None)
    return Encoded(
        tuple(name for each in encoded for name in each.names),
        np.concatenate([each.train for each in encoded], axis=1),
        np.concatenate([each.test for each in encoded], axis=1),
    )


def _is_constant(path: Path, column: pd.Series) -> bool:
    """Tell whether a column has a single value. A missing number is no value of its own; a missing category is one."""
    return column.nunique(dropna=_numbers(path, column) is not None) < 2


def _encode_column(path: Path, train: pd.Series, test: pd.Series) -> Encoded:
    name = str(train.name)
    one, other = _numbers(path, train), _numbers(path, test)
    if one is not None:
        if other is None:
            raise DataError(f"column {name!r} holds numbers in the training rows and text in the test rows",
                            where=str(path), fix="Make them alike.")  # fmt: skip
        return Encoded((name,), one[:, None], other[:, None])
    texts = sorted(set(train.dropna().astype(str)))
    if len(texts) > CATEGORIES:
        raise _unfit(path, train, f"has {len(texts):,} different texts, too many for categories", "Group them")
    return Encoded(tuple(f"{name}={text}" for text in texts), _one_hot(train, texts), _one_hot(test, texts))


def _one_hot(column: pd.Series, texts: Sequence[str]) -> np.ndarray:
    names = column.astype(str).where(column.notna())
    return np.stack([(names == text).to_numpy(np.float32, na_value=0.0) for text in texts], axis=1)


def _numbers(path: Path, column: pd.Series) -> np.ndarray | None:
    """Read a column as float32, NaN where missing; None if it holds text."""
    if not types.is_numeric_dtype(column.dtype):  # true and false are numeric
        values = [value for value in column.dropna() if not isinstance(value, bool | int | float | Decimal)]
        if any(not isinstance(value, str) for value in values):
            raise _unfit(path, column, f"holds values of type {type(values[0]).__name__}", "Turn them into numbers")
        if values:
            return None
    with np.errstate(over="ignore"):
        found = column.astype("object").where(column.notna(), np.nan).to_numpy(np.float64).astype(np.float32)
    if np.isinf(found).any():
        raise _unfit(path, column, "has infinite values, or some too large for float32", "Correct them")
    return found


def _unfit(path: Path, column: pd.Series, what: str, fix: str) -> DataError:
    name = str(column.name)
    return DataError(f"column {name!r} {what}", where=str(path), fix=f"{fix}, or leave it out with --drop '{name}'.")
