"""The API's registered models: list, register, promote, roll back; each is the command of that name."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response

from study.schemas.models import ModelVersion, Promotion, RegisteredVersion
from study.schemas.service import Page, Promoted, Registering, Trouble
from study.service import commands
from study.service.api_runs import REFUSED, answer
from study.service.api_studies import home_of
from study.service.errors import Forbidden, NoSuch
from study.service.store import append_audit
from study.service.web import API, person, role, router, service

ALSO = {
    409: {"model": Trouble, "description": "Refused"},
    422: {"model": Trouble, "description": "Too few examples"},
}
routes = router(prefix=API, tags=["models"], responses=REFUSED | ALSO)


@routes.get("/models", response_model=Page[ModelVersion], openapi_extra=role("viewer"))
def list_models(
    request: Request, model: Annotated[str | None, Query(max_length=200, description="only this one's")] = None
) -> Response:
    """List the versions of registered models, oldest first."""
    found = [each for each in commands.models(service(request).places) if model in {None, each["model"]}]
    if model is not None and not found:
        raise NoSuch(f"no registered model {model!r}")
    return answer(Page[ModelVersion](items=[ModelVersion.model_validate(each) for each in found], next=None))


@routes.post("/models", status_code=201, response_model=RegisteredVersion, openapi_extra=role("runner"))
def register(request: Request, wanted: Registering) -> Response:
    """Register a study's confirmed winner, or a trial, as a version of a model."""
    return answer(RegisteredVersion.model_validate(registered(request, wanted)), 201)


@routes.post("/models/{model}/promote", response_model=Promotion, openapi_extra=role("runner"))
def promote(request: Request, model: str, wanted: Promoted) -> Response:
    """Make a version the champion if it is shown to be no worse on the test examples; an admin may force it."""
    return answer(Promotion.model_validate(promoted(request, model, wanted)))


@routes.post("/models/{model}/rollback", response_model=Promotion, openapi_extra=role("runner"))
def rollback(request: Request, model: str) -> Response:
    """Make the previous champion the champion again."""
    return answer(Promotion.model_validate(rolled_back(request, model)))


def registered(request: Request, wanted: Registering) -> dict[str, object]:
    """Register and write it into the audit log."""
    home_of(request, wanted.study)
    words = ["register", wanted.study]
    words += [f"--trial={wanted.trial}"] if wanted.trial is not None else []
    words += [f"--name={wanted.model}"] if wanted.model else []
    return _changed(request, words, wanted.model or wanted.study)


def promoted(request: Request, model: str, wanted: Promoted) -> dict[str, object]:
    """Promote and write it into the audit log.

    Raises:
        Forbidden: somebody who is no admin forces it, or chooses the margin, which may be so wide that all pass.

    """
    if wanted.force and not person(request).may("admin"):
        raise Forbidden("only an admin forces a promotion", fix="Promote it without, which tests it.")
    if wanted.margin is not None and not person(request).may("admin"):
        raise Forbidden(
            "only an admin chooses the margin of a promotion", fix="Promote it without, with the usual one."
        )
    words = ["promote", _known(request, model)]
    words += [f"--margin={wanted.margin}"] if wanted.margin is not None else []
    words += [str(wanted.version)] if wanted.version is not None else []
    words += ["--force"] if wanted.force else []
    words += [f"--reason={wanted.reason}"] if wanted.reason else []
    return _changed(request, words, model)


def rolled_back(request: Request, model: str) -> dict[str, object]:
    """Roll back and write it into the audit log."""
    return _changed(request, ["rollback", _known(request, model)], model)


def _known(request: Request, model: str) -> str:
    if model not in {each["model"] for each in commands.models(service(request).places)}:
        raise NoSuch(f"no registered model {model!r}")
    return model


def _changed(request: Request, words: list[str], subject: str) -> dict[str, object]:
    here = service(request)
    found = commands.changed(here.places, words)
    with here.database.write() as connection:
        append_audit(connection, person(request).name, words[0], subject, " ".join(words[2:]))
    return found
