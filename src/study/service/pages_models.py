"""The pages about models, comparing side by side, notes and machines."""

from __future__ import annotations

import os
import shutil
import socket
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from study import api
from study.environment import memory
from study.errors import InputError
from study.formatting import number as plain
from study.formatting import size
from study.schemas.models import ModelVersion
from study.schemas.service import NewNote, Promoted, Registering
from study.service import commands, curves, notes, queue, study_queries
from study.service.api_models import promoted, registered, rolled_back
from study.service.api_studies import home_of, require
from study.service.pages import Form, page
from study.service.web import person, role, router, service
from study.text import models as text

routes = router(include_in_schema=False)
READER, RUNNER = role("viewer"), role("runner")
MOST = 8  # that are compared side by side


@routes.get("/models", openapi_extra=READER)
def models(request: Request) -> Response:
    """Show registered models; the list itself comes when MLflow has answered."""
    return page(request, "models")


@routes.get("/parts/models", openapi_extra=READER)
def models_part(request: Request) -> Response:
    """List the versions of each model, the newest first, with what stands behind each."""
    found: dict[str, list[tuple[ModelVersion, str]]] = {}
    for each in commands.models(service(request).places):
        version = ModelVersion.model_validate(each)
        found.setdefault(version.model, []).insert(0, (version, text.scored(version)))
    return page(request, "part_models", models=found)


@routes.post("/studies/{study}/register", openapi_extra=RUNNER)
def register(request: Request, study: str, form: Form) -> Response:
    """Register the confirmed winner, or a trial."""
    trial = form.get("trial", "")
    if trial and not trial.isdecimal():
        raise InputError("a trial is a number")
    registered(request, Registering(study=study, trial=int(trial) if trial else None))
    return RedirectResponse("/models", 303)


@routes.post("/models/{model}/promote", openapi_extra=RUNNER)
def promote(request: Request, model: str, form: Form) -> Response:
    """Promote a version, which is tested against the champion; an admin may force it with a reason."""
    given = {name: form[name] for name in ("version", "reason") if form.get(name)}
    try:
        wanted = Promoted.model_validate(given | {"force": form.get("force") == "yes"}, strict=False)
    except ValidationError as error:
        raise InputError(error.errors()[0]["msg"], where="promote") from error
    promoted(request, model, wanted)
    return RedirectResponse("/models", 303)


@routes.post("/models/{model}/rollback", openapi_extra=RUNNER)
def rollback(request: Request, model: str) -> Response:
    """Make the previous champion the champion again."""
    rolled_back(request, model)
    return RedirectResponse("/models", 303)


@routes.post("/studies/{study}/notes", openapi_extra=RUNNER)
def note_study(request: Request, study: str, form: Form) -> Response:
    """Replace the note about a study."""
    return _note(request, study, None, form)


@routes.post("/studies/{study}/trials/{trial}/notes", openapi_extra=RUNNER)
def note_trial(request: Request, study: str, trial: int, form: Form) -> Response:
    """Replace the note about a trial."""
    return _note(request, study, trial, form)


def _note(request: Request, study: str, trial: int | None, form: dict[str, str]) -> Response:
    require(request, study, trial)
    try:
        wanted = NewNote(text=form.get("text", ""))
    except ValidationError as error:
        raise InputError("a note has at most 20,000 characters") from error
    notes.write(service(request).database, person(request), study, trial, wanted.text)
    return RedirectResponse(f"/studies/{study}" + ("" if trial is None else f"/trials/{trial}"), 303)


@routes.get("/compare", openapi_extra=READER)
def compare(
    request: Request,
    study: Annotated[list[str] | None, Query(max_length=50)] = None,
    trial: Annotated[list[str] | None, Query(max_length=50, description="STUDY:NUMBER")] = None,
) -> Response:
    """Show studies by their best trials, and trials, side by side: values, curves, and the knobs that differ."""
    database, home = service(request).database, service(request).places.home
    columns: list[dict[str, Any]] = []
    for name in study or ():
        seen = study_queries.overview(database, home_of(request, name) and home, name, 1)
        if seen["best"] is not None:
            columns.append({"title": name, "study": name, "number": seen["best"]["trial"], "counts": seen["counts"]})
    for chosen in trial or ():
        name, _, number = chosen.rpartition(":")
        if not number.isdecimal() or len(number) > 9:
            raise InputError(f"not a trial: {chosen[:60]!r}", fix="Write it as STUDY:NUMBER.")
        require(request, name, int(number))
        columns.append({"title": f"{name} {int(number)}", "study": name, "number": int(number), "counts": None})
    columns = columns[:MOST]
    for each in columns:
        each["record"] = api.show(each["study"], each["number"], home=home).record()
    metrics = {each["record"].metric for each in columns}
    lines = [
        (each["title"], [row[name] for row in each["record"].history if (name := each["record"].metric) in row])
        for each in columns
    ]
    knobs = sorted({name for each in columns for name in each["record"].recipe})
    differing = [name for name in knobs if len({repr(each["record"].recipe.get(name)) for each in columns}) > 1]
    alike = len({each["record"].judged_by for each in columns}) == 1
    written = columns[0]["record"].judged_by.value if alike else plain
    drawn = curves.draw(lines, " or ".join(sorted(metrics)), tell_apart=True, written=written)
    return page(request, "compare", columns=columns, knobs=differing, curves=drawn, mixed=len(metrics) > 1)


@routes.get("/machines", openapi_extra=READER)
def machines(request: Request) -> Response:
    """Show the machine of the service and the nodes of its cluster: what they have, and what runs."""
    here = service(request)
    running = [run for run in queue.waiting(here.database) if run.status == "running"]
    home = here.places.home
    disk = shutil.disk_usage(next(each for each in (home, *home.parents) if each.is_dir()))
    nodes = here.conductor.machines.nodes
    facts = {
        "Slots": f"{sum(run.slots for run in running)} of {here.conductor.machines.slots} busy",
        **({"A trial takes": here.conductor.machines.taken} if nodes is not None else {}),
        "Trains on": here.conductor.machines.named("auto"),
        "Cores": str(len(os.sched_getaffinity(0))),
        "Load of the last minute": f"{os.getloadavg()[0]:.1f}",
        "Memory": _memory(),
        "Disk of the results": f"{size(disk.free)} free of {size(disk.total)}",
    }
    return page(request, "machines", name=socket.gethostname(), facts=facts, running=running, nodes=nodes)


def _memory() -> str:
    found = memory()
    return f"{size(found[0])} free of {size(found[1])}" if found else "unknown"
