"""Groups of people, who share quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from study.service import people, tables
from study.service.store import append_audit

if TYPE_CHECKING:
    from study.service.people import Person
    from study.service.store import Database


def listed(database: Database) -> list[dict[str, Any]]:
    """List the groups by name, with their quotas."""
    with database.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(tables.groups).order_by("name")).mappings()]


def change(database: Database, by: Person, name: str, **quotas: float | None) -> None:
    """Make a group, or change its quotas.

    Args:
        database: of the service.
        by: who does it.
        name: of the group.
        quotas: `max_slots`, `max_hours`, `max_trials`.

    Raises:
        InputError: not a name.

    """
    people.check_name(name)
    with database.write() as connection:
        known = sa.select(tables.groups.c.name).where(tables.groups.c.name == name)
        if connection.execute(known).first() is None:
            connection.execute(sa.insert(tables.groups).values(name=name))
        if quotas:
            connection.execute(sa.update(tables.groups).where(tables.groups.c.name == name).values(quotas))
        said = ", ".join(f"{each}={'any' if value is None else value}" for each, value in quotas.items())
        append_audit(connection, by.name, "group", name, said)
