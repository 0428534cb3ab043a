"""The pages about people: log in, accept an invitation, one's tokens and password, everybody for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from study.errors import InputError, StudyError
from study.schemas.service import ChangedGroup, ChangedPerson
from study.service import groups, people, quotas
from study.service.api_people import audit_lines, described, described_token, invitation, used
from study.service.authentication import cookie_of
from study.service.errors import NoSuch
from study.service.pages import Form, page
from study.service.people import ROLES, Person
from study.service.web import ANYONE, LONGEST_WAY, person, role, router, service

routes = router(include_in_schema=False)
OPEN, READER, ADMIN = role(ANYONE), role("viewer"), role("admin")


@routes.get("/login", openapi_extra=OPEN)
def login_page(request: Request, to: Annotated[str, Query(max_length=LONGEST_WAY)] = "/") -> Response:
    """Ask for name and password."""
    return page(request, "login", to=to, trouble="", name="", sso=service(request).sign_on.provider is not None)


@routes.post("/login", openapi_extra=OPEN)
def login(request: Request, form: Form) -> Response:
    """Begin a session."""
    name, to = form.get("name", "").strip(), form.get("to", "/")
    who = people.log_in(service(request).database, name, form.get("password", ""))
    if who is None:
        sso, said = service(request).sign_on.provider is not None, "The name or the password is wrong."
        return page(request, "login", 401, to=to, trouble=said, name=name, sso=sso)
    return logged_in(request, who, inside(to))


def inside(to: str) -> str:
    """Give a path of ours to which a login leads; the home page instead of another site's."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"


def logged_in(request: Request, who: Person, to: str) -> Response:
    """Begin a session and lead on."""
    answer = RedirectResponse(to, 303)
    answer.set_cookie(
        cookie_of(request), people.begin_session(service(request).database, who), httponly=True, samesite="lax",
        secure=request.url.scheme == "https", max_age=int(people.SESSION_DAYS * people.DAY),
    )  # fmt: skip
    return answer


@routes.post("/logout", openapi_extra=READER)
def logout(request: Request) -> Response:
    """End the session."""
    if secret := request.cookies.get(cookie_of(request)):
        people.end_session(service(request).database, secret)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(cookie_of(request), secure=request.url.scheme == "https", httponly=True, samesite="lax")
    return answer


@routes.get("/invitation/{secret}", openapi_extra=OPEN)
def invitation_page(request: Request, secret: str) -> Response:
    """Ask an invited person for a password."""
    found = people.invited(service(request).database, secret)
    if found is None:
        raise NoSuch("this link was used already or has expired", fix="Ask an admin for another one.")
    return page(request, "invitation", person=found["person"], name=found["person"] or "", trouble="")


@routes.post("/invitation/{secret}", openapi_extra=OPEN)
def accept(request: Request, secret: str, form: Form) -> Response:
    """Set the password and begin a session."""
    name = form.get("name", "").strip()
    try:
        who = people.accept(service(request).database, secret, name, form.get("password", ""))
    except InputError as error:
        found = people.invited(service(request).database, secret)
        return page(request, "invitation", 400, person=found and found["person"], name=name, trouble=str(error))
    return logged_in(request, who, "/")


@routes.get("/me", openapi_extra=READER)
def me(request: Request) -> Response:
    """Show one's tokens."""
    return _me(request)


def _me(request: Request, status: int = 200, **shown: str) -> Response:
    who = person(request).name
    rows = people.list_tokens(service(request).database, who)
    tokens = [each for each in map(described_token, rows) if each.revoked is None]
    address = next(row["email"] for row in people.list_people(service(request).database) if row["name"] == who)
    return page(request, "me", status, tokens=tokens, email=address or "", **{"made": "", "trouble": "", **shown})


@routes.post("/me/tokens", openapi_extra=READER)
def make_token(request: Request, form: Form) -> Response:
    """Make a token and show it once."""
    label = form.get("label", "") or "token"
    who = person(request)
    _, secret = people.make_token(service(request).database, who.name, label, until=who.longest)
    return _me(request, made=secret)


@routes.post("/me/tokens/{token}/revoke", openapi_extra=READER)
def revoke(request: Request, token: str) -> Response:
    """Revoke a token."""
    people.revoke(service(request).database, person(request), token)
    return RedirectResponse("/me", 303)


@routes.post("/me/password", openapi_extra=READER)
def password(request: Request, form: Form) -> Response:
    """Change one's password, which ends all one's sessions."""
    try:
        people.change_password(
            service(request).database, person(request).name, form.get("old", ""), form.get("new", "")
        )  # fmt: skip
    except InputError as error:
        return _me(request, 400, trouble=str(error))
    return RedirectResponse("/login", 303)


@routes.post("/me/email", openapi_extra=READER)
def email(request: Request, form: Form) -> Response:
    """Change the address that is told of one's runs; an empty one tells nobody."""
    try:
        address = ChangedPerson.model_validate({"email": form.get("email", "").strip() or None}).email
    except ValidationError:
        return _me(request, 400, trouble="That is no e-mail address.")
    who = person(request)
    people.change(service(request).database, who, who.name, email=address)
    return RedirectResponse("/me", 303)


@routes.get("/people", openapi_extra=ADMIN)
def show_people(request: Request) -> Response:
    """Show everybody, and the last lines of the audit log."""
    return _people(request)


def _people(request: Request, status: int = 200, **shown: str) -> Response:
    rows = people.list_people(service(request).database)
    lines, _ = audit_lines(request, None, 30)
    return page(
        request, "people", status, people=[described(row) for row in rows], audit=lines, roles=ROLES,
        usage=used(request, limit=100), groups=groups.listed(service(request).database),
        **{"link": "", "again": "", "trouble": "", **shown},
    )  # fmt: skip


@routes.post("/people", openapi_extra=ADMIN)
def invite(request: Request, form: Form) -> Response:
    """Invite somebody and show the link once."""
    name, known = form.get("name", "").strip(), people.list_people(service(request).database)
    try:
        made = invitation(request, name, form.get("role", "viewer"))
    except InputError as error:
        return _people(request, 400, trouble=str(error))
    return _people(request, link=made.link, again=name if any(row["name"] == name for row in known) else "")


@routes.post("/people/{name}", openapi_extra=ADMIN)
def change(request: Request, name: str, form: Form) -> Response:
    """Change somebody's role or quotas, or refuse them."""
    try:
        to = {
            "role": form.get("role", "viewer"),
            "disabled": form.get("disabled") == "yes",
            **{name: form.get(name, "").strip() or None for name in ("group", "identity", "email")},
            **_quotas(form),
        }
        if not people.change(service(request).database, person(request), name, **to):
            raise NoSuch(f"no person {name!r}")
    except StudyError as error:
        return _people(request, 400, trouble=str(error))
    return RedirectResponse("/people", 303)


@routes.post("/groups", openapi_extra=ADMIN)
def change_group(request: Request, form: Form) -> Response:
    """Make a group, or change its quotas."""
    try:
        groups.change(service(request).database, person(request), form.get("name", "").strip(), **_quotas(form))
    except InputError as error:
        return _people(request, 400, trouble=str(error))
    return RedirectResponse("/people", 303)


def _quotas(form: dict[str, str]) -> dict[str, float | None]:
    """Read the quotas of a form; an empty one is none.

    Raises:
        InputError: not a number that a quota can be.

    """
    given = {name: form.get(name, "").strip() or None for name in quotas.MAXIMA}
    try:
        return ChangedGroup.model_validate(given, strict=False).model_dump()
    except ValidationError as error:
        raise InputError("a quota is a number from 0") from error
