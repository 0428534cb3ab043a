"""Read a table's file into a DataFrame, its numbers as people write them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
from pandas.api import types
from pyarrow import feather

from study.data.dialects import MISSING, WHITESPACE, Reading, TextTable, open_text
from study.data.numerals import Column
from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from study.data.numerals import Decimal
    from study.data.reports import Report

UNREADABLE = (ValueError, OSError, EOFError, csv.Error)  # ValueError: also pandas' and Arrow's own
PARQUET, FEATHER = b"PAR1", b"ARROW1"  # first bytes of these files


def read_table(
    path: Path, text: Collection[str] = (), reading: Reading | None = None, *, label: str | None = None,
    report: Report | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Read a text file (CSV and the like, perhaps compressed), a Parquet or a Feather file, told by its content.

    Args:
        path: of the file.
        text: names of columns to read as text, even if all values look like numbers.
        reading: what is known of the file.
        label: column of which only an empty field is a missing value.
        report: called with a line for each decision about the file.

    Raises:
        DataError: it cannot be read as a table, or a column is nearly but not quite numeric; names line and value.

    """
    how = reading or Reading()
    try:
        with path.open("rb") as file:
            start = file.read(6)
        if start.startswith((PARQUET, FEATHER)):
            frame = pd.read_parquet(path) if start.startswith(PARQUET) else feather.read_table(path).to_pandas()
            frame.columns = [str(column) for column in frame.columns]
            _check_names(path, list(frame.columns))
            return _numbers_in(Rows(path, frame, None), {*text, *how.category}, how, label)
        return _read_text(open_text(path, how), {*text, *how.category}, how, label, report)
    except UNREADABLE as error:
        reason = (getattr(error, "strerror", None) or " ".join(str(error).split()))[:200]
        raise DataError(f"cannot be read as a table ({reason})", where=str(path),
                        fix="Give a .csv with a header line, or a .parquet file.") from error  # fmt: skip
    except MemoryError as error:
        fix = "Import fewer rows or columns."
        raise DataError("is a table that takes more memory than there is", where=str(path), fix=fix) from error


class Rows:
    """A table and where its values stand in the file."""

    def __init__(self, path: Path, frame: pd.DataFrame, source: TextTable | None) -> None:
        """Keep the three; `source` is None for a file that is no text."""
        self.path, self.frame, self.source = path, frame, source

    def place(self, column: str, value: str) -> str:
        """Name line (of a text) or row, and the value."""
        if self.source is None:
            texts = cast("pd.Series", self.frame[column]).astype("str").str.strip()
            return f"row {int((texts == value).to_numpy().argmax()) + 1} has {value!r}"
        at = self.source.names.index(column)
        line = next((line for line, fields in self.source.records() if fields[at] == value), 0)
        return f"line {line} has {value!r}"


def _check_names(path: Path, names: Sequence[str]) -> None:
    seen = set[str]()
    for name in names:
        if name in seen:
            raise DataError(f"two columns are called {name!r}", where=str(path), fix="Rename one.")
        seen.add(name)


def _read_text(
    table: TextTable, text: set[str], how: Reading, label: str | None, report: Report | None
) -> pd.DataFrame:  # fmt: skip
    _check_names(table.path, table.names)
    table.check()
    if report and table.encoding not in {"utf-8", "utf-8-sig"} and how.encoding is None:
        report(f"{table.path.name} is read as {table.encoding}; --encoding names another encoding", None)
    if report and not table.header and how.header is None:
        many = len(table.names)
        report(f"{table.path.name} has no header: its columns are called column_1 to column_{many}; --header takes "
               "its first line for one", None)  # fmt: skip
    frame = _parsed(table, [name for name in table.names if name in text], how, label)
    return _numbers_in(Rows(table.path, frame, table), text, how, label)


def _parsed(table: TextTable, text: Sequence[str], how: Reading, label: str | None) -> pd.DataFrame:
    """Let pandas parse it; a label stays text, of which nothing but an empty field and what is named is missing."""
    missing = sorted({*MISSING, *how.missing})
    frame = pd.read_csv(
        io.BytesIO(table.content), na_values={name: missing for name in table.names if name != label},
        dtype=cast("Any", {name: "str" for name in text if name != label}),
        converters={label: str.strip} if label in table.names else None, **_dialect_of(table),
    )  # fmt: skip
    if label in table.names:
        values = cast("pd.Series", frame[label]).astype("str")
        frame[label] = values.where(~values.isin(["", "?", *how.missing]))
    return frame


def _dialect_of(table: TextTable) -> dict[str, Any]:
    """Give pandas' arguments for a file's dialect."""
    return {
        "encoding": "utf-8", "names": list(table.names), "header": 0 if table.header else None, "index_col": False,
        "quotechar": table.quote, "escapechar": table.escape, "keep_default_na": False, "low_memory": False,
        "sep": table.separator, **({} if table.separator == WHITESPACE else {"skipinitialspace": True}),
    }  # fmt: skip


def _numbers_in(rows: Rows, text: set[str], how: Reading, label: str | None) -> pd.DataFrame:
    """Read the text columns that are meant to be numbers as such; strip blanks from the others."""
    frame, new = rows.frame, dict[str, pd.Series]()
    missing = {*MISSING, *how.missing}
    columns = dict[str, Column]()
    for name in [name for name in frame.columns if _is_text(cast("pd.Series", frame[name]))]:
        values = cast("pd.Series", frame[name]).astype("str").str.strip()
        if name != label:
            values = values.where(~values.isin(missing))
        new[name] = values
        if name in text or name == label:
            continue
        column = Column.of_features(cast("dict[str, int]", values.value_counts(sort=False).to_dict()))
        if column.is_meant:
            columns[name] = column
    if columns:
        decimal = _decimal(rows, columns, how)
        if decimal == ",":
            columns |= _with_points(rows, {*text, *new, label or ""}, missing)
        texts = _texts_of(rows, [name for name in columns if name not in new], missing)
        for name, column in columns.items():
            values = new[name] if name in new else texts[name]
            new[name] = values.map(_values(rows, name, column, decimal)).astype("float64")
    return frame.assign(**new) if new else frame


def _is_text(column: pd.Series) -> bool:
    if types.is_string_dtype(column.dtype) and not isinstance(column.dtype, pd.CategoricalDtype):
        return column.dtype != object or all(isinstance(value, str) for value in column.dropna())
    return False


def _decimal(rows: Rows, columns: dict[str, Column], how: Reading) -> Decimal:
    """Choose the decimal sign for the file: what any of its values needs.

    Raises:
        DataError: some need one and some the other, or no value tells, and it would make a difference.

    """
    if how.decimal is not None:
        return cast("Decimal", how.decimal)
    fix = "--decimal . or --decimal , says which is the decimal sign."
    needs = {sign: next(((name, text) for name, each in columns.items() if (text := each.only(sign))), None)
             for sign in (cast("Decimal", "."), cast("Decimal", ","))}  # fmt: skip
    one, two = needs["."], needs[","]
    if one and two:
        what = f"{rows.place(*one)} in the column {one[0]!r} and {rows.place(*two)} in {two[0]!r}"
        raise DataError(f"{what}: two decimal signs", where=str(rows.path), fix=fix)
    if two:
        return ","
    doubtful = next(((name, text) for name, each in columns.items() if (text := each.ambiguous)), None)
    if one is None and doubtful and not any(each.only(".") for each in _with_points(rows, set(columns)).values()):
        what = f"column {doubtful[0]!r}: {rows.place(*doubtful)}, with a separator of thousands or a decimal sign"
        raise DataError(what, where=str(rows.path), fix=fix)
    return "."


def _with_points(rows: Rows, known: set[str], missing: Collection[str] = MISSING) -> dict[str, Column]:
    """Read again as text what pandas took for numbers with a decimal point; nothing of a file that is no text."""
    if rows.source is None:
        return {}
    kinds = rows.frame.dtypes
    floats = [name for name in rows.frame.columns if name not in known and types.is_float_dtype(kinds[name])]
    return {
        name: Column.of(cast("dict[str, int]", texts.value_counts(sort=False).to_dict()))
        for name, texts in _texts_of(rows, floats, missing).items()
    }


def _texts_of(rows: Rows, names: Sequence[str], missing: Collection[str]) -> dict[str, pd.Series]:
    """Read columns of a text file again, as texts, all of them at once."""
    if not names:
        return {}
    assert rows.source is not None
    found = pd.read_csv(io.BytesIO(rows.source.content), usecols=list(names), dtype="str", **_dialect_of(rows.source))
    stripped = {name: cast("pd.Series", found[name]).str.strip() for name in names}
    return {name: texts.where(~texts.isin(missing)) for name, texts in stripped.items()}


def _values(rows: Rows, name: str, column: Column, decimal: Decimal) -> dict[str, float]:
    """Map a column's texts to numbers.

    Raises:
        DataError: one of them is no number, or two have different units; names line and value.

    """
    where = str(rows.path)
    if (stray := column.stray) is not None:
        fix = f"--missing '{stray}' takes it for a missing value, --category '{name}' the column for categories."
        raise DataError(f"column {name!r} holds numbers, but {rows.place(name, stray)}", where=where, fix=fix)
    if len(units := column.units) > 1:
        one, two, *_ = units.values()
        what = f"column {name!r}: {rows.place(name, one)} and {rows.place(name, two)}, of different units"
        raise DataError(what, where=where, fix=f"Convert them, or leave the column out with --drop '{name}'.")
    if (wrong := column.only("." if decimal == "," else ",")) is not None:
        what = f"column {name!r}: {rows.place(name, wrong)}, which is no number with the decimal sign {decimal!r}"
        raise DataError(what, where=where, fix="Repair it, or name the other with --decimal.")
    return column.values(decimal)
