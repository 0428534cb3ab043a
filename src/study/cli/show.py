"""`study show` and `study best`: what the trial folders tell."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from study import settings
from study.cli import one_trial, options, records
from study.cli.terminal import width
from study.errors import InputError, StudyError
from study.formatting import to_json
from study.record import results
from study.record.family import find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.record.journal import Journal
    from study.record.results import Summary, TrialRow

SHOWN = 20
COLUMNS = ("trial", "state", "value", "epochs", "seconds", "variant", "reason")


def journal_of(name: str, home: Path | None) -> Journal:
    """Find the results of a study; see `family.find`."""
    return find(name, settings.resolve(home).home)


def show(
    context: typer.Context,
    name: options.StudyName,
    trial: options.TrialNumber = None,
    importance: options.Importance = False,
    pruning: options.Pruning = False,
    form: options.ShowFormat = "table",
    as_json: options.AsJson = False,
    sort_by: options.SortBy = None,
    top: options.Top = None,
    home: options.Home = None,
) -> None:
    """Show a study's trials and what they say for and against the search, or one trial with all its epochs."""
    from study.cli import insight  # numpy

    if sum((trial is not None, importance, pruning)) > 1:
        raise InputError("--trial, --importance and --pruning exclude each other", fix="Give one of them.")
    ordered = options.typed(context, "sort_by") or options.typed(context, "top")
    if ordered and (trial is not None or importance or pruning):
        raise InputError("--sort-by and --top are for the table of trials", where="study show", fix="Leave them out.")
    journal, form = journal_of(name, home), "json" if as_json else form
    if trial is not None:
        one_trial.show(journal, trial, form)
    elif importance:
        insight.show_importance(journal, form)
    elif pruning:
        insight.show_pruning(journal, form)
    else:
        _show_trials(journal, form, sort_by, top)


def _show_trials(journal: Journal, form: str, sort_by: str | None, top: int | None) -> None:
    from study.cli import insight

    rows = results.rows(journal)
    summary = results.summarize(journal.folder.name, results.metric_of(journal), rows)
    shown = sorted_by(rows, sort_by, summary)
    if form == "json":
        trials = [records.row_json(row) for row in shown[:top]]
        remarks = [asdict(each) for each in insight.remarks(journal, rows)]
        print(to_json({**records.summary_json(summary), "remarks": remarks, "trials": trials}, indent=2))
    elif form == "csv":
        print(records.csv_of([_flat(row) for row in shown[:top]]), end="")
    else:
        _show_table(summary, shown, top or SHOWN)
        if lines := insight.remark_lines(insight.remarks(journal, rows)):
            print(f"\nWhat the search says of itself:\n{lines}")


def sorted_by(rows: Sequence[TrialRow], column: str | None, summary: Summary) -> list[TrialRow]:
    """Sort by a column of the table or by a knob; what lacks it comes last.

    Raises:
        InputError: no such column or knob.

    """
    if column in {None, "value"}:
        return results.ranked(rows, summary.metric)
    knobs = dict.fromkeys(name for row in rows for name in row.overrides)
    if column not in COLUMNS and column not in knobs:
        fix = f"There are: {', '.join([*COLUMNS, *knobs])}."
        raise InputError(f"no column {column!r}", where="--sort-by", fix=fix)

    def key(row: TrialRow) -> tuple[bool, int, Any, int]:
        value = records.row_json(row)[column] if column in COLUMNS else row.overrides.get(column)
        if isinstance(value, int | float):
            return False, 0, float(value), row.number
        return value is None, 1, str(value), row.number

    return sorted(rows, key=key)


def _flat(row: TrialRow) -> dict[str, Any]:
    """A trial's row with a column for each knob that it changes."""
    values = {column: records.row_json(row)[column] for column in COLUMNS}
    return {**values, **{f"recipe.{name}": value for name, value in row.overrides.items()}}


def _show_table(summary: Summary, rows: Sequence[TrialRow], top: int) -> None:
    print(f"{summary.name}: {summary.metric.direction} {summary.metric.name}")
    print(records.counts_line(summary))
    print("\n".join(records.best_lines(summary)))
    if summary.variants:
        print(f"\n{records.variants_table(summary, width())}")
    print(f"\n{records.trials_table(rows[:top], summary.metric, width())}")
    if len(rows) > top:
        print(f"and {len(rows) - top} more (--top {len(rows)})")
    if line := records.failures(summary, rows):
        print(f"\n{line}")


def best(name: options.StudyName, home: options.Home = None) -> None:
    """Print the best recipe as JSON, for `study run --recipe`."""
    found = results.best_recipe(journal_of(name, home))
    if found is None:
        raise StudyError("no trial is complete yet", where=name, fix=f"`study run {name}` goes on.")
    print(to_json(found, indent=2))
