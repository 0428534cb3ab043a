"""Columns of a table as float32, as the training rows decide: numbers centred if needed, text as categories."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from pandas.api import types

from study.data.memory import require_room
from study.errors import DataError
from study.formatting import size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from study.data.reports import Report

CATEGORIES = 1000  # a column with more distinct texts holds names or sentences, unless each is frequent
FREQUENT = 10  # rows of a category, on average
CODED = 32  # a column of more categories is stored as their numbers, which a training spreads batch by batch
PRECISION = 1e-4  # of a column's standard deviation; float32 must round to less than this
COUNTED = 100_000  # rows in which the values that float32 keeps apart are counted
KEPT = 0.9  # share of the values below which that is said
EXACT = 2**53  # below it a float holds every whole number
LARGE = 2**30  # bytes that are worth a word


@dataclass(frozen=True, slots=True)
class Encoded:
    """The columns that encode a table.

    Args:
        names: of the columns, one for each category.
        train: values in the training rows, float32 [N, stored columns], NaN where missing.
        others: likewise in the rows of each other split.
        offsets: what was subtracted from a column, in 64 bits, because float32 cannot hold its values.
        categories: of each stored column, as of `Pack`.
        raw_columns: as of `Pack`.

    """

    names: tuple[str, ...]
    train: np.ndarray
    others: tuple[np.ndarray, ...]
    offsets: Mapping[str, float]
    categories: tuple[int, ...]
    raw_columns: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How one column is encoded.

    Args:
        name: of the column.
        texts: its categories; None for numbers.
        offset: subtracted from numbers.
        told: which categories are kept, if not all are.

    """

    name: str
    texts: tuple[str, ...] | None = None
    offset: float = 0
    told: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that encode it."""
        return (self.name,) if self.texts is None else tuple(f"{self.name}={text}" for text in self.texts)

    @property
    def is_coded(self) -> bool:
        """Whether the numbers of its categories are stored, in one column."""
        return self.texts is not None and len(self.texts) > CODED

    @property
    def stored(self) -> tuple[int, ...]:
        """The stored columns, as of `Pack`."""
        return (len(self.names),) if self.is_coded else (0,) * len(self.names)


def encode(
    path: Path, train: pd.DataFrame, others: Sequence[pd.DataFrame], report: Report, max_categories: int | None = None
) -> Encoded:  # fmt: skip
    """Encode training rows, and those of other splits.

    Args:
        path: of the table, for errors.
        train: training rows.
        others: rows of other splits, with the same columns.
        report: called with a line for each decision.
        max_categories: categories to keep of each text column, the most frequent ones; None keeps all.

    Raises:
        DataError: a column that cannot be encoded, or more memory than there is; names it.

    """
    plans = list[ColumnPlan]()
    constant = list[str]()
    for name in train.columns:
        plan = _plan(path, cast("pd.Series", train[name]), max_categories, report)
        plans.append(plan) if plan else constant.append(str(name))
    if cut := [told for plan in plans if (told := plan.told)]:
        report(f"The most frequent categories, the others are encoded as missing: {_some(cut)}", None)
    if constant:
        report(f"Left out, because they are the same in all training rows: {_some(constant)}", None)
    if not plans:
        raise DataError("every column is the same in all training rows", where=str(path), fix="At least one is needed.")
    if categories := [f"{plan.name} ({len(plan.texts)})" for plan in plans if plan.texts is not None]:
        report(f"One column for each category: {_some(categories)}", None)
    if any(plan.is_coded for plan in plans):
        inputs = sum(len(plan.names) for plan in plans)
        report(f"In training 64 rows take {size(4 * 64 * inputs)}, as {inputs:,} inputs", None)
    if offsets := {plan.name: plan.offset for plan in plans if plan.offset}:
        listed = _some([f"{name} - {offset:,}" for name, offset in offsets.items()])
        report(f"Stored as differences, because 32-bit floats cannot hold the values: {listed}", None)
    names = tuple(name for plan in plans for name in plan.names)
    stored = tuple(count for plan in plans for count in plan.stored)
    needed = 4 * len(stored) * sum(map(len, (train, *others)))
    fix = "--max-categories 50 keeps the most frequent categories of each text column; --drop COLUMN leaves one out."
    require_room(needed, f"the encoded table of {len(stored):,} columns", str(path), fix)
    if needed > LARGE:
        report(f"{len(stored):,} columns take {size(needed)}", None)
    arrays = [_array(path, plans, frame, len(stored)) for frame in (train, *others)]
    raw_columns = tuple((plan.name, len(plan.texts or ())) for plan in plans)
    return Encoded(names, arrays[0], tuple(arrays[1:]), offsets, stored if any(stored) else (), raw_columns)


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:20]) + (f" and {len(texts) - 20:,} more" if len(texts) > 20 else "")


def _plan(path: Path, column: pd.Series, max_categories: int | None, report: Report) -> ColumnPlan | None:
    """Decide by the training rows; None if all values are the same. A missing category is a value, a number is not."""
    name = str(column.name)
    values = _numbers(path, column)
    if values is not None:
        known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        if not len(known) or known.min() == known.max():
            return None
        if np.isinf(known).any():
            raise _unfit(path, name, "has infinite values", "Correct them")
        return ColumnPlan(name, offset=_offset(path, column, known, report))
    counts = column.dropna().astype(str).value_counts()
    if len(counts) + bool(column.isna().any()) < 2:
        return None
    if max_categories is not None and len(counts) > max_categories:
        kept = sorted(counts.index, key=lambda text: (-counts[text], text))[:max_categories]
        share = counts[kept].sum() / counts.sum()
        told = f"{name} ({max_categories:,} of {len(counts):,}, {share:.0%} of the values)"
        return ColumnPlan(name, tuple(sorted(kept)), told=told)
    if len(counts) > CATEGORIES and counts.sum() < FREQUENT * len(counts):
        what = f"has {len(counts):,} different texts, too many for categories"
        raise _unfit(path, name, what, "--max-categories 50 keeps the most frequent ones. Group them")
    return ColumnPlan(name, tuple(sorted(counts.index)))


def _offset(path: Path, column: pd.Series, known: np.ndarray, report: Report) -> float:
    """Choose what to subtract so that float32 holds a column: 0 if it does anyway, else the median.

    Raises:
        DataError: float32 would keep less than half of the different values apart.

    """
    middle = np.partition(known, len(known) // 2)[len(known) // 2].item()
    centred = _minus(known, middle)
    with np.errstate(over="ignore"):
        if np.isinf(centred.astype(np.float32)).any():
            raise _unfit(path, str(column.name), "has values too large for float32", "Correct them")
        loss = np.abs(known.astype(np.float32).astype(np.float64) - known).max()
    spread = centred.std()
    some = centred[:: max(1, len(centred) // COUNTED)]
    before, after = len(np.unique(some)), len(np.unique(((some - centred.mean()) / spread).astype(np.float32)))
    if 2 * after < before:
        what = f"has {before:,} different values, of which 32-bit floats keep {after:,} apart once it is standardised"
        raise _unfit(path, str(column.name), what, "Take logarithms, or remove extreme values")
    if after < KEPT * before:
        report(f"{column.name}: of {before:,} different values, 32-bit floats keep {after:,} apart", None)
    return middle if loss > PRECISION * spread else 0


def _minus(values: np.ndarray, offset: float) -> np.ndarray:
    """Subtract before rounding to float64: whole numbers may have 64 bits."""
    if values.dtype.kind in "iu" and isinstance(offset, int):
        if int(values.max()) - int(values.min()) < 2**62 and abs(offset) < 2**62:
            return (values.astype(np.int64) - offset).astype(np.float64)
        return np.array([int(value) - offset for value in values], np.float64)
    return values.astype(np.float64) - offset


def _array(path: Path, plans: Sequence[ColumnPlan], frame: pd.DataFrame, width: int) -> np.ndarray:
    found = np.zeros((len(frame), width), np.float32)
    first = 0
    for plan in plans:
        column = cast("pd.Series", frame[plan.name])
        if plan.texts is not None:
            codes = _codes(column, plan.texts)
            if plan.is_coded:
                found[:, first] = np.where(codes >= 0, codes, np.nan)
            else:
                rows = np.flatnonzero(codes >= 0)
                found[rows, first + codes[rows]] = 1
        else:
            values = _numbers(path, column)
            if values is None:
                what = f"column {plan.name!r} holds numbers in the training rows and text in the test rows"
                raise DataError(what, where=str(path), fix="Make them alike.")
            with np.errstate(over="ignore"):
                found[:, first] = _minus(values, plan.offset)
            if np.isinf(found[:, first]).any():
                raise _unfit(
                    path,
                    plan.name,
                    "has infinite values in the test rows, or some too large for float32",
                    "Correct them",
                )
        first += len(plan.stored)
    return found


def as_text(column: pd.Series) -> pd.Series:
    """Write numbers as categories; 1 and 1.0 are one."""
    if types.is_float_dtype(column.dtype):
        known = column.dropna()
        if bool(((known % 1 == 0) & (known.abs() < EXACT)).all()):
            column = column.astype("Int64")
    return column.astype("str").where(column.notna())


def _codes(column: pd.Series, texts: Sequence[str]) -> np.ndarray:
    """Number the category of each row, -1 for a missing or a new one.

    1 is found as 1.0 and the other way round, since one missing value turns whole numbers into floats.
    """
    known, written = pd.Index(list(texts)), column.astype("str").where(column.notna())
    codes = known.get_indexer(written)
    if len(lost := np.flatnonzero((codes < 0) & written.notna())):
        rest = written.iloc[lost]
        whole = rest.str.removesuffix(".0")
        codes[lost] = known.get_indexer(whole.where(whole != rest, rest + ".0"))
    return codes


def _numbers(path: Path, column: pd.Series) -> np.ndarray | None:
    """Read a column as whole numbers of 64 bits, or as float64 with NaN where missing; None if it holds text."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iuf":
        return column.to_numpy(np.float64 if dtype.kind == "f" else dtype)
    if not types.is_numeric_dtype(dtype):  # true and false are numeric
        if isinstance(dtype, pd.StringDtype):
            return None if column.notna().any() else np.full(len(column), np.nan)
        values = [value for value in column.dropna() if not isinstance(value, bool | int | float | Decimal)]
        if any(not isinstance(value, str) for value in values):
            what = f"holds values of type {type(values[0]).__name__}"
            raise _unfit(path, str(column.name), what, "Turn them into numbers")
        if values:
            return None
    if types.is_integer_dtype(dtype) and not column.isna().any():
        return column.to_numpy(np.uint64 if types.is_unsigned_integer_dtype(dtype) else np.int64)
    return column.astype("object").where(column.notna(), np.nan).to_numpy(np.float64)


def _unfit(path: Path, name: str, what: str, fix: str) -> DataError:
    return DataError(f"column {name!r} {what}", where=str(path), fix=f"{fix}, or leave it out with --drop '{name}'.")
