"""Keeps what a GET was answered for a second, so that a hundred people who look at one page cost one page.

Each request says anew who asks (`authentication`). An answer is given again only to somebody of the same role; one that
names who asked (`Reader`, `web.person`), only to the same person. Every write of this process drops all answers, but
those of the `Follower`, which tell what trials did and no person.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers

from study.service.errors import Forbidden
from study.service.guard import UNSAFE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from study.service.web import Service

AGE = 1.0  # seconds for which an answer is given again
MOST = 32_000_000  # bytes of answers, after which all are dropped
VARY = ("accept", "hx-request")  # headers by which answers differ
KINDS = (b"text/html", b"application/json")
ONCE = {b"set-cookie", b"content-disposition"}  # headers of answers that are for one time


class ResponseCache:
    """Answers a GET as it was answered within the last second, if whoever asks may have that answer.

    Args:
        app: makes the answers.
        given: the service, which knows who asks, and whose database's writes drop the answers.

    """

    def __init__(self, app: ASGIApp, given: Service) -> None:  # noqa: D107 - see the class
        self.app, self._given = app, given
        self._kept: dict[tuple[object, ...], tuple[float, Message, Message]] = {}
        self._bytes, self._state = 0, object()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, self._dropping(scope, send))
            return
        headers, began, state = Headers(scope=scope), time.monotonic(), self._now()
        key = (scope["scheme"], scope["path"], scope["query_string"], *(headers.get(name) for name in VARY))
        asked: dict[str, Any] = scope.setdefault("state", {})  # that of the request
        with suppress(Forbidden, SQLAlchemyError):  # which the route says
            asked["who"] = await self._given.authentication.who(scope)
        person = asked.get("who")
        for whose in (person.role, person) if person else ():
            since, *messages = self._kept.get((whose, *key), (0.0,))
            if messages and began - since < AGE:
                for message in messages:
                    await send({**message})
                return
        start: Message = {}

        async def keeping(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = {**message} if _may_be_kept(message) else {}
            elif start and not message.get("more_body") and (who := asked.get("person")) and state is self._now():
                self._keep((who if asked.get("personal") else who.role, *key), began, start, message)
            else:
                start = {}  # it comes in parts
            await send(message)

        await self.app(scope, receive, keeping)

    def _dropping(self, scope: Scope, send: Send) -> Send:
        """Drop all answers before that to a change is sent: whoever made it sees it in the next request."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["method"] in UNSAFE:
                self._given.database.drop()
            await send(message)

        return sending

    def _now(self) -> object:
        """Give the state of the database, and forget the answers of another one."""
        if self._state is not (state := self._given.database.state):
            self._kept, self._bytes, self._state = {}, 0, state
        return self._state

    def _keep(self, key: tuple[object, ...], began: float, start: Message, body: Message) -> None:
        self._bytes += 1000 + len(body.get("body", b""))
        if self._bytes > MOST:
            self._kept, self._bytes = {}, 0
        else:
            self._kept[key] = (began, start, {**body})


def _may_be_kept(start: Message) -> bool:
    """Tell whether an answer is a page or a record: no error, no login, no download, no stream."""
    headers = dict(start["headers"])
    return start["status"] == 200 and headers.get(b"content-type", b"").startswith(KINDS) and not ONCE & {*headers}
