"""A trial in words: how it went, every knob, every epoch, what its last model gets wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.formatting import duration, knob, number, plural, to_json
from study.metric import Metric
from study.text.search import state
from study.text.table import Block

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.schemas.trial import TrialDetails

LARGEST_MATRIX = 30  # rows that are shown; JSON has them all


def details(found: TrialDetails) -> list[Block]:
    """Show one trial with all its epochs."""
    blocks = [Block(_head(found)), _knobs(found)]
    if found.history:
        blocks.append(_epochs(found.history))
    raised = [Block(found.traceback.splitlines())] if found.traceback else []
    return [*blocks, *_evaluation(found.evaluation or {}), *raised, Block([f"Folder: {found.folder}"])]


def _head(found: TrialDetails) -> list[str]:
    metric = found.judged_by
    named = f" ({found.variant})" if found.variant else ""
    why = f": {found.reason}" if found.reason else ""
    head = [
        f"Trial {found.trial}{named} of {found.study}: {state(found.state, paused=found.paused)}{why}",
        f"{metric.name} {metric.value(found.value)} at the end"
        + (f", {metric.value(found.best_value)} at best" if found.best_value is not None else ""),
        f"{plural(found.epochs, 'epoch')} in {duration(found.seconds)}"
        + (f" on {found.device}" if found.device else "")
        + (f" of node {found.node} ({found.chip})" if found.node else ""),
    ]
    if found.repeats is not None:
        head.append(f"It has the recipe and seed of trial {found.repeats}: values copied, nothing trained")
    if found.audited is not None:
        head.append(f"Audited: the pruner would have stopped it after epoch {found.audited}")
    return [*head, *(f"Its worker died: {reason}" for reason in found.deaths)]


def _knobs(found: TrialDetails) -> Block:
    """Name the knobs that the trial changes, one a line, then the others that have a value."""
    changed = [f"  {name} = {knob(value)}" for name, value in found.recipe.items() if name in found.overrides]
    rest = [
        f"{name}={knob(value)}"
        for name, value in found.recipe.items()
        if name not in found.overrides and value is not None
    ]
    head = ["Knobs that it changes:", *changed] if changed else ["It changes no knob."]
    return Block([*head, "The others (those that are null left out):"], long=" ".join(rest))


def _epochs(history: Sequence[Mapping[str, float]]) -> Block:
    """Lay out a line for each epoch; accuracies in per cent."""
    names = [name for name in history[0] if name != "epoch"]
    metrics = [Metric(name).seen(each.get(name) or 0.0 for each in history) for name in names]
    cells = [[f"{each['epoch']:.0f}", *(metric.cell(each.get(metric.name)) for metric in metrics)] for each in history]
    return Block(headings=["epoch", *(metric.heading for metric in metrics)], rows=cells)


def _evaluation(evaluation: Mapping[str, Any]) -> list[Block]:
    """Show what the training found out about its last model: plain values, then lists and matrices as tables."""
    classes: Sequence[str] = evaluation.get("classes") or ()
    lines: list[str] = []
    tables: list[Block] = []
    for name, value in evaluation.items():
        if _is_list_of(dict, value):
            cells = [[_cell(cell) for cell in each.values()] for each in value]
            tables.append(Block([f"{name}:"], list(value[0]), cells))
        elif _is_list_of(list, value) and len(value) <= LARGEST_MATRIX:
            tables.append(_matrix(name, value, classes))
        elif not isinstance(value, list) or len(value) <= LARGEST_MATRIX:
            lines.append(f"{name}: {_named(name, value)}")
        else:
            lines.append(f"{name}: {len(value)} rows, see --format json")
    return [*([Block(lines)] if lines else []), *tables]


def _is_list_of(kind: type, value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, kind) for each in value)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    return value if isinstance(value, str) else to_json(value)


def _named(name: str, value: Any) -> str:
    return Metric(name).seen([value]).value(value) if isinstance(value, float) else _cell(value)


def _matrix(name: str, rows: Sequence[Sequence[Any]], classes: Sequence[str]) -> Block:
    """Lay out a matrix; its rows have the names of the classes if there is one for each."""
    named = classes if len(classes) == len(rows) else [""] * len(rows)
    labels = [str(index) if each in {"", str(index)} else f"{index} {each}" for index, each in enumerate(named)]
    cells = [[label, *map(_cell, row)] for label, row in zip(labels, rows, strict=True)]
    return Block(headings=[f"{name} (row: true)", *map(str, range(len(rows[0])))], rows=cells)
