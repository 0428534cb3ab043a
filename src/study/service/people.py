"""People, their roles, passwords, tokens, sessions and invitations: who somebody is, and nothing about the web."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from study.errors import InputError
from study.service import passwords, tables
from study.service.errors import Conflict
from study.service.store import append_audit

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from study.service.store import Database

ROLES = ("viewer", "runner", "author", "admin")  # each may do what those before it may
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
DAY = 86400.0
TOKEN_DAYS, SESSION_DAYS, INVITATION_DAYS = 30, 14, 3
TOKEN = "study_"  # noqa: S105 - what every token begins with, so that scanners find it


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is logged in.

    Args:
        name: unique.
        role: one of `ROLES`.
        by: `session` in a browser, `token` in a program.
        until: when that ends, in seconds since 1970.

    """

    name: str
    role: str
    by: str = "session"
    until: float = field(default=math.inf, compare=False)

    def may(self, role: str) -> bool:
        """Tell whether the person has at least this role."""
        return ROLES.index(self.role) >= ROLES.index(role)

    @property
    def longest(self) -> float:
        """Time at which a token that the person makes ends at the latest: one made by a token ends with that one."""
        return self.until if self.by == "token" else math.inf


def digest(secret: str) -> str:
    """Give what is stored of a random secret: it is too long to be guessed, so that it needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def invite(database: Database, by: str, name: str | None = None, role: str = "viewer") -> str:
    """Make a person who has no password yet, or another invitation for one; give the invitation's secret.

    Args:
        database: of the service.
        by: who invites.
        name: of the person; None makes the first admin, who chooses a name.
        role: one of `ROLES`.

    Raises:
        InputError: not a name, or no such role.

    """
    secret = secrets.token_urlsafe(24)
    with database.write() as connection:
        if name is not None:
            _check(name, role)
            is_new = row_of(connection, name) is None
            if is_new:
                add(connection, name, role, None)
            append_audit(connection, by, "invite", name, role if is_new else "to another password")
        row = {"digest": digest(secret), "person": name, "expires": time.time() + INVITATION_DAYS * DAY}
        connection.execute(sa.insert(tables.invitations).values(row))
    return secret


def invited(database: Database, secret: str) -> dict[str, Any] | None:
    """Give an invitation that can be accepted; its `person` is None for the first admin."""
    table = tables.invitations
    chosen = sa.select(table).where(table.c.digest == digest(secret), table.c.expires > time.time())
    with database.read() as connection:
        row = connection.execute(chosen).mappings().first()
        if row is None or (row["person"] is None and anybody(connection)):
            return None
        return dict(row)


def accept(database: Database, secret: str, name: str, password: str) -> Person:
    """Set the password of an invited person; the invitation is used up, and so are others of the person.

    Raises:
        InputError: the invitation is used or has expired, or a name or password that cannot be.

    """
    name = (invited(database, secret) or {}).get("person") or name
    hashed = passwords.hashed(password, name)
    table = tables.invitations
    with database.write() as connection:
        gone = sa.delete(table).where(table.c.digest == digest(secret), table.c.expires > time.time())
        found = connection.execute(gone.returning(table.c.person)).first()
        if found is None or (found.person is None and anybody(connection)):
            raise InputError("this link was used already or has expired", fix="Ask an admin for another one.")
        if found.person is None:
            _check(name, "admin")
            add(connection, name, "admin", hashed)
        else:
            name = found.person
            refused = (row_of(connection, name) or {})["disabled"] is not None
            _end_sessions(connection, name, tokens=refused)
            set_to = {"password": hashed, "disabled": None}
            connection.execute(sa.update(tables.people).where(tables.people.c.name == name).values(set_to))
        connection.execute(sa.delete(table).where(sa.or_(table.c.person.is_(None), table.c.person == name)))
        append_audit(connection, name, "accept", name)
        return Person(name, str((row_of(connection, name) or {})["role"]))


def anybody(connection: Connection) -> bool:
    """Tell whether anybody could log in."""
    return bool(connection.execute(sa.select(sa.exists().where(tables.people.c.password.is_not(None)))).scalar())


def log_in(database: Database, name: str, password: str) -> Person | None:
    """Check a password; None if it is wrong, or for somebody who may not log in."""
    with database.read() as connection:
        row = row_of(connection, name)
    fits = passwords.fits(password, row["password"] if row else None)
    if not fits or row is None or row["disabled"] is not None:
        return None
    return Person(name, str(row["role"]))


def change_password(database: Database, name: str, old: str, new: str) -> None:
    """Replace a person's own password; all their sessions end.

    Raises:
        InputError: the old one is wrong, or the new one cannot be.

    """
    hashed = passwords.hashed(new, name)
    if log_in(database, name, old) is None:
        raise InputError("the old password is wrong")
    with database.write() as connection:
        connection.execute(sa.update(tables.people).where(tables.people.c.name == name).values(password=hashed))
        _end_sessions(connection, name)
        append_audit(connection, name, "password", name)


def begin_session(database: Database, person: Person) -> str:
    """Log a person in; give the cookie's value."""
    secret, now = secrets.token_urlsafe(32), time.time()
    table = tables.sessions
    with database.write() as connection:
        connection.execute(sa.delete(table).where(table.c.expires < now))
        row = {"digest": digest(secret), "person": person.name, "created": now, "expires": now + SESSION_DAYS * DAY}
        connection.execute(sa.insert(table).values(row))
        append_audit(connection, person.name, "login", person.name)
    return secret


def end_session(database: Database, secret: str) -> None:
    """Log out."""
    with database.write() as connection:
        connection.execute(sa.delete(tables.sessions).where(tables.sessions.c.digest == digest(secret)))


def by_session(database: Database, secret: str) -> Person | None:
    """Find whose session it is; None if it has ended."""
    table, who = tables.sessions, tables.people
    chosen = (
        sa.select(who.c.name, who.c.role, table.c.expires)
        .join(table, table.c.person == who.c.name)
        .where(table.c.digest == digest(secret), table.c.expires > time.time(), who.c.disabled.is_(None))
    )
    with database.read() as connection:
        row = connection.execute(chosen).first()
    return Person(row.name, row.role, until=row.expires) if row else None


def make_token(
    database: Database, person: str, label: str, days: float = TOKEN_DAYS, until: float = math.inf
) -> tuple[str, str]:
    """Make a token; give its id and the token, which is shown once.

    Args:
        database: of the service.
        person: whose it is.
        label: for people.
        days: for which it holds.
        until: time after which it does not hold in any case, in seconds since 1970: `Person.longest`.

    Raises:
        InputError: it would hold for more than a year.

    """
    if not 0 < days <= 366:
        raise InputError("a token holds for 1 to 366 days")
    secret, identity, now = TOKEN + secrets.token_urlsafe(32), secrets.token_hex(6), time.time()
    row = {"id": identity, "digest": digest(secret), "person": person, "label": label[:100] or "token", "created": now}
    with database.write() as connection:
        connection.execute(sa.insert(tables.tokens).values(**row, expires=min(now + days * DAY, until)))
        append_audit(connection, person, "token", identity, label[:100])
    return identity, secret


def by_token(database: Database, secret: str) -> Person | None:
    """Find whose token it is; None if it is revoked, has expired or never was."""
    table, who = tables.tokens, tables.people
    chosen = (
        sa.select(who.c.name, who.c.role, table.c.id, table.c.used, table.c.expires)
        .join(table, table.c.person == who.c.name)
        .where(table.c.digest == digest(secret), table.c.revoked.is_(None), table.c.expires > time.time())
        .where(who.c.disabled.is_(None))
    )
    with database.read() as connection:
        row = connection.execute(chosen).first()
    if row is not None and (row.used is None or row.used < time.time() - 3600):
        with database.write(drops=False) as connection:
            connection.execute(sa.update(table).where(table.c.id == row.id).values(used=time.time()))
    return Person(row.name, row.role, "token", row.expires) if row else None


def revoke(database: Database, by: Person, identity: str) -> bool:
    """Revoke a token, one's own or, as an admin, anybody's; False if there is no such token."""
    table = tables.tokens
    mine = sa.true() if by.may("admin") else table.c.person == by.name
    change = sa.update(table).where(table.c.id == identity, mine, table.c.revoked.is_(None)).values(revoked=time.time())
    with database.write() as connection:
        found = connection.execute(change).rowcount > 0
        if found:
            append_audit(connection, by.name, "revoke", identity)
    return found


def list_tokens(database: Database, person: str) -> list[dict[str, Any]]:
    """List a person's tokens, the newest first, without what is secret."""
    table = tables.tokens
    columns = [each for each in table.c if each.name != "digest"]
    with database.read() as connection:
        chosen = sa.select(*columns).where(table.c.person == person).order_by(table.c.created.desc())
        return [dict(row) for row in connection.execute(chosen).mappings()]


def list_people(database: Database) -> list[dict[str, Any]]:
    """List the people by name, without their passwords' hashes."""
    table = tables.people
    shown = [each for each in table.c if each.name != "password"]
    invited_only = table.c.password.is_(None).label("invited")
    with database.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(*shown, invited_only).order_by("name")).mappings()]


def change(database: Database, by: Person, name: str, **to: Any) -> bool:
    """Change a person's role, quotas or whether they may log in; False if there is no such person.

    Args:
        database: of the service.
        by: who does it.
        name: of the person.
        to: `role`, `disabled` as a boolean, which ends sessions and open invitations, `max_slots`, `max_hours`,
            `max_trials`, `group`, `identity`, `email`.

    Raises:
        InputError: no such role, or the last admin would be gone.

    """
    if "role" in to:
        _check(name, to["role"])
    table = tables.people
    written = {"team" if each == "group" else each: value for each, value in to.items()}
    if "identity" in to:  # an empty one is none: it may be that of many
        written["identity"] = (to["identity"] or "").strip().lower() or None
    if "disabled" in to:
        written["disabled"] = time.time() if to["disabled"] else None
    with database.write() as connection:
        if (row := row_of(connection, name)) is None:
            return False
        known = sa.select(tables.groups.c.name).where(tables.groups.c.name == to.get("group"))
        if to.get("group") and connection.execute(known).first() is None:
            raise Conflict(f"no group {to['group']!r}", fix="Make it first.")
        if row["role"] == "admin" and (to.get("disabled") or to.get("role", "admin") != "admin"):
            others = sa.select(sa.func.count()).where(
                table.c.role == "admin", table.c.disabled.is_(None), table.c.password.is_not(None), table.c.name != name
            )
            if not connection.execute(others).scalar():
                raise Conflict("the last admin stays one", fix="Make somebody else an admin first.")
        taken = sa.select(table.c.name).where(table.c.identity == written.get("identity"), table.c.name != name)
        if written.get("identity") and (other := connection.execute(taken).first()):
            raise Conflict(f"{other.name} has the identity {written['identity']!r} already")
        if not to:
            return True
        connection.execute(sa.update(table).where(table.c.name == name).values(written))
        if to.get("disabled") or row["disabled"] is not None:
            _end_sessions(connection, name, tokens=True)
        if to.get("disabled"):
            connection.execute(sa.delete(tables.invitations).where(tables.invitations.c.person == name))
        said = ", ".join(f"{each}={value}" for each, value in to.items())
        append_audit(connection, by.name, "change", name, said)
    return True


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a person or a group.

    Raises:
        InputError: says what a name is.

    """
    if not NAME.fullmatch(name):
        raise InputError(f"not a name: {name[:70]!r}", fix="Use small letters, digits, dots and dashes.")


def _check(name: str, role: str) -> None:
    check_name(name)
    if role not in ROLES:
        raise InputError(f"no role {role!r}", fix=f"There are {', '.join(ROLES)}.")


def row_of(connection: Connection, name: str) -> dict[str, Any] | None:
    """Give a person's row; None if there is none."""
    row = connection.execute(sa.select(tables.people).where(tables.people.c.name == name)).mappings().first()
    return dict(row) if row else None


def add(connection: Connection, name: str, role: str, hashed: str | None) -> None:
    """Add a person; raises InputError if the name is somebody's."""
    row = {"name": name, "role": role, "password": hashed, "created": time.time()}
    if row_of(connection, name) is not None:
        raise InputError(f"there is a person {name!r} already", fix="Choose another name.")
    connection.execute(sa.insert(tables.people).values(row))


def _end_sessions(connection: Connection, name: str, *, tokens: bool = False) -> None:
    """End all sessions of a person, and, if they are or were refused, all their tokens for good."""
    connection.execute(sa.delete(tables.sessions).where(tables.sessions.c.person == name))
    if tokens:
        mine = sa.and_(tables.tokens.c.person == name, tables.tokens.c.revoked.is_(None))
        connection.execute(sa.update(tables.tokens).where(mine).values(revoked=time.time()))
