"""Finds out who sends a request, and remembers it until anything is committed to the database, by whatever process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from study.service import people
from study.service.guard import COOKIES
from study.service.sign_on import SECRET_HEADER

if TYPE_CHECKING:
    from starlette.types import Scope

    from study.service.people import Person
    from study.service.sign_on import SignOn
    from study.service.store import Database


class Authentication:
    """Knows who sends a request.

    Args:
        database: of the service.
        sign_on: how people are known without a password of ours.

    """

    def __init__(self, database: Database, sign_on: SignOn) -> None:  # noqa: D107 - see the class
        self._database, self._sign_on = database, sign_on
        self._names = ("authorization", "cookie", *((sign_on.header, SECRET_HEADER) if sign_on.header else ()))
        self._people: dict[str, Person] = {}
        self._stamp: int | None = None  # of the database, of which `_people` tells

    async def who(self, scope: Scope) -> Person | None:
        """Find out who sends a request; None for nobody.

        Raises:
            Forbidden: a proxy says who it is, and nobody here is known so.

        """
        stamp = self._database.stamp()
        if stamp is None or stamp != self._stamp:
            self._people, self._stamp = {}, stamp
        sent = HTTPConnection(scope)
        said = (scope.get("scheme", "http"), *(sent.headers.get(name, "") for name in self._names))
        key = people.digest("\n".join(said))
        found = self._people.get(key)
        if found is None or found.until <= time.time():
            found = await run_in_threadpool(self._ask, sent)
            if found and stamp is not None and stamp == self._stamp:
                self._people[key] = found
        return found

    def _ask(self, sent: HTTPConnection) -> Person | None:
        scheme, _, token = sent.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return people.by_token(self._database, token.strip())
        if found := self._sign_on.by_header(self._database, sent.headers):
            return found
        if secret := sent.cookies.get(cookie_of(sent)):
            return people.by_session(self._database, secret)
        return None


def cookie_of(sent: HTTPConnection) -> str:
    """Name the cookie: over TLS one that no other host can set."""
    return COOKIES[0] if sent.scope.get("scheme") == "https" else COOKIES[1]
