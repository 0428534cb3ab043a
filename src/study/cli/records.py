"""A study's rows and summary as tables for people and as JSON for programs: one shape, whichever command shows it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from study.formatting import duration, knobs, moment, plural, to_json
from study.text.table import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.metric import Metric
    from study.record.results import Summary, TrialRow

STATE_WORDS = {"running": "unfinished"}  # a row cannot tell whether somebody trains it at this moment


def row_json(row: TrialRow) -> dict[str, Any]:
    """One trial as JSON values."""
    return {
        "trial": row.number,
        "variant": row.variant,
        "state": row.state,
        "value": row.value,
        "best_value": row.best_value,
        "epochs": row.epochs,
        "seconds": round(row.seconds, 3),
        "overrides": dict(row.overrides),
        "metrics": dict(row.metrics),
        "reason": row.reason,
        "started": moment(row.started),
        "device": row.device,
    }


def summary_json(summary: Summary) -> dict[str, Any]:
    """A study's state as JSON values."""
    return {
        "study": summary.name,
        "metric": summary.metric.name,
        "direction": summary.metric.direction,
        "finished": summary.finished,
        **summary.counts,
        "seconds": round(summary.seconds, 3),
        "best": row_json(summary.best) if summary.best else None,
        "variants": [
            {"variant": row.variant, "trial": row.number, "state": row.state, "value": row.value,
             "difference": difference(row, summary)}
            for row in summary.variants
        ],
    }  # fmt: skip


def csv_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV, with every column that any of them has."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def cell(value: Any) -> str | int | float | None:
    """A value for a table's cell: numbers and text as they are, everything else as JSON."""
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return to_json(value)


def difference(row: TrialRow, summary: Summary) -> float | None:
    """How much a variant's value exceeds the baseline's; None where one of them is not complete."""
    base = summary.baseline
    if base is None or row.number == base.number:
        return None
    if row.state != "complete" or base.state != "complete" or row.value is None or base.value is None:
        return None
    return row.value - base.value


def counts_line(summary: Summary) -> str:
    """`12 finished (9 complete, 3 pruned), 1 failed, 2 unfinished; 34 min of training`."""
    counts = summary.counts
    parts = [f"{summary.finished} finished ({counts['complete']} complete, {counts['pruned']} pruned)"]
    parts += [f"{counts['failed']} failed"] if counts["failed"] else []
    parts += [f"{counts['running']} unfinished"] if counts["running"] else []
    return f"{', '.join(parts)}; {duration(summary.seconds)} of training"


def best_lines(summary: Summary) -> list[str]:
    """The best trial and its knobs."""
    best = summary.best
    if best is None:
        return ["No complete trial yet."]
    named = f" ({best.variant})" if best.variant else ""
    changed = knobs(best.overrides) or "the study's recipe as it is"
    return [
        f"Best {summary.metric.name}: {summary.metric.value(best.value)} by trial {best.number}{named}",
        f"  {changed}",
    ]


def variants_table(summary: Summary, width: int | None) -> str:
    """Each variant's value, best first, and what it adds to the baseline."""
    base = summary.baseline
    rows = [
        [
            row.variant or "",
            str(row.number),
            state_word(row),
            summary.metric.figure(row.value),
            "baseline" if base and row.number == base.number else summary.metric.gap(difference(row, summary)),
        ]
        for row in summary.variants
    ]
    return table(["Variant", "Trial", "State", summary.metric.heading, "Difference"], rows, width=width)


def trials_table(rows: Sequence[TrialRow], metric: Metric, width: int | None) -> str:
    """One line a trial."""
    cells = [
        [
            str(row.number),
            state_word(row),
            metric.figure(row.value),
            str(row.epochs),
            duration(row.seconds),
            row.variant or "",
            row.reason if row.state == "failed" else knobs(row.overrides),
        ]
        for row in rows
    ]
    return table(["Trial", "State", metric.heading, "Epochs", "Time", "Variant", "Knobs"], cells, width=width)


def state_word(row: TrialRow) -> str:
    """The state as people are told it."""
    return STATE_WORDS.get(row.state, row.state)


def closing(summary: Summary, width: int | None, *, has_seed: bool) -> str:
    """What a search came to, and where to look next; only a recipe with a seed can be repeated on others."""
    parts = [f"{summary.name}: {counts_line(summary)}", *best_lines(summary)]
    if summary.variants:
        parts += ["", variants_table(summary, width)]
    if len(summary.variants) > 1:
        more = f" Ten seeds: study compare {summary.name}" if has_seed else ""
        parts += [f"One seed decides nothing: differences of this size can be luck.{more}"]
    parts += ["", f"Look closer:  study show {summary.name}"]
    if has_seed and summary.counts["complete"] > 1:
        parts += [f"Confirm it:   study confirm {summary.name}"]
    return "\n".join([*parts, "Pictures:     study ui"])


def failures(summary: Summary, rows: Sequence[TrialRow]) -> str:
    """One line that says why trials failed, the commonest reason first; empty if none did."""
    reasons = [row.reason for row in rows if row.state == "failed"]
    if not reasons:
        return ""
    common = max(set(reasons), key=reasons.count)
    return f"{plural(len(reasons), 'trial')} of {summary.name} failed, {reasons.count(common)} with: {common}"
