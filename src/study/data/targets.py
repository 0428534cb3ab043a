"""What is to be predicted: the classes of a label, or its numbers; told by the label's values where nobody says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from study.data.dialects import MISSING, Reading
from study.data.layout import printable
from study.data.numerals import Column, Decimal, numeral
from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from study.data.forms import Task
    from study.data.reports import Report

SEPARATORS = ("\x1f", "|", ";", ",")  # of several labels; the first one joins names that may hold the others
Number = float | tuple[int, ...]
CLASSES = 50  # a label of numbers with more distinct values is measured, or each of them is a class: that must be said


@dataclass(frozen=True, slots=True)
class Target:
    """What a label is.

    Args:
        task: whether it holds classes or numbers.
        classes: their names, in order; none for numbers.
        decimal: the decimal sign of numbers that are text.
        separator: between several labels of an example.

    """

    task: Task
    classes: tuple[str, ...] = ()
    decimal: Decimal = "."
    separator: str = ""

    @property
    def stratified(self) -> bool:
        """Whether the same share of each class can be held out."""
        return self.task == "classification"

    def values(self, path: Path, column: pd.Series) -> np.ndarray:
        """Read a label's values: numbers of classes, int64 (N,), numbers to predict, float64 (N,), or labels, int64.

        Raises:
            DataError: a value that is missing, or none of the classes, or no number.

        """
        if self.task == "multilabel":
            return _several(path, column, self)
        return _numbered(path, column, self.classes) if self.task == "classification" else _numbers(
            path, column, self.decimal
        )  # fmt: skip


def target_of(path: Path, column: pd.Series, reading: Reading, report: Report | None = None) -> Target:
    """Decide what the label of some training examples is.

    Args:
        path: of the file, for errors.
        column: the label's values.
        reading: its task, categories and decimal sign, where they are said.
        report: called with a line where numbers are to be predicted and nobody has said so.

    Raises:
        DataError: values are missing, all the same, or may be either.

    """
    if reading.task == "multilabel":
        return _multilabel(path, column)
    as_classes = reading.task == "classification" or str(column.name) in reading.category
    if reading.task == "regression" or (not as_classes and _has_fractions(column, reading)):
        if str(column.name) in reading.category:
            fix = "Leave out one of --task and --category."
            raise DataError(
                f"the label {column.name!r} cannot be both a number and a category", where=str(path), fix=fix
            )
        target = Target("regression", decimal=_decimal(path, column, reading))
        values = target.values(path, column)
        if values.min() == values.max():
            fix = "There is nothing to predict."
            raise DataError(f"the label {column.name!r} is always the same", where=str(path), fix=fix)
        if report and reading.task is None:
            report(f"{column.name} holds fractions: it is predicted as a number (--task regression)", None)
        return target
    return Target("classification", _classes(path, column, as_classes=as_classes))


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of images, by split.

    Args:
        texts: of each image.
        classes: as of `Target`.
        numbers: what each text stands for: a class, a number, or 0 and 1 for each of several labels.
        task: what is predicted.

    """

    texts: Mapping[str, Sequence[str]]
    classes: tuple[str, ...]
    numbers: Mapping[str, Number]
    task: Task


def labels_of(
    path: Path, columns: Mapping[str, pd.Series], reading: Reading, report: Report, classes: Sequence[str] = ()
) -> Labels:
    """Read the labels of images.

    Args:
        path: of the file, for errors.
        columns: labels by split, `train` among them.
        reading: as of `target_of`.
        report: as of `target_of`.
        classes: where they are known.

    Raises:
        DataError: as `target_of`, or a label that the training images do not have.

    """
    target = None if classes else target_of(path, columns["train"], reading, report)
    if target and target.task == "regression":
        values = {split: target.values(path, column).tolist() for split, column in columns.items()}
        texts = {split: list(map(repr, each)) for split, each in values.items()}
        return Labels(texts, (), {repr(value): value for each in values.values() for value in each}, "regression")
    if target and target.task == "multilabel":
        rows = {split: target.values(path, column).tolist() for split, column in columns.items()}
        texts = {split: list(map(str, each)) for split, each in rows.items()}
        numbers = {str(row): tuple(row) for each in rows.values() for row in each}
        return Labels(texts, target.classes, numbers, "multilabel")
    names = tuple(classes) if target is None else target.classes
    texts = {split: list(map(printable, names_of(path, column))) for split, column in columns.items()}
    names = names if classes else ordered({*texts["train"]})
    require_known(path, {text for each in texts.values() for text in each}, names)
    return Labels(texts, names, {name: number for number, name in enumerate(names)}, "classification")


def joined(path: Path, frame: pd.DataFrame, label: str) -> tuple[pd.DataFrame, bool]:
    """Join columns of 0 and 1, which a label names with commas, or the lists of a column, to one of several labels.

    Args:
        path: of the file, for errors.
        frame: the table.
        label: a column's name, or those of several columns.

    Returns:
        The table, the columns as one that is called as the label; and whether there are several.

    Raises:
        DataError: one of the columns holds something else.

    """
    names = [name.strip() for name in label.split(",")]
    if label in frame.columns and any(isinstance(each, list | np.ndarray) for each in frame[label]):
        texts = [
            SEPARATORS[0].join(map(str, each)) if isinstance(each, list | np.ndarray) else "" for each in frame[label]
        ]
        return frame.assign(**{label: pd.Series(texts, index=frame.index, dtype="str")}), True
    if label in frame.columns or len(names) < 2 or not {*names} <= {*frame.columns}:
        return frame, False
    marks = {"0": "", "1": "1", "0.0": "", "1.0": "1", "false": "", "true": "1"}
    parts = list[list[str]]()
    for name in names:
        texts = [str(value).strip().lower() for value in frame[name]]
        if wrong := next(((row, text) for row, text in enumerate(texts, 1) if text not in marks), None):
            what = f"the label {name!r} holds {wrong[1]!r} in row {wrong[0]}"
            raise DataError(what, where=str(path), fix="Columns of several labels hold 0 and 1.")
        parts.append([name if marks[text] else "" for text in texts])
    each = [SEPARATORS[0].join(filter(None, row)) for row in zip(*parts, strict=True)]
    return frame.drop(columns=names).assign(**{label: pd.Series(each, index=frame.index, dtype="str")}), True


def _multilabel(path: Path, column: pd.Series) -> Target:
    """List the labels that occur."""
    texts = ["" if value != value else str(value) for value in column]  # noqa: PLR0124 - NaN
    separator = next((each for each in SEPARATORS if any(each in text for text in texts)), SEPARATORS[0])
    names = {name.strip() for text in texts for name in text.split(separator)} - {""}
    if len(names) < 2:
        what = f"the label {column.name!r} has fewer than two different labels"
        raise DataError(what, where=str(path), fix="Separate those of an example by |, such as cat|dog.")
    return Target("multilabel", ordered(names), separator=separator)


def _several(path: Path, column: pd.Series, target: Target) -> np.ndarray:
    places = {name: at for at, name in enumerate(target.classes)}
    found = np.zeros((len(column), len(places)), np.int64)
    for row, value in enumerate(column):
        text = "" if value != value else str(value)  # noqa: PLR0124 - NaN
        names = {name.strip() for name in text.split(target.separator)} - {""}
        require_known(path, names, target.classes)
        found[row, [places[name] for name in names]] = 1
    return found


def _has_fractions(column: pd.Series, reading: Reading) -> bool:
    values = label_values(column)
    if values.dtype.kind == "f":
        return bool((values.dropna() % 1 != 0).any())
    if not isinstance(values.dtype, pd.StringDtype):
        return False
    found = _texts(values, reading)
    decimal = "," if found.only(",") and not found.only(".") else "."
    return found.is_meant and found.stray is None and any(each % 1 for each in found.values(decimal).values())


def _texts(values: pd.Series, reading: Reading) -> Column:
    real = values.where(~values.isin([*MISSING, *reading.missing])).dropna()
    return Column.of(cast("dict[str, int]", real.value_counts(sort=False).to_dict()))


def _decimal(path: Path, column: pd.Series, reading: Reading) -> Decimal:
    """Find the decimal sign of numbers that are text: what any of the values needs."""
    values = label_values(column)
    if reading.decimal or not isinstance(values.dtype, pd.StringDtype):
        return cast("Decimal", reading.decimal or ".")
    found = _texts(values, reading)
    fix = "--decimal . or --decimal , says which is the decimal sign."
    point, comma = found.only("."), found.only(",")
    if (one := point and comma) or (point is None and comma is None and (one := found.ambiguous)):
        what = f"the label {column.name!r} has {point or one!r}"
        what += f" and {comma!r}: two decimal signs" if point else ", with a separator of thousands or a decimal sign"
        raise DataError(what, where=str(path), fix=fix)
    return "," if comma else "."


def _numbers(path: Path, column: pd.Series, decimal: Decimal) -> np.ndarray:
    values = label_values(column)
    where = str(path)
    if missing := int((values.isna() | values.isin(MISSING)).sum()):
        raise DataError(f"{missing:,} of {len(column):,} rows have no label {column.name!r}", where=where,
                        fix="Fill in or remove them.")  # fmt: skip
    if isinstance(values.dtype, pd.StringDtype):
        found = Column.of(cast("dict[str, int]", values.value_counts(sort=False).to_dict()))
        numbers = values.map(found.values(decimal))
        if len(found.units) > 1:
            one, two, *_ = found.units.values()
            raise DataError(f"the label {column.name!r} has {one!r} and {two!r}, of different units", where=where)
    else:
        numbers = pd.to_numeric(values, errors="coerce")
    found_numbers = np.asarray(numbers, np.float64)
    wrong = np.flatnonzero(~np.isfinite(found_numbers))
    if len(wrong):
        value, row = values.iloc[int(wrong[0])], int(wrong[0]) + 1
        value = value.item() if isinstance(value, np.generic) else value
        what = f"the label {column.name!r} holds {value!r} in row {row}, which is no number"
        raise DataError(what, where=where, fix="Correct it, or predict classes: --task classification.")
    return found_numbers


def _classes(path: Path, column: pd.Series, *, as_classes: bool) -> tuple[str, ...]:
    """List the values of a label, in numeric order if all are numbers, else in alphabetical order."""
    texts = set(names_of(path, column))
    if len(texts) < 2:
        raise DataError(f"the label {column.name!r} is always the same", where=str(path), fix="Two classes are needed.")
    if len(texts) > CLASSES and not as_classes and sum(numeral(text) is not None for text in texts) > len(texts) / 2:
        low, high = min(texts, key=_size), max(texts, key=_size)
        what = f"the label {column.name!r} holds {len(texts):,} different numbers, {low} to {high}"
        fix = "--task regression predicts the number, --task classification takes each for a class."
        raise DataError(what, where=str(path), fix=fix)
    return ordered(texts)


def ordered(names: Collection[str]) -> tuple[str, ...]:
    """Sort class names by their value if all are numbers, else by the alphabet."""
    try:
        return tuple(sorted(names, key=float))
    except ValueError:
        return tuple(sorted(names))


def _size(text: str) -> float:
    found = numeral(text)
    return float("nan") if found is None else (found.comma if found.point is None else found.point) or 0.0


def _numbered(path: Path, column: pd.Series, classes: Sequence[str]) -> np.ndarray:
    numbers = {name: number for number, name in enumerate(classes)}
    names = names_of(path, column)
    require_known(path, set(names), classes)
    return np.array([numbers[name] for name in names], np.int64)


def require_known(path: Path, labels: AbstractSet[str], classes: Sequence[str]) -> None:
    """Reject labels that the training rows do not have.

    Raises:
        DataError: names them.

    """
    if new := sorted(labels - set(classes)):
        raise DataError(f"labels that the training rows do not have: {', '.join(new[:5])}", where=str(path),
                        fix=f"Known are {', '.join(classes[:20])}.")  # fmt: skip


def names_of(path: Path, column: pd.Series) -> list[str]:
    """Write a label's values as class names; 1 and 1.0 are one class.

    Texts such as `None` and `NA` are classes among other texts, and missing values among numbers.

    Raises:
        DataError: a label is missing, or a fraction.

    """
    values = label_values(column)
    if missing := int(values.isna().sum()):
        raise DataError(f"{missing:,} of {len(column):,} rows have no label {column.name!r}", where=str(path),
                        fix="Fill in or remove them.")  # fmt: skip
    names: list[str] = []
    for value in values.tolist():
        if isinstance(value, float) and not value.is_integer():
            raise DataError(f"the label {column.name!r} holds fractions such as {value!r}", where=str(path),
                            fix="Labels are classes; cut numbers into ranges first.")  # fmt: skip
        names.append(str(int(value)) if isinstance(value, float) else str(value))
    return names


def label_values(column: pd.Series) -> pd.Series:
    """Read a label of text that holds nothing but numbers as numbers."""
    if not isinstance(column.dtype, pd.StringDtype):
        return column
    real = column.where(~column.isin(MISSING))
    numbers = cast("pd.Series", pd.to_numeric(real, errors="coerce"))
    are_numbers = numbers.notna().any() and bool((numbers.notna() == real.notna()).all())
    return numbers if are_numbers else column
