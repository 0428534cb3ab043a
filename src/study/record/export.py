"""Exports the trials or epochs of a study as a table: CSV, JSON, Parquet, pandas."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from study.errors import InputError, PlaceError
from study.formatting import storable, to_json
from study.record import atomic_files, results
from study.schemas import cell, csv_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from study.record.journal import Journal

Format = Literal["csv", "json", "parquet"]
FORMATS: tuple[Format, ...] = ("csv", "json", "parquet")


@dataclass(frozen=True, slots=True)
class Export:
    """Rows of plain values, one per trial or one per epoch.

    Args:
        rows: mappings from column to value; a row may lack columns.

    """

    rows: Sequence[dict[str, Any]]

    def to_csv(self) -> str:
        """Write the rows as CSV."""
        return csv_of(self.rows)

    def to_json(self, *, indent: int | None = None) -> str:
        """Write the rows as a list in strict JSON; NaN and infinity become null."""
        return to_json(list(self.rows), indent=indent)

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a data frame; lists become JSON, and columns of numbers and words become text."""
        import pandas as pd  # noqa: PLC0415 - a second that only its users pay

        frame = pd.DataFrame([{storable(name): _kept(cell(value)) for name, value in row.items()} for row in self.rows])
        for column in frame.columns:
            kinds = {type(value) for value in frame[column] if value is not None and value == value}  # noqa: PLR0124 - NaN
            if len(kinds) > 1 and str in kinds:  # Parquet holds one type a column: batch_size may be 64 or "full"
                frame[column] = frame[column].map(lambda value: value if value is None else str(value))
        return frame

    def encode(self, form: Format) -> bytes:
        """Return the content of a file in one of the `FORMATS`."""
        if form == "csv":
            return self.to_csv().encode(errors="backslashreplace")
        if form == "json":
            return f"{self.to_json(indent=2)}\n".encode(errors="backslashreplace")
        buffer = io.BytesIO()
        self.to_pandas().to_parquet(buffer, index=False)
        return buffer.getvalue()

    def write(self, path: Path, form: Format | None = None) -> None:
        """Write a file, in the format of its suffix unless `form` is given.

        Raises:
            InputError: the suffix names no format.
            PlaceError: the file cannot be written.

        """
        content, fix = self.encode(form or format_of(path)), "Choose another -o."
        try:
            atomic_files.replace(path, [content], fix)
        except ValueError as error:  # `.`, `/`, or a NUL in it
            raise PlaceError("is not the name of a file", where=str(path), fix=fix) from error

    def _repr_html_(self) -> str:
        return self.to_pandas().to_html(max_rows=20, index=False)


def _kept(value: Any) -> Any:
    return storable(value) if isinstance(value, str) else value


def format_of(path: Path) -> Format:
    """Return the format of a file by its suffix; CSV without a suffix.

    Raises:
        InputError: the suffix names no format.

    """
    ending = path.suffix.removeprefix(".")
    if ending and ending not in FORMATS:
        fix = "End it in .csv, .json or .parquet, or say --format."
        raise InputError(f"cannot write .{ending}", where=str(path), fix=fix)
    return ending or "csv"


def trials(journal: Journal) -> Export:
    """Return one row per trial: state, value, `metrics.NAME` of its latest epoch, `recipe.KNOB` of every knob."""
    found: list[dict[str, Any]] = []
    for trial in results.intact(journal):
        values = trial.row.record().plain()
        del values["overrides"], values["metrics"]
        metrics = {f"metrics.{name}": value for name, value in trial.row.metrics.items()}
        found.append({**values, **metrics, **{f"recipe.{knob}": value for knob, value in trial.recipe.items()}})
    return Export(found)


def epochs(journal: Journal) -> Export:
    """Return one row per epoch: trial, number, metrics and time."""
    trials = results.intact(journal)
    return Export([{"trial": trial.number, **row} for trial in trials for row in trial.epochs()])
