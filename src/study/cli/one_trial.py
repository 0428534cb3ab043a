"""`study show NAME --trial N`: how it went, every knob, every epoch, what its last model gets wrong."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from study.cli import records
from study.cli.terminal import width
from study.errors import InputError
from study.formatting import duration, knob, number, plural, to_json
from study.metric import Metric
from study.record import results
from study.text.table import clip, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.record.journal import Journal
    from study.record.results import TrialRow

LARGEST_MATRIX = 30  # rows that a terminal shows; `--format json` has them all


def show(journal: Journal, trial: int, form: str) -> None:
    """Print one trial as text, as JSON, or its epochs as CSV.

    Raises:
        InputError: there is no such trial.

    """
    folder = journal.trial(trial)
    if not folder.path.is_dir():
        known = journal.trials()
        fix = f"They go from {known[0].number} to {known[-1].number}." if known else "There are none yet."
        raise InputError(f"no trial {trial}", where=journal.folder.name, fix=fix)
    metric, history = results.metric_of(journal), folder.history()
    row = results.row(folder, metric)
    epochs = [{"epoch": each.number, **each.metrics, "seconds": each.seconds} for each in history.epochs]
    if form == "csv":
        print(records.csv_of(epochs), end="")
        return
    whole: dict[str, Any] = {
        "study": journal.folder.name,
        **records.row_json(row),
        "folder": str(folder.path),
        "recipe": folder.recipe(),
        "history": epochs,
        "evaluation": history.ended.evaluation if history.ended else None,
        "deaths": history.deaths,
        "environment": folder.about().get("environment"),
    }
    print(to_json(whole, indent=2) if form == "json" else _text(whole, row, metric))


def _text(whole: Mapping[str, Any], row: TrialRow, metric: Metric) -> str:
    named = f" ({row.variant})" if row.variant else ""
    state = f"{records.state_word(row)}{f': {row.reason}' if row.reason else ''}"
    head = [
        f"Trial {row.number}{named} of {whole['study']}: {state}",
        f"{metric.name} {metric.value(row.value)} at the end, {metric.value(row.best_value)} at best",
        f"{plural(row.epochs, 'epoch')} in {duration(row.seconds)}" + (f" on {row.device}" if row.device else ""),
    ]
    if row.repeats is not None:
        head.append(
            f"Its recipe and seed are those of trial {row.repeats}, and so are its figures: nothing was trained"
        )
    if row.audited is not None:
        head.append(f"The pruner would have ended it after epoch {row.audited}; it ran on to show what pruning loses")
    head += [f"Its worker died: {reason}" for reason in whole["deaths"]]
    parts = ["\n".join(head), _knobs(whole["recipe"], row.overrides)]
    if whole["history"]:
        parts.append(_epochs(whole["history"]))
    parts += _evaluation(whole["evaluation"] or {})
    return "\n\n".join([*parts, f"Folder: {whole['folder']}"])


def _epochs(history: Sequence[Mapping[str, Any]]) -> str:
    """A line an epoch; accuracies in per cent."""
    names = [name for name in history[0] if name != "epoch"]
    metrics = [Metric(name).seen(each.get(name) or 0.0 for each in history) for name in names]
    cells = [[str(each["epoch"]), *(metric.figure(each.get(metric.name)) for metric in metrics)] for each in history]
    return table(["epoch", *(metric.heading for metric in metrics)], cells, width=width())


def _knobs(recipe: Mapping[str, Any], overrides: Mapping[str, Any]) -> str:
    """The knobs that the trial changes, one a line, then the others that have a value."""
    changed = [f"  {name} = {knob(value)}" for name, value in recipe.items() if name in overrides]
    rest = [f"{name}={knob(value)}" for name, value in recipe.items() if name not in overrides and value is not None]
    filled = textwrap.fill(
        " ".join(rest),
        width() or 100,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    head = ["Knobs that it changes:", *changed] if changed else ["It changes no knob."]
    return "\n".join([*head, "The others (those that are null left out):", filled])


def _evaluation(evaluation: Mapping[str, Any]) -> list[str]:
    """What the training found out about its last model: plain values, then lists of records and matrices as tables."""
    classes: Sequence[str] = evaluation.get("classes") or ()
    lines: list[str] = []
    tables: list[str] = []
    for name, value in evaluation.items():
        if _is_list_of(dict, value):
            cells = [[_cell(cell) for cell in each.values()] for each in value]
            tables.append(f"{name}:\n{table(list(value[0]), cells, width=width())}")
        elif _is_list_of(list, value) and len(value) <= LARGEST_MATRIX:
            tables.append(_matrix(name, value, classes))
        elif not isinstance(value, list) or len(value) <= LARGEST_MATRIX:
            lines.append(clip(f"{name}: {_named(name, value)}", width()))
        else:
            lines.append(f"{name}: {len(value)} rows, see --format json")
    return [*(["\n".join(lines)] if lines else []), *tables]


def _is_list_of(kind: type, value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, kind) for each in value)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    return value if isinstance(value, str) else to_json(value)


def _named(name: str, value: Any) -> str:
    return Metric(name).seen([value]).value(value) if isinstance(value, float) else _cell(value)


def _matrix(name: str, rows: Sequence[Sequence[Any]], classes: Sequence[str]) -> str:
    """A matrix with the classes' names on its rows, where it has one row a class."""
    named = classes if len(classes) == len(rows) else [""] * len(rows)
    labels = [str(index) if each in {"", str(index)} else f"{index} {each}" for index, each in enumerate(named)]
    cells = [[label, *map(_cell, row)] for label, row in zip(labels, rows, strict=True)]
    return table([f"{name} (row: true)", *map(str, range(len(rows[0])))], cells, width=width())
