"""People by the identity that single sign-on knows them by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from study.service import people, tables
from study.service.people import Person
from study.service.store import append_audit

if TYPE_CHECKING:
    from study.service.store import Database


def find(database: Database, identity: str) -> Person | None:
    """Find whom single sign-on names; None for nobody, and for somebody who may not log in."""
    table = tables.people
    with database.read() as connection:
        chosen = sa.select(table.c.name, table.c.role).where(table.c.identity == identity, table.c.disabled.is_(None))
        row = connection.execute(chosen).first()
    return Person(row.name, row.role) if row else None


def is_known(database: Database, identity: str) -> bool:
    """Tell whether a person has this identity, refused or not."""
    with database.read() as connection:
        return bool(connection.execute(sa.select(sa.exists().where(tables.people.c.identity == identity))).scalar())


def make(database: Database, wanted: str, role: str, identity: str) -> None:
    """Make a person for an identity of single sign-on, unless there is one, under a name like the wanted one."""
    with database.write() as connection:
        if connection.execute(sa.select(tables.people.c.name).where(tables.people.c.identity == identity)).first():
            return  # made by another request since it was looked for
        name, number = wanted, 1
        while people.row_of(connection, name) is not None:
            number += 1
            name = f"{wanted}-{number}"
        people.add(connection, name, role, None)
        mine = sa.update(tables.people).where(tables.people.c.name == name)
        connection.execute(mine.values(identity=identity))
        append_audit(connection, name, "sign on", name, f"{identity}, {role}")
