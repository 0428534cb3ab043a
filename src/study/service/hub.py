"""Tells clients of new events: one reader asks the database, and every client gets what it has not seen, in order."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from study.formatting import without_password
from study.schemas.service import LIVE, Event
from study.service import tables
from study.waiting import first_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from study.service.store import Database

POLL = 0.25  # seconds between looks, where few follow
EACH = 0.005  # seconds for each who follows, where many do
LONGEST = 1.0  # seconds between looks, however many follow
SILENCE = 5.0  # seconds after which all who wait are woken
PING = 8.0  # seconds without an event after which a client is told that we are there
AGAIN = 2.0  # seconds until a database that is away is asked again
BATCH = 500  # events that are read at a time
KEPT = 5000  # newest events that are kept in memory
TABLE = tables.events
log = logging.getLogger("study.service")


class Told(NamedTuple):
    """An event, and the bytes that everybody gets of it.

    Args:
        event: as it was read.
        sent: as server-sent events have it.

    """

    event: Event
    sent: bytes


class Hub:
    """Reads and encodes each new event once for all who wait; who asks for older ones reads them for themselves."""

    def __init__(self, database: Database) -> None:
        """Keep the database; nothing is read."""
        self._database = database
        self._recent: deque[Told] = deque(maxlen=KEPT)
        self._newest = self._floor = -1  # ids: of the newest event, and of the one before the first that is kept
        self._written: dict[str, frozenset[str]] = {}  # studies of the runs that run
        self._changed = asyncio.Event()
        self._over = False
        self._clients = 0  # that follow
        self._woken = 0.0  # when all who wait were woken last
        self.heard = time.monotonic()  # of its task

    async def run(self) -> None:
        """Look for new events until the task is cancelled; a database that is away is asked again."""
        while True:
            try:
                found = await self._step()
            except SQLAlchemyError as error:
                log.warning("events: %s", without_password(f"{type(error).__name__}: {first_line(error)}"))
                await asyncio.sleep(AGAIN)
            else:
                self.heard = time.monotonic()
                if found < BATCH:
                    await asyncio.sleep(pace(self._clients))

    async def _step(self) -> int:
        """Read new events once, and wake all who wait; gives the number of events."""
        if self._newest < 0:
            self._newest = self._floor = await run_in_threadpool(newest_id, self._database)
            self._wake()
        found, self._written = await run_in_threadpool(self._look)
        for event in found:
            if len(self._recent) == KEPT:
                self._floor = self._recent[0].event.id
            self._recent.append(told(event))
            self._newest = event.id
        if found or time.monotonic() - self._woken > SILENCE:
            self._wake()
        return len(found)

    def _look(self) -> tuple[list[Event], dict[str, frozenset[str]]]:
        """Read new events, and then which studies each run writes: a study is noted before its first event."""
        found = read(self._database, self._newest)
        return found, written(self._database) if found else self._written

    def close(self) -> None:
        """Let all clients go."""
        self._over = True
        self._wake()

    def _wake(self) -> None:
        self._woken = time.monotonic()
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self, after: int, studies: Collection[str], run: str | None) -> AsyncIterator[list[Told]]:
        """Yield events in their order, old ones first, until the hub is closed; none after a silence.

        Args:
            after: the id after which to begin.
            studies: whose trials' events are wanted; with neither these nor a run, all events.
            run: whose own events are wanted, and those of the studies that it writes.

        """
        self._clients += 1
        try:
            async for found in self._follow(after, studies, run):
                yield found
        finally:
            self._clients -= 1

    async def _follow(self, after: int, studies: Collection[str], run: str | None) -> AsyncIterator[list[Told]]:
        spoke = time.monotonic()
        while not self._over:
            changed, found = self._changed, list[Told]()
            if 0 <= self._floor <= after:
                mine = self._written.get(run, frozenset[str]()) if run else frozenset(studies)
                for each in reversed(self._recent):
                    event = each.event
                    if event.id <= after:
                        break
                    if not (run or mine) or event.study in mine or (run is not None and event.run == run):
                        found.append(each)
                found.reverse()
                after = max(after, self._newest)
            else:
                top = self._newest
                found = [told(each) for each in await run_in_threadpool(read, self._database, after, studies, run)]
                # All up to the top were looked at, unless there are more than are read at a time.
                after = max(after, *(each.event.id for each in found[-1:]), 0 if len(found) == BATCH else top)
            if found or time.monotonic() - spoke > PING:
                spoke = time.monotonic()
                yield found
            if self._newest <= after and len(found) < BATCH:
                await changed.wait()


def pace(clients: int) -> float:
    """Give the seconds between two looks: the more follow, the more events each is told of at a time.

    >>> pace(1), pace(100), pace(1000)
    (0.25, 0.5, 1.0)

    """
    return min(max(POLL, EACH * clients), LONGEST)


def told(event: Event) -> Told:
    """Encode an event."""
    return Told(event, f"event: {event.kind}\ndata: {event.to_json()}\nid: {event.id}\n\n".encode())


def newest_id(database: Database) -> int:
    """Give the id of the newest event; 0 without any."""
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.max(TABLE.c.id))).scalar() or 0)


def written(database: Database) -> dict[str, frozenset[str]]:
    """Tell which studies each run writes, of those that live or have ended in the last minute."""
    runs = tables.runs
    live = sa.or_(runs.c.status.in_(LIVE), runs.c.ended > time.time() - 60)
    with database.read() as connection:
        rows = connection.execute(sa.select(runs.c.id, runs.c.studies).where(live)).all()
    return {row.id: frozenset(json.loads(row.studies)) for row in rows}


def read(
    database: Database, after: int, studies: Collection[str] = (), run: str | None = None, limit: int = BATCH
) -> list[Event]:
    """Read events in their order, as `Hub.follow` yields them."""
    new = sa.select(TABLE).where(TABLE.c.id > after)
    with database.read() as connection:
        wanted = [*studies]
        if run is not None:
            mine = sa.select(tables.runs.c.studies).where(tables.runs.c.id == run)
            wanted += json.loads(connection.execute(mine).scalar() or "[]")
        parts = [new.where(TABLE.c.study == study) for study in wanted]
        parts += [new.where(TABLE.c.run == run)] if run is not None else []
        rows: dict[int, dict[str, Any]] = {}
        for part in parts or [new]:  # each by its own index
            for row in connection.execute(part.order_by(TABLE.c.id).limit(limit)).mappings():
                rows[row["id"]] = dict(row)
    return [_event(rows[number]) for number in sorted(rows)[:limit]]


def _event(row: dict[str, Any]) -> Event:
    return Event(**{**row, "data": json.loads(row["data"])})
