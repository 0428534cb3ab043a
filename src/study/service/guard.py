"""What every request passes before any route: Host, origin, rate and size; and the headers that every answer gets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from study.service.client import split

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ADDRESSES = 10_000  # that are counted before old ones are forgotten
LARGEST_BODY = 1_000_000  # bytes
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
COOKIES = ("__Host-study", "study_session")  # over TLS, and on a plain address
LOGINS = ("/login", "/api/v1/login", "/invitation")
CALLBACK = "/sso"  # asks the provider of logins
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
RAW = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class Rate:
    """Counts requests by address in memory: so many at once, and as many again within a time.

    Args:
        most: requests at once.
        seconds: in which as many are allowed again.

    """

    def __init__(self, most: int, seconds: float) -> None:  # noqa: D107 - see the class
        self._most, self._seconds = float(most), seconds
        self._left: dict[str, tuple[float, float]] = {}  # requests that are left, and when that was so

    def allows(self, address: str) -> bool:
        """Count a request; tell whether it is one of those that are allowed."""
        now = time.monotonic()
        if len(self._left) >= ADDRESSES:  # those that may do everything again are forgotten
            self._left = {each: known for each, known in self._left.items() if now - known[1] < self._seconds}
        left, since = self._left.get(address, (self._most, now))
        left = min(self._most, left + (now - since) * self._most / self._seconds)
        self._left[address] = (left - 1 if left >= 1 else left, now)
        return left >= 1


class Guard:
    """Refuses what no route may see.

    Args:
        app: what is guarded.
        hosts: names by which the service may be addressed, without ports.
        per_second: requests of one address, on average.
        logins: tries to log in of one address, a minute.
        header: in which a proxy says who is logged in; a browser sends it as unasked as a cookie.

    """

    def __init__(  # noqa: D107 - see the class
        self, app: ASGIApp, hosts: Collection[str], per_second: int = 200, logins: int = 10, header: str = ""
    ) -> None:
        self._app, self._hosts, self._header = app, {*hosts}, header
        self._rate, self._login_rate = Rate(per_second, 1.0), Rate(logins, 60.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there are no web sockets

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in RAW if each[0] not in given)]
            await send(message)

        if refusal := self._refusal(scope):
            status, what = refusal
            kind = "unavailable" if status == 429 else "mistake"
            await JSONResponse({"kind": kind, "what": what, "fix": ""}, status)(scope, receive, sending)
        else:
            await self._app(scope, receive, sending)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or _name(host) not in self._hosts:
            return 400, "this service has another name; `study serve --host-name NAME` adds one"
        if (length := headers.get("content-length", "")).isdecimal() and int(length) > LARGEST_BODY:
            return 413, f"a request has at most {LARGEST_BODY:,} bytes"  # one without a length is refused as it is read
        if scope["method"] in UNSAFE and not is_same_site(headers, host, self._header):
            return 403, "refused: the request comes from another site"
        address = (scope.get("client") or ("?",))[0]
        if (scope["method"] in UNSAFE and scope["path"].startswith(LOGINS)) or scope["path"].startswith(CALLBACK):
            if not self._login_rate.allows(address):
                return 429, "too many tries to log in; wait a minute"
        elif not self._rate.allows(address):
            return 429, "too many requests; wait a second"
        return None


def is_same_site(headers: Headers, host: str, header: str = "") -> bool:
    """Tell whether an unsafe request comes from our own page, or from a program that sends no cookie by itself."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    if origin is not None:
        return split(origin).netloc == host
    sends_cookie = any(f"{name}=" in headers.get("cookie", "") for name in COOKIES)
    sends_cookie |= bool(header) and header in headers and "authorization" not in headers
    return site is not None or not sends_cookie  # browsers say where from


def _name(host: str) -> str:
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    return name.lower() if not port or port.isdigit() else ""
