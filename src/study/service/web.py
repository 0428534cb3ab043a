"""Routes that deny by default: each names the least role that may use it, and is refused before its body is read."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError

from study.schemas.service import Trouble, TroubleKind
from study.service.authentication import Authentication
from study.service.errors import Forbidden
from study.service.people import ROLES, Person
from study.service.sign_on import SignOn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from fastapi import Request

    from study.service.conductor import Conductor
    from study.service.dashboards import Dashboard
    from study.service.hub import Hub
    from study.service.store import Database
    from study.settings import Settings

ANYONE = "anyone"
RECHECK = 5.0  # seconds for which a stream is read on without asking again who reads
API = "/api/v1"
LONGEST_WAY = 500  # characters of the path to which a login leads back


@dataclass(slots=True)
class Service:
    """What the routes work with.

    Args:
        database: of the service.
        places: where results are.
        conductor: runs the queue.
        hub: tells clients of new events.
        public: address under which people reach the service.
        dashboards: servers whose pages are shown behind our login, by their kind: optuna, mlflow.
        sign_on: how people are known without a password of ours.

    """

    database: Database
    places: Settings
    conductor: Conductor
    hub: Hub
    public: str = ""
    dashboards: Mapping[str, Dashboard] = field(default_factory=dict[str, "Dashboard"])
    sign_on: SignOn = field(default_factory=SignOn)
    authentication: Authentication = field(init=False)

    def __post_init__(self) -> None:
        """Begin to remember who asks."""
        self.authentication = Authentication(self.database, self.sign_on)


def role(least: str) -> dict[str, Any]:
    """Say which role a route needs; shown in the API's description, too."""
    assert least in {ANYONE, *ROLES}
    return {"x-role": least}


class Guarded(APIRoute):
    """A route that refuses whoever has not the role that it names; one that names none refuses everybody."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler, which reads the body first."""
        handle = super().get_route_handler()
        least = (self.openapi_extra or {}).get("x-role")

        async def guarded(request: Request) -> Response:
            refused = await _admit(request, least)
            return refused or await handle(request)

        return guarded


def router(**more: Any) -> APIRouter:
    """Make a router whose routes deny by default."""
    return APIRouter(route_class=Guarded, **more)


def service(request: Request) -> Service:
    """Give what the routes work with."""
    return cast(Service, request.app.state.service)


def person(request: Request) -> Person:
    """Give who is logged in; only for routes that need a role. The answer is then this person's alone."""
    found, request.state.personal = request.state.person, True
    assert isinstance(found, Person)
    return found


class Reader:
    """Whoever reads a page: what is the same for all of a role may be shown to all of them, unless it has the name."""

    def __init__(self, request: Request, found: Person) -> None:
        """Keep who it is."""
        self._request, self.role, self.may = request, found.role, found.may

    @property
    def name(self) -> str:
        """The person's."""
        return person(self._request).name


async def _admit(request: Request, least: str | None) -> Response | None:
    """Find out who asks, and refuse whoever may not; None for those who may."""
    request.state.person = None
    try:
        request.state.person = found = await _identify(request)
    except Forbidden as error:
        if least != ANYONE:
            return refuse(request, 403, error.what, error.fix)
        found = None
    if least == ANYONE or (least is not None and found is not None and found.may(least)):
        return None
    if found is None:
        return refuse(request, 401, "not logged in", "`study login` gives a token; a browser logs in at /login.")
    need = f"this needs the role {least}, and yours is {found.role}" if least else "nobody may do this"
    return refuse(request, 403, need, "Ask an admin.")


class Admission:
    """Asks again, while a stream goes on, whether its reader may still read: tokens are revoked, sessions end."""

    def __init__(self, request: Request, least: str) -> None:
        """Keep who asked; that they may was just found out."""
        self._request, self._least, self._checked = request, least, time.monotonic()

    async def holds(self) -> bool:
        """Tell whether the reader may go on, as it was found out at most `RECHECK` seconds ago."""
        if time.monotonic() - self._checked > RECHECK:
            self._checked = time.monotonic()
            try:
                found = await _identify(self._request)
            except (Forbidden, SQLAlchemyError):
                return False
            return found is not None and found.may(self._least)
        return True


async def _identify(request: Request) -> Person | None:
    """Find out who asks, unless `response_cache` just did; None for nobody. Raises as `Authentication.who`."""
    if "who" in request.scope.get("state", {}):
        return request.scope["state"].pop("who")
    return await service(request).authentication.who(request.scope)


def trouble(status: int, what: str, fix: str = "", kind: TroubleKind | None = None) -> dict[str, str]:
    """Describe an error for programs; its kind follows from the status, unless it is given."""
    usual: dict[int, TroubleKind] = {409: "refused", 422: "undecided", 429: "unavailable", 503: "unavailable"}
    return Trouble(kind=kind or usual.get(status, "fault" if status >= 500 else "mistake"), what=what, fix=fix).plain()


def _back(request: Request) -> str:
    """Give the path to which a login leads back: the home page instead of a form's address and of a part of a page."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    can = request.method == "GET" and len(path) <= LONGEST_WAY and not path.startswith("/parts/")
    return path if can else "/"


def refuse(request: Request, status: int, what: str, fix: str = "", kind: TroubleKind | None = None) -> Response:
    """Answer with an error: JSON for programs, a page or the way to the login for people."""
    path = request.url.path
    if path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
        return JSONResponse(trouble(status, what, fix, kind), status, headers)
    if status == 401:
        return RedirectResponse(f"/login?to={quote(_back(request), safe='')}", 303)
    from study.service.pages import error_page  # noqa: PLC0415 - the pages import this module

    return error_page(request, status, what, fix)
