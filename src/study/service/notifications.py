"""Tells others when a run ends or waits for somebody: tried again until it is taken, never blocking, nothing lost.

What is to be told is written in the transaction of the run's new state, so that a kill loses nothing; a message may
come twice, with the same id. `webhook` and `mail` send it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from study.formatting import to_json
from study.service import tables

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from study.service.store import Database

Sender = Callable[[int, str, bytes], "str | None"]  # id, address and body; why it was not taken, None if it was
TELLING = {"done", "failed", "paused"}
WEBHOOK, MAIL = "webhook", "mail"
TICK = 1.0  # seconds between looks
PATIENCE = 10.0  # seconds for the message under way as the server ends
LONGEST = 3600.0  # seconds between two tries
GIVE_UP = 3 * 86400.0  # seconds after which a message is left
TABLE = tables.deliveries
log = logging.getLogger("study.service")


def note(connection: Connection, run: dict[str, Any], ways: Collection[str]) -> None:
    """Write what is to be told of a run's new state, in its transaction: to the webhook, and to whose run it is."""
    if run["status"] not in TELLING or not ways:
        return
    data = {name: run[name] for name in ("id", "person", "question", "study", "status", "reason")}
    reason = f": {run['reason']}" if run["reason"] else ""
    text = f"{run['question']} {run['study']} of {run['person']} is {run['status']}{reason}"
    now = time.time()
    row = {"body": to_json({"text": text, "run": data, "time": now}), "made": now, "not_before": now}
    if WEBHOOK in ways:
        connection.execute(sa.insert(TABLE).values(**row, way=WEBHOOK))
    if MAIL in ways and (address := _address(connection, run["person"])):
        connection.execute(sa.insert(TABLE).values(**row, way=MAIL, address=address))


def _address(connection: Connection, person: str) -> str | None:
    """Give a person's e-mail address: their own, else an identity that is one."""
    who = tables.people
    row = connection.execute(sa.select(who.c.email, who.c.identity).where(who.c.name == person)).first()
    if row is None or row.email:
        return row.email if row else None
    return row.identity if row.identity and "@" in row.identity else None


class Notifier:
    """Sends what is to be told in one way, in a thread of its own.

    Args:
        database: of the service.
        way: `webhook` or `mail`.
        send: a message.

    """

    def __init__(self, database: Database, way: str, send: Sender) -> None:  # noqa: D107
        self._database, self.way, self._send = database, way, send
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=way, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the message under way."""
        self._over.set()
        self._thread.join(PATIENCE)

    def _loop(self) -> None:
        while not self._over.is_set():
            try:
                self.send_due()
            except SQLAlchemyError as error:
                log.warning("%s: the database does not answer: %s", self.way, type(error).__name__)
            self._over.wait(TICK)

    def send_due(self) -> int:
        """Send what is due; give the number of messages that were taken."""
        due = sa.select(TABLE).where(TABLE.c.delivered.is_(None), TABLE.c.not_before <= time.time())
        with self._database.read() as connection:
            chosen = due.where(TABLE.c.way == self.way).order_by(TABLE.c.id).limit(20)
            rows = connection.execute(chosen).all()
        taken = 0
        for row in rows:
            trouble = self._send(row.id, row.address or "", row.body.encode())
            to: dict[str, Any] = {"tries": row.tries + 1, "delivered": time.time()}
            if trouble is None:
                taken += 1
            elif time.time() - row.made < GIVE_UP:
                to |= {"delivered": None, "not_before": time.time() + min(LONGEST, 2.0 ** min(row.tries, 12))}
                log.warning("%s: message %d was not taken: %s; it is sent again", self.way, row.id, trouble)
            else:
                log.error("%s: message %d was not taken for three days and is left: %s", self.way, row.id, trouble)
            with self._database.write() as connection:
                connection.execute(sa.update(TABLE).where(TABLE.c.id == row.id).values(to))
        return taken
