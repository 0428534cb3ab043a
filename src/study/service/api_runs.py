"""The API's runs and events: submit, list, move, follow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Header, Query, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from study.record import family
from study.schemas import Record
from study.schemas.service import LIVE, Page, Run, Submitted, Trouble, Wish
from study.service import queue, run_request
from study.service.errors import NoSuch
from study.service.hub import Told
from study.service.web import API, Admission, person, role, router, service

REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": Trouble, "description": what}
    for status, what in {
        400: "Wrong",
        401: "Not logged in",
        403: "Not allowed",
        404: "No such thing",
        409: "Not with what is there",
        429: "Too many requests",
    }.items()
}
routes = router(prefix=API, tags=["runs"], responses=REFUSED)
Limit = Annotated[int, Query(ge=1, le=500, description="entries at most")]
Cursor = Annotated[str | None, Query(pattern=r"^\d{1,18}$", description="`next` of the part before")]
LastEvent = Annotated[str | None, Header(alias="Last-Event-ID", description="continue after this event")]


def answer(record: Record, status: int = 200) -> Response:
    """Answer with a record as strict JSON."""
    return Response(record.to_json(), status, media_type="application/json")


@routes.post(
    "/runs", status_code=201, response_model=Run, openapi_extra=role("runner"),
    responses={200: {"model": Run, "description": "The run that was submitted with this key before"}},
)  # fmt: skip
def submit(
    request: Request,
    wanted: Submitted,
    idempotency_key: Annotated[str | None, Header(max_length=100, description="instead of `key`")] = None,
) -> Response:
    """Queue a run; 200 instead of 201 if its key was sent before."""
    here, who = service(request), person(request)
    if idempotency_key:
        wanted = wanted.model_copy(update={"key": idempotency_key})
    run_request.check_asked(wanted, who, set(family.studies(here.places.home)))
    run, new = queue.submit(here.database, who, wanted)
    return answer(run, 201 if new else 200)


@routes.get("/runs", response_model=Page[Run], openapi_extra=role("viewer"))
def list_runs(
    request: Request,
    cursor: Cursor = None,
    limit: Limit = 50,
    live: Annotated[bool, Query(description="only those that have not ended")] = False,  # noqa: FBT002 - a query's
    study: Annotated[str | None, Query(max_length=200, description="only those of this study")] = None,
) -> Response:
    """List the runs, the newest first."""
    before = int(cursor) if cursor else None
    runs, more = queue.listed(
        service(request).database, statuses=LIVE if live else (), before=before, limit=limit, study=study
    )
    return answer(Page[Run](items=runs, next=None if more is None else str(more)))


@routes.get("/queue", response_model=Page[Run], openapi_extra=role("viewer"))
def show_queue(request: Request) -> Response:
    """List the runs that wait or run, in the order in which they get slots."""
    return answer(Page[Run](items=queue.waiting(service(request).database), next=None))


@routes.get("/runs/{run}", response_model=Run, openapi_extra=role("viewer"))
def show_run(request: Request, run: str) -> Response:
    """Show a run."""
    return answer(found(request, run))


@routes.get("/runs/{run}/messages", response_class=PlainTextResponse, openapi_extra=role("viewer"))
def messages(request: Request, run: str) -> Response:
    """Give the last 100,000 bytes of what the command said."""
    file = service(request).conductor.run_folder(found(request, run).id) / "messages.log"
    content = file.read_bytes()[-100_000:] if file.exists() else b""
    return PlainTextResponse(content.decode("utf-8", "replace"))


@routes.put("/runs/{run}/priority", response_model=Run, openapi_extra=role("runner"))
def set_priority(request: Request, run: str, wanted: Wish) -> Response:
    """Change a run's priority in the queue."""
    return _moved(request, run, "priority", wanted.priority)


@routes.post("/runs/{run}/stop", response_model=Run, openapi_extra=role("runner"))
def stop(request: Request, run: str) -> Response:
    """Pause a run after its current epochs."""
    return _moved(request, run, "stop")


@routes.post("/runs/{run}/resume", response_model=Run, openapi_extra=role("runner"))
def resume(request: Request, run: str) -> Response:
    """Let a paused, failed or cancelled run go on."""
    return _moved(request, run, "resume")


@routes.post("/runs/{run}/cancel", response_model=Run, openapi_extra=role("runner"))
def cancel(request: Request, run: str) -> Response:
    """End a run; what it has trained is kept."""
    return _moved(request, run, "cancel")


def _moved(request: Request, run: str, verb: str, priority: int = 0) -> Response:
    moved = queue.wish(service(request).database, person(request), run, verb, priority)
    if moved is None:
        raise NoSuch(f"no run {run!r}")
    return answer(moved)


def found(request: Request, run: str) -> Run:
    """Find a run.

    Raises:
        NoSuch: there is none of this id.

    """
    known = queue.get(service(request).database, run)
    if known is None:
        raise NoSuch(f"no run {run!r}", fix="`study queue` lists them.")
    return known


class Events(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


def _events(request: Request, batches: AsyncIterator[list[Told]]) -> Response:
    """Send events until they end, or until whoever reads them may no longer."""
    admission = Admission(request, "viewer")

    async def sent() -> AsyncIterator[bytes]:
        async for batch in batches:
            if not await admission.holds():
                return
            yield b"".join(each.sent for each in batch) or b": ping\n\n"

    return Events(sent(), headers={"cache-control": "no-cache", "x-accel-buffering": "no"})  # of nginx


@routes.get("/runs/{run}/events", response_class=Events, openapi_extra=role("viewer"))
async def run_events(
    request: Request, run: str, last_event_id: LastEvent = None, after: Annotated[int, Query(ge=0)] = 0
) -> Response:
    """Follow a run and the studies that it writes, from its first event or after `Last-Event-ID`."""
    known = await run_in_threadpool(found, request, run)
    return _events(request, service(request).hub.follow(_after(last_event_id, after), (), known.id))


@routes.get("/events", response_class=Events, openapi_extra=role("viewer"))
async def events(
    request: Request,
    study: Annotated[list[str] | None, Query(max_length=20, description="only of these studies")] = None,
    last_event_id: LastEvent = None,
    after: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """Follow everything, or the trials of some studies; a restart of the server loses nothing."""
    return _events(request, service(request).hub.follow(_after(last_event_id, after), study or (), None))


def _after(last: str | None, after: int) -> int:
    return int(last) if last and last.isdigit() and len(last) < 19 else after
