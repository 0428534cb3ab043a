"""What the pages show of studies, read from the tables that `following` keeps: no trial's folder is opened for it."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from study.definition import judged_by
from study.errors import StudyError
from study.record import family, results
from study.record.trial import STATES
from study.service import tables
from study.study_files import about, available, docstring

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from study.metric import Metric
    from study.service.store import Database

TABLE = tables.cursors
Row = dict[str, Any]
RANK = sa.case({state: place for place, state in enumerate(STATES)}, value=TABLE.c.state, else_=len(STATES))


def counts(database: Database, studies: Sequence[str] | None = None) -> dict[str, dict[str, int]]:
    """Count trials by study and state; of all studies if None."""
    chosen = sa.select(TABLE.c.study, TABLE.c.state, sa.func.count()).group_by(TABLE.c.study, TABLE.c.state)
    if studies is not None:
        chosen = chosen.where(TABLE.c.study.in_(studies))
    found: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(STATES, 0))
    with database.read() as connection:
        for study, state, count in connection.execute(chosen):
            if state is not None:
                found[study][state] = count
    return dict(found)


def finished(database: Database, study: str) -> int:
    """Count a study's complete and pruned trials."""
    known = counts(database, [study]).get(study, {})
    return known.get("complete", 0) + known.get("pruned", 0)


def paused(database: Database, study: str) -> int:
    """Count the trials of a study that its pruner has paused; they are among the running ones."""
    chosen = sa.select(TABLE.c.row).where(
        TABLE.c.study == study, TABLE.c.state == "running", TABLE.c.row.is_not(None)
    )  # fmt: skip
    with database.read() as connection:
        return sum(_row(row)["paused"] for (row,) in connection.execute(chosen))


def trials(
    database: Database, study: str, metric: Metric, limit: int = 100, only: Sequence[int] | None = None
) -> list[Row]:
    """List a study's trials in short, the best first, as `study show` sorts them; of some numbers only, if given."""
    better_first = TABLE.c.value.desc() if metric.sign > 0 else TABLE.c.value.asc()
    chosen = sa.select(TABLE.c.row).where(TABLE.c.study == study, TABLE.c.row.is_not(None))
    if only is not None:
        chosen = chosen.where(TABLE.c.trial.in_(only))
    ordered = chosen.order_by(RANK, TABLE.c.value.is_(None), better_first, TABLE.c.trial).limit(limit)
    with database.read() as connection:
        return [_row(row) for (row,) in connection.execute(ordered)]


def _row(text: str) -> Row:
    """Read a trial in short; an older version did not say whether it is paused."""
    return {"paused": False, **json.loads(text)}


def curves(
    database: Database, study: str, only: Sequence[int] | None = None, limit: int = 100
) -> list[tuple[int, list[float]]]:
    """Give the followed metric of each epoch of the last trials, or of some, by number."""
    chosen = sa.select(TABLE.c.trial, TABLE.c.curve).where(TABLE.c.study == study, TABLE.c.curve.is_not(None))
    if only is not None:
        chosen = chosen.where(TABLE.c.trial.in_(only))
    with database.read() as connection:
        found = connection.execute(chosen.order_by(TABLE.c.trial.desc()).limit(limit)).all()
    return [(row.trial, json.loads(row.curve)) for row in reversed(found)]


def overview(database: Database, home: Path, study: str, limit: int = 100) -> Row:
    """Describe a study: metric, counts, seconds, best trial, its first trials and its last curves.

    Raises:
        StudyError: its definition is missing or damaged.

    """
    metric = results.metric_of(family.journal(study, home))
    with database.read() as connection:
        seconds = connection.execute(sa.select(sa.func.sum(TABLE.c.seconds)).where(TABLE.c.study == study)).scalar()
    rows = trials(database, study, metric, limit)
    best = rows[0] if rows and rows[0]["state"] == "complete" and rows[0]["value"] is not None else None
    drawn = dict(curves(database, study))
    if best is not None and best["trial"] not in drawn:
        drawn |= dict(curves(database, study, [best["trial"]]))
    known = counts(database, [study]).get(study, dict.fromkeys(STATES, 0))
    return {
        "study": study, "metric": metric, "best": best, "trials": rows, "counts": known, "total": sum(known.values()),
        "paused": paused(database, study), "seconds": float(seconds or 0.0), "curves": drawn,
    }  # fmt: skip


def listed(database: Database, home: Path) -> tuple[list[Row], list[Row]]:
    """List the studies that have results, and the installed ones that have none, each with a line about it."""
    files, known = available(), counts(database)
    there = family.studies(home)
    found = [_listed(database, home, name, known.get(name, dict.fromkeys(STATES, 0))) for name in there]
    return found, [
        {"study": name, "description": _first_line(file, file.stat().st_mtime_ns)}
        for name, file in sorted(files.items())
        if name not in there
    ]  # fmt: skip


def _listed(database: Database, home: Path, name: str, known: dict[str, int]) -> Row:
    row: Row = {"study": name, "counts": known, "best": None, "metric": "", "description": ""}
    try:
        definition = family.journal(name, home).definition() or {}
        metric = judged_by(definition)
        first = trials(database, name, metric, 1)
    except (StudyError, KeyError) as error:
        return row | {"description": f"damaged: {error}"}
    start, kind = family.parsed(name)
    said = f"{family.PURPOSE[kind]} {start}" if kind else about(name, definition).partition("\n")[0]
    value = first[0]["value"] if first and first[0]["state"] == "complete" else None
    best = None if value is None else metric.value(value)
    return row | {"best": best, "metric": metric.name, "description": said}


@lru_cache(maxsize=1000)
def _first_line(file: Path, _changed: int) -> str:
    try:
        return docstring(file).partition("\n")[0]
    except (OSError, SyntaxError, ValueError):
        return "cannot be read"
