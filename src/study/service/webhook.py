"""Tells another program when a run ends or waits for somebody: signed, tried again until it is taken, never blocking.

What is to be told is written in the transaction of the run's new state, so that a kill loses nothing; a message may
come twice, with the same id.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import logging
import ssl
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from study.errors import InputError
from study.formatting import to_json
from study.service import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from study.service.store import Database

TELLING = {"done", "failed", "paused"}
TIMEOUT = 10.0  # seconds for an answer
TICK = 1.0  # seconds between looks
LONGEST = 3600.0  # seconds between two tries
GIVE_UP = 3 * 86400.0  # seconds after which a message is left
TABLE = tables.deliveries
log = logging.getLogger("study")


def note(connection: Connection, run: dict[str, Any]) -> None:
    """Write what is to be told of a run's new state, in its transaction."""
    if run["status"] in TELLING:
        data = {name: run[name] for name in ("id", "person", "question", "study", "status", "reason")}
        reason = f": {run['reason']}" if run["reason"] else ""
        text = f"{run['question']} {run['study']} of {run['person']} is {run['status']}{reason}"
        now = time.time()
        row = {"body": to_json({"text": text, "run": data, "time": now}), "made": now, "not_before": now}
        connection.execute(sa.insert(TABLE).values(row))


def signature(secret: str, moment: str, body: bytes) -> str:
    """Sign a message: HMAC-SHA-256 of the moment, a full stop and the body, as hexadecimal digits."""
    return hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


class Webhook:
    """Sends what is to be told, in a thread of its own.

    Args:
        database: of the service.
        url: that takes the messages.
        secret: signs them; empty for no signature.

    """

    def __init__(self, database: Database, url: str, secret: str) -> None:  # noqa: D107 - see the class
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InputError("not the address of a webhook", where="--webhook", fix="Write it as https://HOST/PATH.")
        self._database, self._parts, self._secret = database, parts, secret
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="webhook", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the message under way."""
        self._over.set()
        self._thread.join(TIMEOUT)

    def _loop(self) -> None:
        while not self._over.is_set():
            try:
                self.send_due()
            except SQLAlchemyError as error:
                log.warning("webhook: the database does not answer: %s", type(error).__name__)
            self._over.wait(TICK)

    def send_due(self) -> int:
        """Send what is due; give the number of messages that were taken."""
        due = sa.select(TABLE).where(TABLE.c.delivered.is_(None), TABLE.c.not_before <= time.time())
        with self._database.read() as connection:
            rows = connection.execute(due.order_by(TABLE.c.id).limit(20)).all()
        taken = 0
        for row in rows:
            trouble = self._send(row.id, row.body.encode())
            to: dict[str, Any] = {"tries": row.tries + 1, "delivered": time.time()}
            if trouble is None:
                taken += 1
            elif time.time() - row.made < GIVE_UP:
                to |= {"delivered": None, "not_before": time.time() + min(LONGEST, 2.0 ** min(row.tries, 12))}
                log.warning("webhook: message %d was not taken: %s; it is sent again", row.id, trouble)
            else:
                log.error("webhook: message %d was not taken for three days and is left: %s", row.id, trouble)
            with self._database.write() as connection:
                connection.execute(sa.update(TABLE).where(TABLE.c.id == row.id).values(to))
        return taken

    def _send(self, identity: int, body: bytes) -> str | None:
        """Send a message; why it was not taken, None if it was. The address may be a secret and is never said."""
        moment, parts = str(int(time.time())), self._parts
        headers = {"Content-Type": "application/json", "Study-Message": str(identity), "Study-Time": moment}
        if self._secret:
            headers["Study-Signature"] = signature(self._secret, moment, body)
        host = parts.hostname or ""
        try:
            if parts.scheme == "https":
                made = http.client.HTTPSConnection(
                    host, parts.port, timeout=TIMEOUT, context=ssl.create_default_context()
                )
            else:
                made = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT)
            with closing(made) as connection:
                connection.request(
                    "POST", f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", body, headers
                )
                answer = connection.getresponse()
                answer.read(1000)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        return None if answer.status < 300 else f"HTTP {answer.status}"
