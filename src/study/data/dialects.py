"""Text files as tables: which encoding, separator, quotes and header a file has, found in its content."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import lzma
import re
import zlib
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, cast

from charset_normalizer import from_bytes
from clevercsv.detect import Detector

from study.data.numerals import numeral
from study.errors import DataError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SEPARATORS = [",", ";", "\t", "|", " "]
WHITESPACE = r"\s+"  # runs of blanks and tabs, as pandas spells it
SAMPLE = 2**18  # characters in which the dialect is looked for, and at least LEAST lines
LEAST = 2
HEAD = 200  # records that tell whether there is a header
ENOUGH = 9  # values that tell whether a column holds numbers
MARKS = {  # of encodings, at the start of a file
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
ENCODINGS = [  # looked for before others, such as those of old Macintoshes, in which few letters look like words, too
    "utf_8", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874",
    "koi8_r", "cp932", "gb18030", "big5", "cp949",
]  # fmt: skip
OPENERS = {b"\x1f\x8b": gzip.decompress, b"\xfd7zXZ": lzma.decompress, b"BZh": bz2.decompress}
DAMAGE = (OSError, ValueError, EOFError, lzma.LZMAError, zlib.error)
MISSING = frozenset({
    "", "?", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
})  # fmt: skip

csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a person says of a table's file; None is found in its content.

    Args:
        encoding: of the text, such as `latin-1`.
        separator: between fields, one character.
        decimal: the decimal sign, "." or ",".
        header: whether the first line has the columns' names.
        missing: texts that mean a missing value, besides `MISSING`.
        category: columns whose values are categories, of a label classes, even if they are numbers.
        task: what the label is: classification, of classes, regression, of numbers, or multilabel, of several classes
            that an example has, separated by |, ; or commas.

    """

    encoding: str | None = None
    separator: str | None = None
    decimal: str | None = None
    header: bool | None = None
    missing: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    task: str | None = None

    def __post_init__(self) -> None:
        """Check the two signs and the task.

        Raises:
            InputError: one of them is none.

        """
        if self.decimal not in {None, ".", ","}:
            raise InputError(f"cannot be {self.decimal!r}", where="--decimal", fix="Give . or ,")
        if self.separator is not None and len(self.separator) != 1:
            fix = "Give one character; a tab is $'\\t' in most shells."
            raise InputError(f"cannot be {self.separator!r}", where="--separator", fix=fix)
        if self.task not in {None, "classification", "regression", "multilabel"}:
            fix = "Give classification, regression or multilabel."
            raise InputError(f"cannot be {self.task!r}", where="--task", fix=fix)


@dataclass(frozen=True, slots=True)
class TextTable:
    """A text file, decoded, with its dialect.

    Args:
        path: of the file.
        content: as UTF-8, without a mark at its start.
        encoding: that it had.
        separator: between fields, or `WHITESPACE`.
        quote: around fields.
        escape: before a quote within a field; None if it is doubled.
        names: of the columns.
        header: whether they are in the first line.

    """

    path: Path
    content: bytes
    encoding: str
    separator: str
    quote: str
    escape: str | None
    names: tuple[str, ...]
    header: bool

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Read the rows below the header, each with the number of its last line, from 1."""
        found = _records(self.content, self.separator, self.quote, self.escape)
        return islice(found, 1 if self.header else 0, None)

    def check(self) -> None:
        """Reject rows with more or fewer fields than the header, which pandas would fill or cut.

        Raises:
            DataError: names the line.

        """
        for line, fields in self.records():
            if len(fields) != len(self.names):
                what = f"line {line} has {len(fields)} fields, the {'header' if self.header else 'first line'} "
                fix = "Is the file incomplete? Repair it, or download it again. --separator names another separator."
                raise DataError(f"{what}{len(self.names)}", where=str(self.path), fix=fix)


def open_text(path: Path, reading: Reading) -> TextTable:
    """Decode a text file and find its dialect.

    Args:
        path: of the file, which may be compressed with gzip, bzip2 or xz.
        reading: what is known of it.

    Raises:
        DataError: it is not text, or damaged, or is not in the encoding that was named.
        OSError: it cannot be read.

    """
    raw = unpacked(path)
    text, encoding = _decoded(path, raw, reading.encoding)
    sample = _sample(text)
    separator, quote, escape = _dialect(sample, reading.separator)
    content = text.encode()
    head = [fields for _, fields in islice(_records(content, separator, quote, escape), HEAD)]
    if not head:
        raise DataError("has 0 rows", where=str(path), fix="Bring some.")
    header = is_header(head) if reading.header is None else reading.header
    names = [name or f"Unnamed: {at}" for at, name in enumerate(head[0])] if header else (
        f"column_{at}" for at in range(1, len(head[0]) + 1))  # fmt: skip
    return TextTable(path, content, encoding, separator, quote, escape, tuple(names), header)


def unpacked(path: Path) -> bytes:
    """Read a file, decompressed if it is compressed.

    Raises:
        DataError: the compressed file is incomplete or damaged.
        OSError: it cannot be read.

    """
    raw = path.read_bytes()
    for magic, opener in OPENERS.items():
        if raw.startswith(magic):
            try:
                return opener(raw)
            except DAMAGE as error:
                fix = "Download or pack it again."
                raise DataError(f"is incomplete or damaged ({error})", where=str(path), fix=fix) from error
    return raw


def is_header(records: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first record holds names.

    A name stands above values of another kind: text above numbers, or a text that does not come again. Numbers above
    numbers are names only if they count the columns, or grow beside such texts, as years do.
    """
    first, rest = records[0], [row for row in records[1:] if len(row) == len(records[0])]
    if not rest:
        return True
    numbers = [numeral(name) for name in first]
    if all(numbers):
        counted = [each.point for each in numbers if each]
        return len(first) > 1 and counted in ([*range(len(first))], [*range(1, len(first) + 1)])
    below = list(zip(*rest, strict=True))
    kinds = [_mostly_numbers(column) for column in below]
    if any(
        kind and not number and name not in MISSING for kind, number, name in zip(kinds, numbers, first, strict=True)
    ):
        return True
    known = [name in column for name, column, number in zip(first, below, numbers, strict=True) if name and not number]
    years = [each.point or 0.0 for each in numbers if each]
    return not any(known) and (not years or (len(years) > 1 and all(one < two for one, two in pairwise(years))))


def _mostly_numbers(column: Sequence[str]) -> bool:
    values = [value for value in column if value not in MISSING]
    return sum(numeral(value) is not None for value in values[:ENOUGH]) > min(len(values), ENOUGH) / 2


def _decoded(path: Path, raw: bytes, encoding: str | None) -> tuple[str, str]:
    found = encoding or next((name for mark, name in MARKS.items() if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(found)
    except LookupError as error:
        raise DataError(f"no encoding is called {encoding!r}", where="--encoding", fix="Try latin-1.") from error
    except UnicodeDecodeError as error:
        if encoding:
            what = f"is not in the encoding {encoding} (byte {error.start:,})"
            raise DataError(what, where=str(path), fix="Leave --encoding out, and it is looked for.") from error
        start = raw[: 2 * SAMPLE]
        best = None
        if b"\0" not in raw[:SAMPLE]:
            best = from_bytes(start, cp_isolation=ENCODINGS).best() or from_bytes(start).best()
        if best is None:
            fix = "A table is a .csv with a header line or a .parquet file; --encoding names a text's encoding."
            raise DataError("cannot be read as a table (neither text nor Parquet)", where=str(path), fix=fix) from error
        found = best.encoding
        text = raw.decode(found, errors="replace")
    if "\0" in text[:SAMPLE]:
        fix = "A table is a .csv with a header line or a .parquet file."
        raise DataError("cannot be read as a table (it is not text)", where=str(path), fix=fix)
    return text, found


def _sample(text: str) -> str:
    """Take whole lines from the start."""
    end = len(text) if len(text) <= SAMPLE else text.rfind("\n", 0, SAMPLE) + 1
    for _ in range(LEAST):
        if text.count("\n", 0, end) >= LEAST:
            break
        end = text.find("\n", end) + 1 or len(text)
    return text[:end]


def _dialect(sample: str, separator: str | None) -> tuple[str, str, str | None]:
    """Find separator, quote and escape character with CleverCSV (van den Burg et al. 2019)."""
    delimiters = SEPARATORS if separator is None else [separator]
    found = cast("Any", Detector().detect(sample, delimiters=delimiters))
    chosen = separator or (found.delimiter if found else "") or ","
    quote = (found.quotechar if found else "") or '"'
    escape = (found.escapechar if found else "") or None
    if separator is None and chosen == " " and _is_one_column(sample, quote):
        chosen = ","
    if separator is None and chosen in {" ", "\t"} and _is_whitespace(sample, quote, chosen):
        chosen = WHITESPACE
    return (WHITESPACE if separator == " " else chosen), quote, escape


def _is_one_column(sample: str, quote: str) -> bool:
    """Tell whether blanks only stand within names or texts: most lines have other numbers of words than the first."""
    counts = [len(_by_whitespace(line, quote)) for line in sample.splitlines() if line.strip()]
    return not counts or 2 * counts.count(counts[0]) <= len(counts)


def _is_whitespace(sample: str, quote: str, chosen: str) -> bool:
    """Tell whether runs of blanks and tabs separate the fields, not one of them each."""
    lines = [line for line in sample.splitlines() if line.strip()]
    counts = {len(_by_whitespace(line, quote)) for line in lines}
    return chosen == " " or (len(counts) == 1 and counts.pop() > max(line.count("\t") + 1 for line in lines))


def _by_whitespace(line: str, quote: str) -> list[str]:
    return next(csv.reader([re.sub(WHITESPACE, " ", line.strip())], delimiter=" ", quotechar=quote), [])


def _records(content: bytes, separator: str, quote: str, escape: str | None) -> Iterator[tuple[int, list[str]]]:
    """Read records, without empty lines, fields without blanks around them; each with the number of its last line."""
    with io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="") as lines:
        if separator == WHITESPACE:
            for number, line in enumerate(lines, 1):
                if fields := _by_whitespace(line, quote):
                    yield number, fields
            return
        reader = csv.reader(lines, delimiter=separator, quotechar=quote, escapechar=escape, skipinitialspace=True)
        for fields in reader:
            if fields:
                yield reader.line_num, [field.strip() for field in fields]
