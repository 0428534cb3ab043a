"""Runs that save their epochs and go back into the queue though nobody waits: over a quota, or to take free slots."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from study.service import quotas
from study.service.queue import RUNS, claim_of, hindrance
from study.service.scheduling import share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from study.service.queue import Row
    from study.service.quotas import Allowance
    from study.service.store import Database

YOUNG = 30.0  # seconds of an attempt in which it is left as it is: it has hardly begun


def overdrawn(database: Database) -> list[str]:
    """Let runs give their slots up whose hours of this month are used up, or whose trials a quota limits only now."""
    with database.read() as connection:  # without the write lock as long as there is nothing to write
        rows = _running(connection)
        may = quotas.read(connection, rows, time.time())
    late = [row for row in rows if not row["wish"] and (may.hindrance(row["person"], 0) or _is_unlimited(row, may))]
    return _let_yield(database, late)


def widen(database: Database, slots: int) -> list[str]:
    """Let runs begin again with more slots where some are free and nobody waits who could take them; gives their ids.

    Args:
        database: of the service.
        slots: of the machine, or of a cluster, which may have become larger.

    """
    now = time.time()
    with database.read() as connection:
        rows = _running(connection)
        if not rows or sum(row["slots"] for row in rows) >= slots:
            return []
        may = quotas.read(connection, rows, now)
        ripe = [row for row in rows if not row["wish"] and now - (row["started"] or now) > YOUNG]
        ripe = [row for row in ripe if row["question"] != "run" or quotas.needed(connection, row) > row["slots"]]
        both = _of(connection, "queued", "running")
        waiting = [row for row in both if row["status"] == "queued" and not hindrance(connection, row, both, may)]
    given = share(slots, [claim_of(row, may) for row in (*rows, *waiting)], may.slots)
    if any(row["id"] in given for row in waiting):
        return []
    return _let_yield(database, [row for row in ripe if given.get(row["id"], 0) > row["slots"]])


def _running(connection: Connection) -> list[Row]:
    return _of(connection, "running")


def _of(connection: Connection, *statuses: str) -> list[Row]:
    chosen = sa.select(RUNS).where(RUNS.c.status.in_(statuses)).order_by(RUNS.c.number)
    return [dict(row) for row in connection.execute(chosen).mappings()]


def _is_unlimited(row: Row, may: Allowance) -> bool:
    """Tell whether a running run was begun without a limit of trials, where there is one by now."""
    return row["reserved"] is None and may.granted(row["person"], row["question"], 0) is not None


def _let_yield(database: Database, rows: Sequence[Row]) -> list[str]:
    late = [row["id"] for row in rows]
    if late:
        with database.write() as connection:
            mine = sa.and_(RUNS.c.id.in_(late), RUNS.c.status == "running", RUNS.c.wish == "")
            connection.execute(sa.update(RUNS).where(mine).values(wish="yield"))
    return late
