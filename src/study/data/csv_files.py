"""Read a CSV of any usual dialect: encoding, separator, quotes, header and decimal mark are told by the content.

The dialect is found by CleverCSV (van den Burg, Nazabal and Sutton 2019, "Wrangling messy CSV files by detecting row and
type patterns", doi:10.1007/s10618-019-00646-y). The file may be compressed by gzip.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Sequence
    from pathlib import Path

    Report = Callable[[str, float | None], None]

SEPARATORS = ",;\t|"
MISSING = ("?",)  # missing values in UCI's files, besides those that pandas knows
SAMPLE = 2**16  # bytes by which dialect and encoding are found
NUMBER = re.compile(r"\s*[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?\s*")
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV as it was read.

    Args:
        frame: its rows; columns of numbers as numbers, all others as text without blanks around it.
        lines: line of the file on which each row ends, int64 [rows], for messages.

    """

    frame: pd.DataFrame
    lines: np.ndarray


@dataclass(frozen=True, slots=True)
class _Dialect:
    encoding: str
    separator: str
    quote: str
    escape: str

    def reader(self, file: IO[str]) -> Any:
        return csv.reader(file, skipinitialspace=True, strict=False, **self._options("quotechar"))

    def pandas(self) -> dict[str, Any]:
        return {"sep": self.separator, "skipinitialspace": True, **self._options("quotechar", "delimiter")}

    def _options(self, quotechar: str, left_out: str = "") -> dict[str, Any]:
        options: dict[str, Any] = {"delimiter": self.separator, "escapechar": self.escape or None}
        options |= {quotechar: self.quote} if self.quote else {"quoting": csv.QUOTE_NONE}
        return {name: value for name, value in options.items() if name != left_out}


def read(
    path: Path, *, named: Collection[str] = (), text: Collection[str] = (), missing: Sequence[str] = (),
    report: Report | None = None,
) -> Table:  # fmt: skip
    """Read a CSV; reject lines with more or fewer fields than the first, since pandas silently fills short ones.

    Args:
        path: of the file.
        named: columns that are asked for: a first line that has one is a header.
        text: columns to read as text in which only an empty field is missing.
        missing: texts that mean that there is no value, besides the usual ones.
        report: called with a line for what had to be guessed.

    Raises:
        DataError: it is damaged; names the line.
        ValueError, OSError, csv.Error: it cannot be read; the text says why.

    """
    dialect = _dialect(path, report)
    names, is_header, lines = _checked(path, dialect, named)
    if not is_header and report:
        report(f"The first line is no header: the columns are called {names[0]} to {names[-1]}", None)
    with _open(path, dialect.encoding) as file:
        frame = pd.read_csv(
            file, header=0 if is_header else None, names=names if not is_header else None, index_col=False,
            na_values=[*MISSING, *missing], low_memory=False, converters={name: str for name in text if name in names},
            **dialect.pandas(),
        )  # fmt: skip
    for name in frame.columns[[not pd.api.types.is_numeric_dtype(each) for each in frame.dtypes]]:
        frame[name] = _stripped(frame[name], missing, is_text=name in text)
    return Table(frame, lines)


def _stripped(column: pd.Series, missing: Sequence[str], *, is_text: bool) -> pd.Series:
    """Take blanks from around texts; those that mean a missing value become one."""
    if not pd.api.types.is_string_dtype(column.dtype):
        return column
    column = column.str.strip()
    return column.where(column != "") if is_text else column.where(~column.isin(["", *MISSING, *missing]))


def _checked(path: Path, dialect: _Dialect, named: Collection[str]) -> tuple[list[str], bool, np.ndarray]:
    """Give the names of the columns, whether the first line has them, and the line of each row."""
    with _open(path, dialect.encoding) as file:
        reader = dialect.reader(file)
        first = [name.strip() for name in next(reader, [])]
        is_header = bool(set(named) & set(first)) or not any(NUMBER.fullmatch(field) for field in first)
        ends = [] if is_header else [reader.line_num]
        for line in reader:
            if not line:
                continue
            if len(line) != len(first):
                other = "header" if is_header else "first line"
                what = f"line {reader.line_num} has {len(line)} fields, the {other} {len(first)}"
                raise DataError(what, where=str(path), fix="Is the file cut short? Repair or fetch it again.")
            ends.append(reader.line_num)
    names = first if is_header else [f"column_{number}" for number in range(1, len(first) + 1)]
    return names, is_header, np.array(ends, np.int64)


def _dialect(path: Path, report: Report | None) -> _Dialect:
    from clevercsv import Sniffer  # noqa: PLC0415 - only a CSV needs it

    encoding = _encoding(path, report)
    with _open(path, encoding) as file:
        sample = file.read(SAMPLE)
    whole = sample[: sample.rfind("\n") + 1] if len(sample) == SAMPLE else sample
    first = whole.partition("\n")[0]
    plain = _Dialect(encoding, max(SEPARATORS, key=first.count), '"', "")
    found: Any = Sniffer().detect(whole or sample) if sample.strip() else None
    if found is None or found.delimiter not in (*SEPARATORS, " ") or plain.separator in first:
        separator = plain.separator
    else:
        separator = found.delimiter
    quote = found.quotechar if found is not None and found.quotechar else '"'
    return _Dialect(encoding, separator, quote, found.escapechar if found is not None else "")


def _encoding(path: Path, report: Report | None) -> str:
    """Find the encoding: by a byte order mark, UTF-8 if the file is valid as that, else by its letters."""
    with _bytes(path) as file:
        start = file.read(4)
        for mark, encoding in BYTE_ORDER_MARKS.items():
            if start.startswith(mark):
                return encoding
        decoder, strange = codecs.getincrementaldecoder("utf-8")(), b""
        block = start + file.read(SAMPLE)
        while block:
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                strange = block
                break
            block = file.read(SAMPLE)
    if not strange:
        return "utf-8"
    from clevercsv.encoding import detect_encoding  # noqa: PLC0415 - as above
    raise NotImplementedError


@contextmanager
def _open(path: Path, encoding: str) -> Generator[IO[str]]:
    with _bytes(path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as file:
        yield file


@contextmanager
def _bytes(path: Path) -> Generator[Any]:
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if is_packed:
            with gzip.open(file) as unpacked:
                yield unpacked
        else:
            yield file
