"""The pages about runs and studies, made on the server; a part of a page that changes is asked for again by htmx."""

from __future__ import annotations

import json
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, cast
from urllib.parse import parse_qsl

import jinja2
from fastapi import Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup, escape
from pydantic import ValidationError

from study import api
from study import request as reading
from study.errors import InputError, StudyError
from study.formatting import duration, knob, knobs, number
from study.record import family, results
from study.schemas.service import Submitted
from study.service import curves, describing, notes, queue, run_request, study_queries
from study.service.api_runs import found
from study.service.api_studies import home_of, require
from study.service.errors import NoSuch
from study.service.web import Reader, person, role, router, service
from study.study_files import available
from study.text import answers
from study.text.search import state
from study.text.table import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from study.schemas.service import Note, Run

routes = router(include_in_schema=False)
DONE = 286  # htmx's status that ends asking again
MOST = 200  # runs of a kind that a page shows
READER, RUNNER = role("viewer"), role("runner")
_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("study.service"), autoescape=True, undefined=jinja2.StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip
_filters = cast(dict[str, Any], _templates.filters)
_filters |= {"number": number, "knob": knob, "knobs": knobs, "duration": duration, "state": state}
_filters["coded"] = lambda text: Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped
_filters["when"] = lambda text: (text or "")[:16].replace("T", " ")


async def read_form(request: Request) -> dict[str, str]:
    """Read a form's fields; of one that is given twice the last."""
    content = (await request.body()).decode("utf-8", "replace")
    return dict(parse_qsl(content, keep_blank_values=True, max_num_fields=100))


Form = Annotated[dict[str, str], Depends(read_form)]


def page(request: Request, name: str, status: int = 200, /, **values: Any) -> Response:
    """Render a page; `me` is who is logged in, None for nobody."""
    found = getattr(request.state, "person", None)
    me = Reader(request, found) if found else None
    return HTMLResponse(
        _templates.get_template(f"{name}.html.j2").render(me=me, path=request.url.path, **values), status
    )


def error_page(request: Request, status: int, what: str, fix: str) -> Response:
    """Say on a page why something was refused."""
    return page(request, "error", status, what=what, fix=fix)


@routes.get("/", openapi_extra=READER)
def home(request: Request) -> Response:
    """Show what runs, what waits and why, what was answered last."""
    return page(request, "home", **_overview(request))


@routes.get("/parts/home", openapi_extra=READER)
def home_part(request: Request) -> Response:
    """Give the changing part of the home page."""
    return page(request, "part_home", **_overview(request))


def _overview(request: Request) -> dict[str, Any]:
    here = service(request)
    both = queue.waiting(here.database)
    return {
        "running": [(run, _standing(request, run)) for run in both if run.status == "running"],
        "queued": [run for run in both if run.status == "queued"][:MOST],
        "paused": queue.listed(here.database, statuses=["paused"], limit=MOST)[0],
        "answered": [(run, answer_of(here.places.home, run)) for run in queue.ended(here.database, 10)],
        "slots": here.conductor.machines.slots,
    }


def answer_of(home: Path, run: Run) -> str:
    """Say in a line what a run has found, or why it ended."""
    best = (run.answer or {}).get("best")
    if run.answer and run.question != "run":
        with suppress(ValidationError):  # a value that is not finite is null in JSON
            return answers.line(run.question, run.answer) or run.reason
    if not isinstance(best, dict) or best.get("value") is None:
        return run.reason
    try:
        metric = results.metric_of(family.journal(str((run.answer or {})["study"]), home))
    except (StudyError, KeyError):  # removed since
        return f"best {number(best['value'])}, trial {best['trial']}"
    return f"best {metric.name} {metric.value(best['value'])}, trial {best['trial']}"


def _standing(request: Request, run: Run) -> dict[str, Any]:
    """Say how far the study is that a run writes last."""
    if not run.studies:
        return {"text": "starting", "share": 0.0}
    here = service(request)
    study = run.studies[-1]
    done, paused = study_queries.finished(here.database, study), study_queries.paused(here.database, study)
    try:
        target = (family.journal(run.studies[-1], here.places.home).question("run") or {}).get("trials")
    except StudyError as error:
        return {"text": str(error), "share": 0.0}
    share = min(1.0, (done + paused) / target) if target else 0.0
    waiting = f" finished, {paused} paused" if paused else ""
    return {"text": f"{done} of {target or '?'} trials{waiting}", "share": share}


@routes.get("/queue", openapi_extra=READER)
def show_queue(request: Request) -> Response:
    """Show the queue, with what one may do to each run."""
    return page(request, "queue", **_queue(request))


@routes.get("/parts/queue", openapi_extra=READER)
def queue_part(request: Request) -> Response:
    """Give the table of the queue."""
    return page(request, "part_queue", **_queue(request))


def _queue(request: Request) -> dict[str, Any]:
    database = service(request).database
    paused, _ = queue.listed(database, statuses=["paused"], limit=MOST)
    both = enumerate(queue.waiting(database))
    return {"runs": [*(run for place, run in both if place < MOST or run.status == "running"), *paused]}


@routes.post("/queue/{run}/{verb}", openapi_extra=RUNNER)
def move(request: Request, run: str, verb: str, form: Form) -> Response:
    """Stop, resume, cancel or reorder a run from the page."""
    if verb not in {"stop", "resume", "cancel", "priority"}:
        raise NoSuch("no such thing to do")
    given = form.get("priority", "0")
    if not re.fullmatch(r"-?[0-9]{1,3}", given) or abs(int(given)) > 100:
        raise InputError("a priority is a number from -100 to 100")
    if queue.wish(service(request).database, person(request), run, verb, int(given)) is None:
        raise NoSuch(f"no run {run!r}")
    return RedirectResponse(f"/runs/{run}" if form.get("to") == "run" else "/queue", 303)


@routes.get("/runs/{run}", openapi_extra=READER)
def show_run(request: Request, run: str) -> Response:
    """Show a run: what was asked, how it stands, what it said."""
    return page(request, "run", **_run(request, run))


@routes.get("/parts/runs/{run}", openapi_extra=READER)
def run_part(request: Request, run: str) -> Response:
    """Give the changing part of a run's page."""
    shown = _run(request, run)
    return page(request, "part_run", 200 if shown["run"].status in {"queued", "running"} else DONE, **shown)


def _run(request: Request, run: str) -> dict[str, Any]:
    known = found(request, run)
    file = service(request).conductor.run_folder(known.id) / "messages.log"
    said = file.read_bytes()[-20_000:].decode("utf-8", "replace") if file.exists() else ""
    standing = _standing(request, known) if known.status == "running" else None
    found_out = answer_of(service(request).places.home, known)
    return {"run": known, "said": said, "standing": standing, "found": found_out, "answer": _answer(known)}


def _answer(run: Run) -> str:
    """Write what a run has answered, as its command would; empty without an answer."""
    if not run.answer:
        return ""
    try:
        return text_of(answers.blocks(run.question, run.answer))
    except ValidationError:  # a value that is not finite is null in JSON
        return json.dumps(run.answer, indent=2)


@routes.get("/studies", openapi_extra=READER)
def studies(request: Request) -> Response:
    """List the studies."""
    found, others = study_queries.listed(service(request).database, service(request).places.home)
    return page(request, "studies", studies=found, others=others)


@routes.get("/studies/{study}", openapi_extra=READER)
def show_study(request: Request, study: str) -> Response:
    """Show a study: curves, trials, remarks, the way to its report."""
    return page(request, "study", note=_note(request, study), **_study(request, study))


@routes.get("/parts/studies/{study}", openapi_extra=READER)
def study_part(request: Request, study: str) -> Response:
    """Give the changing part of a study's page."""
    shown = _study(request, study)
    return page(request, "part_study", 200 if shown["runs_now"] else DONE, **shown)


@routes.get("/parts/studies/{study}/remarks", openapi_extra=READER)
def study_remarks(request: Request, study: str) -> Response:
    """Say what a search says of itself; all its trials are read for that."""
    return page(request, "part_remarks", remarks=api.show(study, top=1, home=home_of(request, study)).record().remarks)


def _note(request: Request, study: str, trial: int | None = None) -> Note:
    return notes.read(service(request).database, study, trial)


def _study(request: Request, study: str) -> dict[str, Any]:
    home, database = home_of(request, study), service(request).database
    seen = study_queries.overview(database, home, study)
    best = f"trial {seen['best']['trial']}" if seen["best"] else ""
    made = [each.folder.name for each in family.Family.of(study, home).all() if each.definition() is not None]
    drawn = [(f"trial {number}", values) for number, values in seen["curves"].items()]
    return {
        "study": seen, "metric": seen["metric"], "made": made,
        "runs_now": family.held_by(family.journal(study, home)) is not None,
        "curves": curves.draw(drawn, seen["metric"].name, best, written=seen["metric"].value),
    }  # fmt: skip


@routes.get("/studies/{study}/trials/{trial}", openapi_extra=READER)
def show_trial(request: Request, study: str, trial: int) -> Response:
    """Show a trial: its knobs, its epochs, what it found."""
    home = require(request, study, trial)
    record = api.show(study, trial, home=home).record()
    values = [row[record.metric] for row in record.history if record.metric in row]
    name, written = f"trial {trial}", record.judged_by.value
    drawn = curves.draw([(name, values)], record.metric, name, written=written)
    return page(
        request, "trial", trial=record, metric=record.judged_by, curves=drawn, note=_note(request, study, trial)
    )


@routes.get("/start", openapi_extra=RUNNER)
def start(request: Request, study: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Show the form that starts a search from an installed study."""
    return page(request, "start", **_form({"study": study or "", "question": "run", "trials": "20"}))


def _form(given: Mapping[str, str], trouble: str = "") -> dict[str, Any]:
    empty = dict.fromkeys(("study", "question", "trials", "workers", "fixed"), "")
    key = {"key": secrets.token_hex(16)}  # whatever a browser sends twice is one run
    return {"given": {**empty, **key, **given}, "installed": sorted(available()), "trouble": trouble}


@routes.post("/start/check", openapi_extra=RUNNER)
def check(request: Request, form: Form) -> Response:
    """Say while one types what is wrong with the form."""
    try:
        wanted = _wanted(form)
        described = describing.describe(wanted.study, service(request).places)
        run_request.check_asked(wanted, person(request), set())
    except StudyError as error:
        return page(request, "part_check", trouble=str(error), described=None)
    trouble = describing.check_knobs(described, wanted.fixed)
    return page(request, "part_check", trouble=trouble, described=described)


@routes.post("/start", openapi_extra=RUNNER)
def submit(request: Request, form: Form) -> Response:
    """Queue what the form asks for."""
    here = service(request)
    try:
        wanted = _wanted(form)
        run_request.check_asked(wanted, person(request), set(family.studies(here.places.home)))
        if trouble := describing.check_knobs(describing.describe(wanted.study, here.places), wanted.fixed):
            raise InputError(trouble)
        run, _ = queue.submit(here.database, person(request), wanted)
    except StudyError as error:
        again = {name: value for name, value in form.items() if name != "key"}  # what is changed is another run
        return page(request, "start", 400, **_form(again, str(error)))
    return RedirectResponse(f"/runs/{run.id}", 303)


def _wanted(form: Mapping[str, str]) -> Submitted:
    """Read the form.

    Raises:
        InputError: which field is wrong.

    """
    fixed = reading.overrides([line for line in form.get("fixed", "").splitlines() if line.strip()])
    given = {name: form[name] for name in ("question", "study", "trials", "workers", "key") if form.get(name)}
    if given.get("question", "run") != "run":
        given.pop("trials", None)
    try:
        return Submitted.model_validate(given | ({"fixed": fixed} if fixed else {}), strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        where = {"workers": "trials at a time"}.get(field := str(first["loc"][0] if first["loc"] else "form"), field)
        raise InputError(first["msg"].replace("Input should be", "must be"), where=where) from error
