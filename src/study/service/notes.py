"""Notes that people write about studies and trials; the last one stands, and who wrote it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from study.formatting import moment
from study.schemas.service import Note
from study.service import tables
from study.service.store import append_audit

if TYPE_CHECKING:
    from study.service.people import Person
    from study.service.store import Database

TABLE = tables.notes
STUDY = -1  # instead of a trial's number


def read(database: Database, study: str, trial: int | None = None) -> Note:
    """Give the note about a study, or about one of its trials; an empty one if there is none."""
    mine = sa.and_(TABLE.c.study == study, TABLE.c.trial == (STUDY if trial is None else trial))
    with database.read() as connection:
        row = connection.execute(sa.select(TABLE).where(mine)).first()
    return Note(text=row.text, person=row.person, time=moment(row.time)) if row else Note()


def write(database: Database, person: Person, study: str, trial: int | None, text: str) -> None:
    """Replace a note; an empty text removes it."""
    number = STUDY if trial is None else trial
    with database.write() as connection:
        connection.execute(sa.delete(TABLE).where(TABLE.c.study == study, TABLE.c.trial == number))
        if text.strip():
            row = {"study": study, "trial": number, "text": text.strip(), "person": person.name, "time": time.time()}
            connection.execute(sa.insert(TABLE).values(row))
        append_audit(connection, person.name, "note", study if trial is None else f"{study}, trial {trial}")
