"""The API's people, tokens, use and audit log."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import Request
from fastapi.responses import Response

from study.formatting import moment
from study.schemas.service import (
    AuditLine,
    ChangedGroup,
    ChangedPerson,
    Group,
    Invitation,
    Login,
    MadeToken,
    NewPerson,
    NewToken,
    Page,
    Person,
    Token,
    Usage,
)
from study.service import groups, people, tables
from study.service.api_runs import REFUSED, Cursor, Limit, answer
from study.service.errors import NoSuch
from study.service.web import ANYONE, API, person, refuse, role, router, service

routes = router(prefix=API, tags=["people"], responses=REFUSED)


@routes.post("/login", status_code=201, response_model=MadeToken, openapi_extra=role(ANYONE))
def login(request: Request, given: Login) -> Response:
    """Get a token of 30 days for a name and a password, as `study login` does."""
    who = people.log_in(service(request).database, given.name, given.password)
    if who is None:
        return refuse(request, 401, "the name or the password is wrong")
    return _token(request, who, given.label, people.TOKEN_DAYS)


@routes.get("/me", response_model=Person, openapi_extra=role("viewer"))
def me(request: Request) -> Response:
    """Say who is logged in."""
    return answer(_found(request, person(request).name))


@routes.get("/tokens", response_model=Page[Token], openapi_extra=role("viewer"))
def list_tokens(request: Request) -> Response:
    """List one's own tokens, the newest first."""
    rows = people.list_tokens(service(request).database, person(request).name)
    return answer(Page[Token](items=[described_token(row) for row in rows], next=None))


@routes.post("/tokens", status_code=201, response_model=MadeToken, openapi_extra=role("viewer"))
def make_token(request: Request, wanted: NewToken) -> Response:
    """Make a token for oneself; one that is made with a token ends with that one."""
    return _token(request, person(request), wanted.label, wanted.days)


@routes.delete("/tokens/{token}", status_code=204, openapi_extra=role("viewer"))
def revoke(request: Request, token: str) -> Response:
    """Revoke a token, one's own or, as an admin, anybody's."""
    if not people.revoke(service(request).database, person(request), token):
        raise NoSuch(f"no token {token!r} that holds")
    return Response(status_code=204)


@routes.get("/people", response_model=Page[Person], openapi_extra=role("admin"))
def list_people(request: Request) -> Response:
    """List everybody by name."""
    rows = people.list_people(service(request).database)
    return answer(Page[Person](items=[described(row) for row in rows], next=None))


@routes.post("/people", status_code=201, response_model=Invitation, openapi_extra=role("admin"))
def invite(request: Request, wanted: NewPerson) -> Response:
    """Invite somebody; for somebody who is here, a link to set another password."""
    return answer(invitation(request, wanted.name, wanted.role), 201)


@routes.patch("/people/{name}", response_model=Person, openapi_extra=role("admin"))
def change(request: Request, name: str, to: ChangedPerson) -> Response:
    """Change somebody's role or quotas, or refuse them."""
    given = to.model_dump(include=to.model_fields_set)
    if not people.change(service(request).database, person(request), name, **given):
        raise NoSuch(f"no person {name!r}")
    return answer(_found(request, name))


@routes.get("/usage", response_model=Page[Usage], openapi_extra=role("viewer"))
def usage(request: Request) -> Response:
    """Tell the use of each month by device: an admin everybody's, others their own."""
    who = person(request)
    return answer(Page[Usage](items=used(request, None if who.may("admin") else who.name), next=None))


def used(request: Request, name: str | None = None, limit: int | None = None) -> list[Usage]:
    """List the use by month, person and device, the newest month first; of a person alone, if one is given."""
    table, who = tables.usage, tables.people
    joined = table.outerjoin(who, who.c.name == table.c.person)
    chosen = sa.select(table, who.c.team).select_from(joined).limit(limit)
    if name is not None:
        chosen = chosen.where(table.c.person == name)
    with service(request).database.read() as connection:
        rows = connection.execute(chosen.order_by(table.c.month.desc(), table.c.person, table.c.device)).mappings()
        return [
            Usage(
                **{each: row[each] for each in ("person", "month", "device", "trials")}, group=row["team"],
                slot_hours=round(row["slot_seconds"] / 3600, 4),
            )
            for row in rows
        ]  # fmt: skip


@routes.get("/groups", response_model=Page[Group], openapi_extra=role("admin"))
def list_groups(request: Request) -> Response:
    """List the groups by name, with their quotas."""
    rows = groups.listed(service(request).database)
    return answer(Page[Group](items=[Group.model_validate(row) for row in rows], next=None))


@routes.put("/groups/{name}", response_model=Group, openapi_extra=role("admin"))
def change_group(request: Request, name: str, to: ChangedGroup) -> Response:
    """Make a group, or change its quotas."""
    here = service(request).database
    groups.change(here, person(request), name, **to.model_dump(include=to.model_fields_set))
    return answer(next(Group.model_validate(row) for row in groups.listed(here) if row["name"] == name))


@routes.get("/audit", response_model=Page[AuditLine], openapi_extra=role("admin"))
def audit(request: Request, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """List the audit log, the newest first."""
    items, more = audit_lines(request, int(cursor) if cursor else None, limit)
    return answer(Page[AuditLine](items=items, next=None if more is None else str(more)))


def audit_lines(request: Request, before: int | None, limit: int) -> tuple[list[AuditLine], int | None]:
    """Read the audit log, the newest line first; gives the number before which the next part begins."""
    table = tables.audit
    chosen = sa.select(table).order_by(table.c.id.desc()).limit(limit + 1)
    with service(request).database.read() as connection:
        found = connection.execute(chosen if before is None else chosen.where(table.c.id < before)).mappings().all()
    lines = [AuditLine.model_validate({**row, "time": moment(row["time"])}) for row in found[:limit]]
    return lines, lines[-1].id if len(found) > limit else None


def invitation(request: Request, name: str, least: str) -> Invitation:
    """Invite somebody, and give the link, which is shown once."""
    here = service(request)
    secret = people.invite(here.database, person(request).name, name, least)
    base = here.public or str(request.base_url).rstrip("/")
    return Invitation(name=name, link=f"{base}/invitation/{secret}")


def described(row: dict[str, Any]) -> Person:
    """Describe a person in plain values."""
    copied = ("name", "role", "invited", "max_slots", "max_hours", "max_trials", "identity", "email")
    given = {name: row[name] for name in copied} | {"group": row["team"]}
    return Person(**given, created=moment(row["created"]), disabled=row["disabled"] is not None)


def described_token(row: dict[str, Any]) -> Token:
    """Describe a token in plain values."""
    times = {name: moment(row[name]) for name in ("created", "expires", "revoked", "used")}
    return Token(id=row["id"], person=row["person"], label=row["label"], **times)


def _found(request: Request, name: str) -> Person:
    rows = people.list_people(service(request).database)
    return next(described(row) for row in rows if row["name"] == name)


def _token(request: Request, who: people.Person, label: str, days: float) -> Response:
    database = service(request).database
    identity, secret = people.make_token(database, who.name, label, days, who.longest)
    row = next(each for each in people.list_tokens(database, who.name) if each["id"] == identity)
    return answer(MadeToken(**described_token(row).plain(), token=secret), 201)
