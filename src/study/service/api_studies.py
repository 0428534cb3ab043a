"""The API's studies: what the folders tell, in the records that `--json` prints; nothing is trained here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from study import api
from study.record import family
from study.schemas.insight import Importance, Pruning
from study.schemas.search import Overview
from study.schemas.service import NewNote, Note, Page
from study.schemas.studies import ListedStudy
from study.schemas.trial import RepeatableRecipe, Trial, TrialDetails
from study.service import notes
from study.service.api_runs import REFUSED, Cursor, Limit, answer
from study.service.errors import NoSuch
from study.service.web import API, person, role, router, service

if TYPE_CHECKING:
    from pathlib import Path

routes = router(prefix=API, tags=["studies"], responses=REFUSED)
READER = role("viewer")
NotedTrial = Annotated[int | None, Query(ge=0, description="number of a trial; the study itself if unset")]
REPORT_CSP = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; frame-ancestors 'self'"
)


def home_of(request: Request, study: str) -> Path:
    """Give the home folder, once it is known that it has results of the study.

    Raises:
        NoSuch: it has none.

    """
    home = service(request).places.home
    if study not in family.studies(home):
        raise NoSuch(f"no results of a study {study!r}", fix="The list of studies has their names.")
    return home


class Csv(PlainTextResponse):
    """A table."""

    media_type = "text/csv"


@routes.get("/studies", response_model=Page[ListedStudy], openapi_extra=READER)
def list_studies(request: Request, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """List the studies that can be run or have results; a study's file is named without its folder."""
    listed = list(api.list_studies(home=service(request).places.home))
    start = int(cursor) if cursor else 0
    part = [each.model_copy(update={"file": each.file and each.study}) for each in listed[start : start + limit]]
    more = str(start + limit) if start + limit < len(listed) else None
    return answer(Page[ListedStudy](items=part, next=more))


@routes.get("/studies/{study}", response_model=Overview, openapi_extra=READER)
def show_study(
    request: Request,
    study: str,
    sort_by: Annotated[str | None, Query(max_length=100, description="as `--sort-by`")] = None,
    top: Annotated[int | None, Query(ge=1, description="only the first trials")] = None,
) -> Response:
    """Show a study with its trials."""
    return answer(api.show(study, sort_by=sort_by, top=top, home=home_of(request, study)).record())


@routes.get("/studies/{study}/trials", response_model=Page[Trial], openapi_extra=READER)
def list_trials(request: Request, study: str, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """List a study's trials by number."""
    from study.record import results  # noqa: PLC0415 - its functions are named as ours

    journal = family.journal(study, home_of(request, study))
    start = int(cursor) if cursor else 0
    folders = [each for each in journal.trials() if each.number >= start]
    read = [results.whole(each) for each in folders[:limit]]
    more = str(folders[limit].number) if len(folders) > limit else None
    return answer(Page[Trial](items=[each.row.record() for each in read if each], next=more))


@routes.get("/studies/{study}/trials/{trial}", response_model=TrialDetails, openapi_extra=READER)
def show_trial(request: Request, study: str, trial: int) -> Response:
    """Show a trial with all its epochs; its folder is named from the home folder on."""
    home = require(request, study, trial)
    record = api.show(study, trial, home=home).record()
    return answer(record.model_copy(update={"folder": f"studies/{study}/trials/{trial:05d}"}))


@routes.get("/studies/{study}/trials/{trial}/epochs", response_model=Page[dict[str, Any]], openapi_extra=READER)
def list_epochs(request: Request, study: str, trial: int, cursor: Cursor = None, limit: Limit = 500) -> Response:
    """List a trial's epochs: `epoch`, its metrics and `seconds`."""
    home = require(request, study, trial)
    epochs = api.show(study, trial, home=home).record().history
    start = int(cursor) if cursor else 0
    more = str(start + limit) if start + limit < len(epochs) else None
    return answer(Page[dict[str, Any]](items=epochs[start : start + limit], next=more))


@routes.get("/studies/{study}/standing", response_model=dict[str, int | None], openapi_extra=READER)
def standing(request: Request, study: str) -> Response:
    """Tell a search's `target` of finished trials, and the `epochs` of a full-length trial; null if unknown."""
    journal = family.journal(study, home_of(request, study))
    target = (journal.question("run") or {}).get("trials")
    epochs = ((journal.definition() or {}).get("recipe") or {}).get("epochs")
    return JSONResponse({"target": target, "epochs": epochs if isinstance(epochs, int) else None})


@routes.get("/studies/{study}/best", response_model=RepeatableRecipe, openapi_extra=READER)
def best(request: Request, study: str) -> Response:
    """Give the best trial's recipe, for `study run --recipe`."""
    return answer(api.best(study, home=home_of(request, study)))


@routes.get("/studies/{study}/importance", response_model=Importance, openapi_extra=READER)
def importance(request: Request, study: str) -> Response:
    """Say which knobs mattered."""
    return answer(api.importance(study, home=home_of(request, study)).record())


@routes.get("/studies/{study}/pruning", response_model=Pruning, openapi_extra=READER)
def pruning(request: Request, study: str) -> Response:
    """Say what pruning saved and what it lost."""
    return answer(api.pruning(study, home=home_of(request, study)).record())


@routes.get("/studies/{study}/trials.csv", response_class=Csv, openapi_extra=READER)
def export(request: Request, study: str, epochs: bool = False) -> Response:  # noqa: FBT001, FBT002 - a query's
    """Give the trials as CSV, or a row for each epoch."""
    table = api.export(study, per_epoch=epochs, home=home_of(request, study))
    return Csv(table.to_csv())


@routes.get("/studies/{study}/report", response_class=HTMLResponse, openapi_extra=READER)
def report(request: Request, study: str) -> Response:
    """Make the study's report as one HTML page, which may run its own scripts and nothing else."""
    from study.report import found, page  # noqa: PLC0415 - Optuna and matplotlib

    home_of(request, study)
    known = found.read(study, service(request).places)
    content = page.page(known, page.sections(known)).encode(errors="backslashreplace")
    return HTMLResponse(content, headers={"content-security-policy": REPORT_CSP, "x-frame-options": "SAMEORIGIN"})


@routes.get("/studies/{study}/notes", response_model=Note, openapi_extra=READER)
def show_note(request: Request, study: str, trial: NotedTrial = None) -> Response:
    """Give the note about a study, or about one of its trials."""
    require(request, study, trial)
    return answer(notes.read(service(request).database, study, trial))


@routes.put("/studies/{study}/notes", response_model=Note, openapi_extra=role("runner"))
def write_note(request: Request, study: str, wanted: NewNote, trial: NotedTrial = None) -> Response:
    """Replace the note about a study, or about one of its trials."""
    require(request, study, trial)
    notes.write(service(request).database, person(request), study, trial, wanted.text)
    return answer(notes.read(service(request).database, study, trial))


def require(request: Request, study: str, trial: int | None) -> Path:
    """Give the home folder, once it is known that it has the study, and the trial if one is given.

    Raises:
        NoSuch: it has not.

    """
    home = home_of(request, study)
    if trial is not None and not family.journal(study, home).trial(trial).path.is_dir():
        raise NoSuch(f"no trial {trial} of {study}")
    return home
