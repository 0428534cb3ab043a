"""`study export` and `study sync`: the trial folders' content, given to other programs."""

from __future__ import annotations

import io
import logging
import sys
from typing import TYPE_CHECKING, Any

from study.cli import options, records
from study.cli.show import journal_of
from study.errors import InputError
from study.formatting import plural, to_json
from study.record import atomic_files, results
from study.record.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Sequence


log = logging.getLogger("study")
FORMATS = ("csv", "json", "parquet")


def export(
    name: options.StudyName,
    form: options.ExportFormat = None,
    output: options.Output = None,
    per_epoch: options.PerEpoch = False,
    home: options.Home = None,
) -> None:
    """Write a row a trial: every knob, the last epoch's metrics."""
    suffix = output.suffix.removeprefix(".") if output else ""
    if form is None and suffix and suffix not in FORMATS:
        fix = "End it in .csv, .json or .parquet, or say --format."
        raise InputError(f"cannot write .{suffix}", where=str(output), fix=fix)
    form = form or (suffix if suffix in FORMATS else "csv")
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise InputError("Parquet is no text", where="--format", fix="Give a file with -o, or pipe it.")
    journal = journal_of(name, home)
    rows = epoch_rows(journal) if per_epoch else trial_rows(journal)
    content = _encode(rows, form)
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    atomic_files.replace(output, [content], fix="Choose another -o.")
    log.info("%s in %s", plural(len(rows), "row"), output)


def trial_rows(journal: Journal) -> list[dict[str, Any]]:
    """One row a trial: how it went, `metrics.NAME` of its last epoch, `recipe.KNOB` of every knob."""
    found: list[dict[str, Any]] = []
    for row in results.rows(journal):
        values = records.row_json(row)
        del values["overrides"], values["metrics"]
        metrics = {f"metrics.{name}": value for name, value in row.metrics.items()}
        recipe = journal.trial(row.number).recipe()
        found.append({**values, **metrics, **{f"recipe.{knob}": value for knob, value in recipe.items()}})
    return found


def epoch_rows(journal: Journal) -> list[dict[str, Any]]:
    """One row an epoch: its trial, its number, its metrics and its time."""
    return [
        {"trial": folder.number, "epoch": epoch.number, **epoch.metrics, "seconds": epoch.seconds}
        for folder in journal.trials()
        for epoch in folder.history().epochs
    ]


def _encode(rows: Sequence[dict[str, Any]], form: str) -> bytes:
    if form == "csv":
        return records.csv_of(rows).encode()
    if form == "json":
        return f"{to_json(list(rows), indent=2)}\n".encode()
    import pandas as pd

    frame = pd.DataFrame([{name: records.cell(value) for name, value in row.items()} for row in rows])
    for column in frame.columns:
        kinds = {type(value) for value in frame[column] if value is not None and value == value}  # noqa: PLR0124 - NaN
        if len(kinds) > 1 and str in kinds:  # Parquet holds one type a column: batch_size may be 64 or "full"
            frame[column] = frame[column].map(lambda value: value if value is None else str(value))
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
