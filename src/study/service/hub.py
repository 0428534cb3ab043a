"""Tells clients of new events: one reader asks the database, and every client gets what it has not seen, in order."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool

from study.schemas.service import Event
from study.service import tables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from study.service.store import Database

POLL = 0.25  # seconds between looks
BATCH = 500  # events that are read at a time
TABLE = tables.events


class Hub:
    """Wakes those who wait for events; it keeps nothing but the id of the newest one."""

    def __init__(self, database: Database) -> None:
        """Keep the database; nothing is read."""
        self._database = database
        self._newest = 0
        self._changed = asyncio.Event()
        self._over = False

    async def run(self) -> None:
        """Look for new events until the task is cancelled."""
        while True:
            newest = await run_in_threadpool(newest_id, self._database)
            if newest > self._newest:
                self._newest = newest
                self._wake()
            await asyncio.sleep(POLL)

    def close(self) -> None:
        """Let all clients go."""
        self._over = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self, after: int, studies: Collection[str], run: str | None) -> AsyncIterator[Event]:
        """Yield events in their order, old ones first, until the hub is closed.

        Args:
            after: the id after which to begin.
            studies: whose trials' events are wanted; with neither these nor a run, all events.
            run: whose own events are wanted, and those of the studies that it writes.

        """
        while not self._over:
            changed = self._changed
            found = await run_in_threadpool(read, self._database, after, studies, run)
            for event in found:
                after = event.id
                yield event
            if len(found) < BATCH:
                await changed.wait()


def newest_id(database: Database) -> int:
    """Give the id of the newest event; 0 without any."""
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.max(TABLE.c.id))).scalar() or 0)


def read(
    database: Database, after: int, studies: Collection[str] = (), run: str | None = None, limit: int = BATCH
) -> list[Event]:
    """Read events in their order, as `Hub.follow` yields them."""
    chosen = sa.select(TABLE).where(TABLE.c.id > after).order_by(TABLE.c.id).limit(limit)
    with database.read() as connection:
        if run is not None:
            mine = sa.select(tables.runs.c.studies).where(tables.runs.c.id == run)
            written = json.loads(connection.execute(mine).scalar() or "[]")
            chosen = chosen.where(sa.or_(TABLE.c.run == run, TABLE.c.study.in_([*studies, *written])))
        elif studies:
            chosen = chosen.where(TABLE.c.study.in_([*studies]))
        return [_event(dict(row)) for row in connection.execute(chosen).mappings()]


def _event(row: dict[str, Any]) -> Event:
    return Event(**{**row, "data": json.loads(row["data"])})
