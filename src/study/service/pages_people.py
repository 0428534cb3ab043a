"""The pages about people: log in, accept an invitation, one's tokens and password, everybody for admins."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response

from study.errors import InputError, StudyError
from study.service import people, tables
from study.service.api_people import audit_lines, described, described_token, invitation
from study.service.api_runs import NoSuch
from study.service.pages import Form, page
from study.service.people import ROLES, Person
from study.service.web import ANYONE, cookie_of, person, role, router, service

routes = router(include_in_schema=False)
OPEN, READER, ADMIN = role(ANYONE), role("viewer"), role("admin")


@routes.get("/login", openapi_extra=OPEN)
def login_page(request: Request, to: Annotated[str, Query(max_length=500)] = "/") -> Response:
    """Ask for name and password."""
    return page(request, "login", to=to, trouble="", name="")


@routes.post("/login", openapi_extra=OPEN)
def login(request: Request, form: Form) -> Response:
    """Begin a session."""
    name, to = form.get("name", "").strip(), form.get("to", "/")
    who = people.log_in(service(request).database, name, form.get("password", ""))
    if who is None:
        return page(request, "login", 401, to=to, trouble="The name or the password is wrong.", name=name)
    return _logged_in(request, who, to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/")


def _logged_in(request: Request, who: Person, to: str) -> Response:
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
    return _logged_in(request, who, "/")


@routes.get("/me", openapi_extra=READER)
def me(request: Request) -> Response:
    """Show one's tokens."""
    return _me(request)


def _me(request: Request, status: int = 200, **shown: str) -> Response:
    rows = people.list_tokens(service(request).database, person(request).name)
    tokens = [each for each in map(described_token, rows) if each.revoked is None]
    return page(request, "me", status, tokens=tokens, **{"made": "", "trouble": "", **shown})


@routes.post("/me/tokens", openapi_extra=READER)
def make_token(request: Request, form: Form) -> Response:
    """Make a token and show it once."""
    label = form.get("label", "") or "token"
    _, secret = people.make_token(service(request).database, person(request).name, label)
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


@routes.get("/people", openapi_extra=ADMIN)
def show_people(request: Request) -> Response:
    """Show everybody, and the last lines of the audit log."""
    return _people(request)


def _people(request: Request, status: int = 200, **shown: str) -> Response:
    rows = people.list_people(service(request).database)
    lines, _ = audit_lines(request, None, 30)
    table = tables.usage
    with service(request).database.read() as connection:
        used = connection.execute(sa.select(table).order_by(table.c.month.desc(), table.c.person).limit(50)).all()
    return page(
        request, "people", status, people=[described(row) for row in rows], audit=lines, roles=ROLES,
        usage=[(row.person, row.month, row.slot_seconds / 3600) for row in used],
        **{"link": "", "trouble": "", **shown},
    )  # fmt: skip


@routes.post("/people", openapi_extra=ADMIN)
def invite(request: Request, form: Form) -> Response:
    """Invite somebody and show the link once."""
    try:
        made = invitation(request, form.get("name", "").strip(), form.get("role", "viewer"))
    except InputError as error:
        return _people(request, 400, trouble=str(error))
    return _people(request, link=made.link)


@routes.post("/people/{name}", openapi_extra=ADMIN)
def change(request: Request, name: str, form: Form) -> Response:
    """Change somebody's role or quotas, or refuse them."""
    try:
        to = {
            "role": form.get("role", "viewer"),
            "disabled": form.get("disabled") == "yes",
            "max_slots": int(form["max_slots"]) if form.get("max_slots") else None,
            "max_hours": float(form["max_hours"]) if form.get("max_hours") else None,
        }
        if not people.change(service(request).database, person(request), name, **to):
            raise NoSuch(f"no person {name!r}")
    except ValueError:
        return _people(request, 400, trouble="A quota is a number.")
    except StudyError as error:
        return _people(request, 400, trouble=str(error))
    return RedirectResponse("/people", 303)
