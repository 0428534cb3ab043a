"""Makes events of what the trial folders tell: every line of a trial's log once, in its order, whatever is killed.

The events of new lines and the place in the log up to which they reach are one transaction. Only lines that end in a
newline are read: a torn one is cut off by the next search.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from study.errors import StudyError
from study.formatting import to_json
from study.record import family, log_lines
from study.service import tables

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from study.record.journal import TrialFolder
    from study.service.store import Database

CREATED = ("variant", "overrides", "created", "metric", "direction")
LARGE = ("evaluation",)  # of a trial's end: the trial's page has it


class Follower:
    """Follows the folders of studies; it keeps sizes of logs that it has read, so that it reads what is new alone."""

    def __init__(self, database: Database, home: Path) -> None:
        """Keep the database and the folder of all results; nothing is read."""
        self._database, self._home = database, home
        self._read: dict[tuple[str, int], int] = {}

    def follow(self, study: str) -> int:
        """Make events of what is new in a study's folders; give their number."""
        journal = family.journal(study, self._home)
        grown = [each for each in journal.trials() if each.log_size() != self._read.get((study, each.number), -1)]
        if not grown:
            return 0
        with self._database.write() as connection:
            return sum(self._take(connection, study, trial) for trial in grown)

    def _take(self, connection: Connection, study: str, trial: TrialFolder) -> int:
        table, number = tables.cursors, trial.number
        mine = sa.and_(table.c.study == study, table.c.trial == number)
        begun = connection.execute(sa.select(table.c.bytes).where(mine)).scalar()
        content = trial.log.read_bytes() if trial.log.exists() else b""
        size = len(content)
        start = begun if begun is not None and begun <= size else 0
        whole = content[start : content.rfind(b"\n") + 1]
        made: list[dict[str, Any]] = []
        if begun is None:
            made.append(_event(study, number, "created", _created(trial)))
        for record in log_lines.parse(whole).lines if whole else ():
            if record is not None:  # a damaged line is named where the trial is shown
                kind = str(record["kind"])
                data = {name: value for name, value in record.items() if name != "kind" and name not in LARGE}
                made.append(_event(study, number, kind, data))
        if made:
            connection.execute(sa.insert(tables.events), made)
        if begun is None:
            connection.execute(sa.insert(table).values(study=study, trial=number, bytes=start + len(whole)))
        elif whole or begun > size:
            connection.execute(sa.update(table).where(mine).values(bytes=start + len(whole)))
        self._read[study, number] = size
        return len(made)


def _created(trial: TrialFolder) -> dict[str, Any]:
    try:
        about = trial.about()
    except StudyError:
        return {}
    return {name: about.get(name) for name in CREATED}


def _event(study: str, trial: int, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "time": float(data.get("time") or time.time()), "kind": kind[:16], "run": None, "study": study,
        "trial": trial, "data": to_json(data),
    }  # fmt: skip


def ended_since(database: Database, studies: list[str], since: float) -> bool:
    """Tell whether a trial of these studies has ended complete or pruned since a moment."""
    table = tables.events
    chosen = sa.select(table.c.data).where(
        table.c.study.in_(studies), table.c.kind == "ended", table.c.time >= since
    )  # fmt: skip
    with database.read() as connection:
        return any('"state": "failed"' not in row.data for row in connection.execute(chosen))
