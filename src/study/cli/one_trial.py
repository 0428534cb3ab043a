"""`study show NAME --trial N`: how it went, every knob, every epoch, what its last model gets wrong."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from study import results
from study.cli import records
from study.cli.terminal import width
from study.cli.text import clip, duration, knob, number, plural, table, to_json
from study.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.journal import Journal
    from study.results import TrialRow


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
    aim, history = results.goal(journal), folder.history()
    row = results.row(folder, aim)
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
    print(to_json(whole, indent=2) if form == "json" else _text(whole, row, aim.metric))


def _text(whole: Mapping[str, Any], row: TrialRow, metric: str) -> str:
    named = f" ({row.variant})" if row.variant else ""
    state = f"{records.state_word(row)}{f': {row.reason}' if row.reason else ''}"
    head = [
        f"Trial {row.number}{named} of {whole['study']}: {state}",
        f"{metric} {number(row.value)} at the end, {number(row.best_value)} at best",
        f"{plural(row.epochs, 'epoch')} in {duration(row.seconds)}" + (f" on {row.device}" if row.device else ""),
    ]
    head += [f"Its worker died: {reason}" for reason in whole["deaths"]]
    parts = ["\n".join(head), _knobs(whole["recipe"], row.overrides)]
    if whole["history"]:
        names = list(whole["history"][0])
        cells = [
            [str(each[name]) if name == "epoch" else number(each.get(name)) for name in names]
            for each in whole["history"]
        ]
        parts.append(table(names, cells, width=width()))
    parts += _evaluation(whole["evaluation"] or {})
    return "\n\n".join([*parts, f"Folder: {whole['folder']}"])


def _knobs(recipe: Mapping[str, Any], overrides: Mapping[str, Any]) -> str:
    """The knobs that the trial changes, one a line, then the others."""
    changed = [f"  {name} = {knob(value)}" for name, value in recipe.items() if name in overrides]
    rest = [f"{name}={knob(value)}" for name, value in recipe.items() if name not in overrides]
    filled = textwrap.fill(" ".join(rest), width() or 100, initial_indent="  ", subsequent_indent="  ",
                           break_long_words=False, break_on_hyphens=False)  # fmt: skip
    head = ["Knobs that it changes:", *changed] if changed else ["It changes no knob."]
    return "\n".join([*head, "The others:", filled])


def _evaluation(evaluation: Mapping[str, Any]) -> list[str]:
    """What the training found out about its last model; a confusion matrix as a table of its own."""
    lines = [f"{name}: {to_json(value)}" for name, value in evaluation.items() if not _is_matrix(value)]
    tables = [_matrix(name, value) for name, value in evaluation.items() if _is_matrix(value)]
    return [*(["\n".join(clip(line, width()) for line in lines)] if lines else []), *tables]


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, list) for row in value)


def _matrix(name: str, rows: Sequence[Sequence[Any]]) -> str:
    headings = [f"{name} (row: true)", *(str(column) for column in range(len(rows[0])))]
    return table(headings, [[str(number), *map(str, row)] for number, row in enumerate(rows)], width=width())
