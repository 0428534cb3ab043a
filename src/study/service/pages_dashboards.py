"""Optuna dashboard and MLflow behind our login: requests go on without cookie and token, answers get our policy.

Viewers read; what changes something is for admins and in the audit log. Optuna dashboard asks for its own paths at the
root, whatever it is mounted under; MLflow is below `/mlflow`. MLflow's searches are POST, and are named one by one.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import httpx2
from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from study.service.dashboards import PREFIX, Dashboard
from study.service.errors import NoSuch
from study.service.store import append_audit
from study.service.web import person, refuse, role, router, service
from study.tracking.pages import MODE

routes = router(include_in_schema=False)
READER, ADMIN = role("viewer"), role("admin")
CHANGES = ["POST", "PUT", "PATCH", "DELETE"]
PASSED_ON = ("accept", "accept-encoding", "content-type", "if-none-match", "if-modified-since", "range")
PASSED_BACK = (
    "content-type", "content-length", "content-encoding", "content-disposition", "content-range", "accept-ranges",
    "cache-control", "etag", "last-modified", "vary",
)  # fmt: skip
OWN = "default-src 'none'; font-src 'self' data:; connect-src 'self'; frame-ancestors 'self'; base-uri 'self'"
POLICIES = {  # of pages, scripts and workers; they set styles by script
    "optuna": (
        f"{OWN}; script-src 'self' 'unsafe-eval'; style-src 'self' data: 'unsafe-inline'; img-src 'self' data: blob:"
    ),
    "mlflow": (
        f"{OWN}; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; manifest-src 'self'; "
        "frame-src 'self' blob:; worker-src 'self' blob:; media-src 'self' blob:"
    ),
}
ASSISTANT = "/mlflow/assistant/"
DATA = "default-src 'none'; sandbox"  # of everything else: an artifact may be a page with scripts
PLAIN = re.compile(r"[\w.@~+,=:-]+(/[\w.@~+,=:-]+)*")
MLFLOWS = re.compile(
    r"|static-files/.+|get-artifact|model-versions/get-artifact|version|graphql|(ajax-)?api/[23]\.0/mlflow/.+"
)
# They run code, call other servers or hold their secrets; nothing here uses them.
NOBODYS = re.compile(
    r"(^|/)(assistant|gateway|gateway-proxy|invoke|jobs|prompt-optimization|demo|webhooks|workspaces)(/|$)"
)


@routes.get("/optuna", openapi_extra=READER)
def optuna() -> Response:
    """Lead to Optuna dashboard."""
    return RedirectResponse("/dashboard", 303)


@routes.get("/studies/{study}/optuna", openapi_extra=READER)
async def study_in_optuna(request: Request, study: str) -> Response:
    """Lead to a study's page in Optuna dashboard; to the list of studies if it is not there yet."""
    found = await _asked(request, "optuna", "/api/studies")
    if isinstance(found, Response):
        return found
    numbers = [each["study_id"] for each in found.get("study_summaries", []) if each["study_name"] == study]
    return RedirectResponse(f"/dashboard/studies/{numbers[0]}" if numbers else "/dashboard", 303)


@routes.get("/studies/{study}/mlflow", openapi_extra=READER)
async def study_in_mlflow(request: Request, study: str) -> Response:
    """Lead to a study's runs in MLflow; to the list of experiments if it is not there yet."""
    path = f"{PREFIX}/api/2.0/mlflow/experiments/get-by-name?experiment_name={quote(study, safe='')}"
    found = await _asked(request, "mlflow", path)
    if isinstance(found, Response):
        return found
    known = found.get("experiment", {}).get("experiment_id")
    return RedirectResponse(f"{PREFIX}/#/experiments" + (f"/{known}/runs" if known else "") + f"?{MODE}", 303)


@routes.get("/dashboard", openapi_extra=READER)
@routes.get("/dashboard/{path:path}", openapi_extra=READER)
@routes.get("/static/{path:path}", openapi_extra=READER)
@routes.get("/favicon.ico", openapi_extra=READER)
async def dashboard(request: Request) -> Response:
    """Give a page of Optuna dashboard's, or a part of one."""
    return await _passed_on(request, "optuna", POLICIES["optuna"])


@routes.get("/api/meta", openapi_extra=READER)
@routes.get("/api/studies", openapi_extra=READER)
@routes.get("/api/studies/{path:path}", openapi_extra=READER)
@routes.get("/csv/{path:path}", openapi_extra=READER)
async def read_optuna(request: Request) -> Response:
    """Give what Optuna dashboard shows."""
    return await _passed_on(request, "optuna", DATA)


@routes.api_route("/api/studies", methods=CHANGES, openapi_extra=ADMIN)
@routes.api_route("/api/studies/{path:path}", methods=CHANGES, openapi_extra=ADMIN)
@routes.api_route("/api/trials/{path:path}", methods=CHANGES, openapi_extra=ADMIN)
async def change_optuna(request: Request) -> Response:
    """Change something in Optuna's database."""
    return await _changed(request, "optuna")


@routes.get(PREFIX, openapi_extra=READER)
def mlflow() -> Response:
    """Lead to MLflow's page, whose own files are relative to it."""
    return RedirectResponse(f"{PREFIX}/", 303)


@routes.get(PREFIX + "/ajax-api/2.0/mlflow/gateway-proxy", openapi_extra=READER)
def no_gateway() -> Response:
    """Tell MLflow's page, which asks on every look, that there is no gateway."""
    return JSONResponse({"endpoints": []})


@routes.get(PREFIX + "/{path:path}", openapi_extra=READER)
async def read_mlflow(request: Request, path: str) -> Response:
    """Give a page of MLflow's, a file, or what it shows."""
    if ASSISTANT in path:  # which runs code; its page knows this refusal
        return JSONResponse({"detail": "The assistant is not reachable here."}, 403)
    _check_mlflow(path)
    shown = not path or path.startswith("static-files/")
    return await _passed_on(request, "mlflow", POLICIES["mlflow"] if shown else DATA)


@routes.post(PREFIX + "/graphql", openapi_extra=READER)
@routes.post(PREFIX + "/{api}/{version}/mlflow/experiments/search-datasets", openapi_extra=READER)
@routes.post(PREFIX + "/{api}/{version}/mlflow/{kind}/search", openapi_extra=READER)
async def search_mlflow(request: Request) -> Response:
    """Give what MLflow finds."""
    _check_mlflow(request.url.path.removeprefix(f"{PREFIX}/"))
    return await _passed_on(request, "mlflow", DATA)


@routes.api_route(PREFIX + "/{path:path}", methods=CHANGES, openapi_extra=ADMIN)
async def change_mlflow(request: Request, path: str) -> Response:
    """Change something in MLflow's database."""
    _check_mlflow(path)
    return await _changed(request, "mlflow")


def _check_mlflow(path: str) -> None:
    if not MLFLOWS.fullmatch(path) or NOBODYS.search(path):
        raise NoSuch("MLflow's pages have no such path here")


def _dashboard(request: Request, kind: str) -> Dashboard:
    known = service(request).dashboards.get(kind)
    if known is None:
        raise NoSuch("this server shows no such pages", fix="docs/service.md says which it shows.")
    return known


async def _changed(request: Request, kind: str) -> Response:
    """Pass a change on, and write in the audit log who asked for it."""
    _dashboard(request, kind)
    who, what = person(request).name, f"{request.method} {request.url.path}"

    def write() -> None:
        with service(request).database.write() as connection:
            append_audit(connection, who, kind, what)

    await run_in_threadpool(write)
    return await _passed_on(request, kind, DATA)


async def _passed_on(request: Request, kind: str, policy: str) -> Response:
    dashboard, path = _dashboard(request, kind), request.url.path
    if not PLAIN.fullmatch(path.strip("/") or "-") or {".", ".."} & {*path.split("/")}:
        raise NoSuch("no such path")
    headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    query = f"?{request.url.query}" if request.url.query else ""
    content = await request.body() if request.method in CHANGES else None
    answer = await _ask(request, dashboard, request.method, path + query, headers, content)
    if isinstance(answer, Response):
        return answer
    back = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
    back |= {"content-security-policy": policy, "x-frame-options": "SAMEORIGIN"}
    return StreamingResponse(answer.aiter_raw(), answer.status_code, back, background=BackgroundTask(answer.aclose))


async def _asked(request: Request, kind: str, path: str) -> dict[str, Any] | Response:
    answer = await _ask(request, _dashboard(request, kind), "GET", path, {}, None)
    if isinstance(answer, Response):
        return answer
    await answer.aread()
    return answer.json() if answer.status_code < 400 else {}


async def _ask(
    request: Request, dashboard: Dashboard, method: str, path: str, headers: dict[str, str], content: bytes | None
) -> httpx2.Response | Response:
    """Ask a dashboard; while it does not answer, say so on a page that asks again by itself."""
    trouble = await run_in_threadpool(dashboard.trouble)
    if not trouble:
        try:
            asked = dashboard.client.build_request(method, path, headers=headers, content=content)
            return await dashboard.client.send(asked, stream=True)
        except httpx2.TransportError as error:
            trouble = f"{dashboard.name} does not answer: {type(error).__name__}"
    refused = refuse(request, 503, trouble, "This page asks again by itself.")
    refused.headers["retry-after"] = "2"
    if request.method == "GET":
        refused.headers["refresh"] = "2"
    return refused
