"""The server's events and runs that are old: how many there are, and their removal. The audit log stays."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from study.schemas.service import LIVE
from study.service import store, tables

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import ColumnElement

    from study.service.store import Database

RUNS, EVENTS = tables.runs, tables.events


def old(url: str, before: float) -> tuple[list[str], int]:
    """List the runs that ended before a moment, and count the events that are as old.

    Raises:
        PlaceError: the database cannot be used.

    """
    with _opened(url) as database, database.read() as connection:
        ended = sa.select(RUNS.c.id).where(RUNS.c.status.not_in(LIVE), RUNS.c.ended < before).order_by(RUNS.c.number)
        runs = [row.id for row in connection.execute(ended)]
        count = connection.execute(sa.select(sa.func.count()).select_from(EVENTS).where(_old(before))).scalar()
    return runs, int(count or 0)


def remove(url: str, before: float, said: str) -> None:
    """Remove the old events, and note in the audit log what was removed besides."""
    with _opened(url) as database, database.write() as connection:
        gone = connection.execute(sa.delete(EVENTS).where(_old(before))).rowcount
        store.append_audit(connection, "study gc", "gc", f"{gone} events", said)


def _old(before: float) -> ColumnElement[bool]:
    """Choose old events, but none of a run that has not ended."""
    live = sa.select(RUNS.c.id).where(RUNS.c.status.in_(LIVE))
    return sa.and_(EVENTS.c.time < before, sa.or_(EVENTS.c.run.is_(None), EVENTS.c.run.not_in(live)))


@contextmanager
def _opened(url: str) -> Generator[Database]:
    database = store.opened(url)
    try:
        yield database
    finally:
        database.close()
