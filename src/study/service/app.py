"""The web application: its routes, how errors are answered, health, metrics and the API's description."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import prometheus_client
import sqlalchemy as sa
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from study.environment import DISTRIBUTION
from study.errors import InputError, StudyError, Undecided
from study.formatting import without_password
from study.service import (
    api_models,
    api_people,
    api_runs,
    api_studies,
    pages,
    pages_dashboards,
    pages_models,
    pages_people,
    pages_sign_on,
    tables,
)
from study.service.errors import Conflict, Forbidden, NoSuch, Refused
from study.service.guard import LARGEST_BODY, Guard
from study.service.response_cache import ResponseCache
from study.service.web import ANYONE, API, Guarded, refuse, role, router, service

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection

    from starlette.types import ASGIApp

    from study.service.web import Service

SILENT = 30.0  # seconds without a look at the queue, after which the service is not ready
ASSETS = {"htmx.min.js": "text/javascript", "page.js": "text/javascript", "style.css": "text/css"}
own = router()
log = logging.getLogger("study.service")


def make(
    given: Service, hosts: Collection[str], *, per_second: int = 200, logins: int = 10, header: str = ""
) -> ASGIApp:
    """Make the application.

    Args:
        given: what the routes work with.
        hosts: names by which it may be addressed.
        per_second: requests of one address, on average.
        logins: tries to log in of one address, a minute.
        header: in which a proxy says who is logged in; empty for none.

    """
    app = FastAPI(title="study", version=version(DISTRIBUTION), openapi_url=None, docs_url=None, redoc_url=None,
                  lifespan=_lifespan)  # fmt: skip
    app.state.service = given
    for each in (
        api_runs,
        api_studies,
        api_models,
        api_people,
        pages,
        pages_models,
        pages_people,
        pages_dashboards,
        pages_sign_on,
    ):
        app.include_router(each.routes)
    app.include_router(own)
    app.add_exception_handler(StudyError, _wrong)
    app.add_exception_handler(SQLAlchemyError, _away)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _fault)
    return Guard(ResponseCache(RequestBodyLimitMiddleware(app, LARGEST_BODY), given), hosts, per_second, logins, header)


def guarded_routes(app: FastAPI) -> list[Guarded]:
    """List the routes, each with its role.

    Raises:
        AssertionError: one of them lets everybody in, as it is no `Guarded` one.

    """
    found: list[Guarded] = []
    for each in iter_route_contexts(app.routes):
        route: Any = each.original_route
        assert isinstance(route, Guarded), route
        found.append(route)
    return found


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    given: Service = app.state.service
    task = asyncio.create_task(given.hub.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])  # which raises nothing: whatever ended it keeps no dashboard open
        for each in given.dashboards.values():
            await each.client.aclose()


@own.get("/healthz", openapi_extra=role(ANYONE), response_class=PlainTextResponse, tags=["health"])
def healthz() -> Response:
    """Say that the process answers."""
    return PlainTextResponse("ok")


@own.get(
    "/readyz",
    openapi_extra=role(ANYONE),
    response_class=PlainTextResponse,
    tags=["health"],
    responses={503: {"description": "Not ready"}},
)
def readyz(request: Request) -> Response:
    """Say whether the database answers and the queue is looked at."""
    here = service(request)
    with here.database.read() as connection:
        connection.execute(sa.text("SELECT 1"))
    if time.monotonic() - here.conductor.heard > SILENT:
        return PlainTextResponse("the queue is not looked at", 503)
    if time.monotonic() - here.hub.heard > SILENT:
        return PlainTextResponse("events are not read", 503)
    return PlainTextResponse("ok")


@own.get("/metrics", openapi_extra=role("viewer"), response_class=PlainTextResponse, tags=["health"])
def metrics(request: Request) -> Response:
    """Give the queue's and the process's figures for Prometheus, which comes with a viewer's token."""
    here = service(request)
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=registry)
    runs = prometheus_client.Gauge("study_runs", "Runs by status", ["status"], registry=registry)
    slots = prometheus_client.Gauge("study_slots", "Slots of this machine", ["use"], registry=registry)
    hours = prometheus_client.Gauge(
        "study_slot_seconds", "Slot-seconds used", ["person", "month", "device"], registry=registry
    )
    table, used = tables.runs, tables.usage
    with here.database.read() as connection:
        counts = sa.select(table.c.status, sa.func.count(), sa.func.sum(table.c.slots)).group_by(table.c.status)
        for status, count, _ in (rows := connection.execute(counts).all()):
            runs.labels(status).set(count)
        for row in connection.execute(sa.select(used)):
            hours.labels(row.person, row.month, row.device).set(row.slot_seconds)
    busy = sum(total or 0 for status, _, total in rows if status == "running")
    slots.labels("busy").set(busy)
    slots.labels("free").set(max(0, here.conductor.machines.slots - busy))
    return Response(prometheus_client.generate_latest(registry), media_type=prometheus_client.CONTENT_TYPE_LATEST)


@own.get(f"{API}/openapi.json", openapi_extra=role("viewer"), tags=["health"])
def openapi(request: Request) -> Response:
    """Describe the API in OpenAPI."""
    return JSONResponse(description(request.app))


def description(app: FastAPI) -> dict[str, Any]:
    """Describe the API in OpenAPI: the routes below `/api/v1` and those of health; `x-role` is the least role."""
    made = get_openapi(title="study", version=version(DISTRIBUTION), routes=app.routes)
    made["paths"] = {
        path: each for path, each in made["paths"].items() if path.startswith((API, "/healthz", "/readyz"))
    }
    for operation in (each for path in made["paths"].values() for each in path.values()):
        if operation.get("x-role") == ANYONE:
            operation["security"] = []
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and "content" in answer:  # whatever the route answers else
                answer["content"] = {"application/json": next(iter(answer["content"].values()))}
    for schema in made["components"]["schemas"].values():
        for each in schema.get("properties", {}).values():
            if each.get("additionalProperties") == {"type": "number"}:  # NaN and infinity are null
                each["additionalProperties"] = {"type": ["number", "null"]}
    made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"token": []}]
    return made


@own.get("/assets/{name}", openapi_extra=role(ANYONE), include_in_schema=False)
def asset(name: str) -> Response:
    """Give a file of ours."""
    if name not in ASSETS:
        raise NoSuch("no such file")
    content = (files("study.service") / "static" / name).read_bytes()
    if name == "style.css":  # the report's own style comes first
        content = (files("study.report") / "templates" / name).read_bytes() + content
    return Response(content, media_type=ASSETS[name], headers={"cache-control": "max-age=3600"})


async def _wrong(request: Request, error: Exception) -> Response:
    assert isinstance(error, StudyError)
    kinds = {NoSuch: 404, Forbidden: 403, Conflict: 409, InputError: 400, Undecided: 422, Refused: 409}
    status = next((code for kind, code in kinds.items() if isinstance(error, kind)), 500)
    what = f"{error.where}: {error.what}" if error.where and status == 400 else error.what
    return refuse(request, status, what, error.fix, "mistake" if isinstance(error, InputError) else None)


async def _away(request: Request, _error: Exception) -> Response:
    return refuse(request, 503, "the database does not answer", "Try again.")


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = [f"{'.'.join(str(part) for part in each['loc'][1:])}: {each['msg']}" for each in error.errors()[:3]]
    return refuse(request, 400, "; ".join(said))


async def _fault(request: Request, error: Exception) -> Response:
    log.error("%s %s: %s", request.method, request.url.path, without_password(f"{type(error).__name__}: {error}"))
    return refuse(request, 500, "the service failed; its log says more")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refused = refuse(request, error.status_code, str(error.detail))
    if error.status_code == 405:  # by all routes of this path; Starlette names those of one
        of_path = [each for each in guarded_routes(request.app) if each.path_regex.match(request.url.path)]
        refused.headers["allow"] = ", ".join(sorted({method for each in of_path for method in each.methods or ()}))
    return refused
