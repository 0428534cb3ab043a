"""Makes events of what the trial folders tell: every line of a trial's log once, in its order, whatever is killed.

The events of new lines, the place in the log up to which they reach, and what the pages show of the trial are one
transaction. Only lines that end in a newline are read: a torn one is cut off by the next search. A look costs what
has changed: the logs of trials that have ended are not asked for their size again, but when their study ends.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from study.errors import StudyError
from study.formatting import to_json
from study.record import family, log_lines
from study.record.trial import Trial, base_of
from study.service import tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydantic import BaseModel
    from sqlalchemy import Connection

    from study.record.journal import Journal, TrialFolder
    from study.service.store import Database

CREATED = ("variant", "overrides", "created", "metric", "direction")
LARGE = ("evaluation",)  # of a trial's end: the trial's page has it
BATCH = 100  # trials that are read in one transaction
SETTLED = 1.0  # seconds after which a folder's time of change is trusted to tell of the next change
TABLE = tables.cursors


@dataclass(slots=True)
class _Known:
    """What was read of a study: sizes of logs, and the trials that may still grow."""

    sizes: dict[int, int] = field(default_factory=dict[int, int])
    open: set[int] = field(default_factory=set[int])
    changed: int = -1  # when its folder of trials was last changed, in nanoseconds; -1 if that is not known
    at: tuple[int, int] | None = None  # device and inode of its folder of trials
    base: BaseModel | None = None
    followed: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)  # of whoever follows it


class Follower:
    """Follows the folders of studies; it keeps sizes of logs that it has read, so that it reads what is new alone."""

    def __init__(self, database: Database, home: Path) -> None:
        """Keep the database and the folder of all results; nothing is read."""
        self._database, self._home = database, home
        self._known: dict[str, _Known] = {}

    def follow(self, study: str, *, whole: bool = False, mine: Callable[[], bool] = lambda: True) -> int:
        """Make events of what is new in a study's folders; give their number.

        Args:
            study: its name.
            whole: look at trials that have ended, too.
            mine: is asked once new lines were found, and before they are read; nothing is read unless it is true.

        """
        journal = family.journal(study, self._home)
        known, made = self._known.get(study) or self._begin(journal), 0
        with known.lock, ExitStack() as failed:
            failed.callback(self._known.pop, study, None)  # what a transaction did not take is read again
            grown = self._grown(journal, known, whole=whole or not known.sizes)
            for start in range(0, len(grown), BATCH) if grown and mine() else ():
                with self._database.write(drops=False) as connection:
                    made += sum(self._take(connection, known, trial) for trial in grown[start : start + BATCH])
            failed.pop_all()
        return made

    def studies(self, *, whole: bool) -> list[str]:
        """Name the studies that there are, and those that were read and are there no more.

        Args:
            whole: name also those that another server has read.

        """
        known = [name for name, each in list(self._known.items()) if each.sizes]
        if whole:
            with self._database.read() as connection:
                known += connection.execute(sa.select(TABLE.c.study).distinct()).scalars()
        return sorted({*family.studies(self._home), *known})

    def _begin(self, journal: Journal) -> _Known:
        """Remember what the database knows of a study."""
        known = _Known()
        _define(known, journal)
        chosen = sa.select(TABLE.c.trial, TABLE.c.bytes, TABLE.c.state).where(TABLE.c.study == journal.folder.name)
        with self._database.read() as connection:
            for row in connection.execute(chosen):
                known.sizes[row.trial] = row.bytes if row.state else -1
                if row.state in {None, "running"}:
                    known.open.add(row.trial)
        return self._known.setdefault(journal.folder.name, known)

    def _grown(self, journal: Journal, known: _Known, *, whole: bool) -> list[TrialFolder]:
        """List the trials whose logs have another size than was read; forget those that were removed."""
        try:
            now = (journal.folder / "trials").stat()
        except FileNotFoundError:
            if journal.folder.parent.is_dir():  # else all results are away
                self._forget(journal, known, {*known.sizes})
            return []
        except OSError:
            return []
        if known.at != (at := (now.st_dev, now.st_ino)):
            if known.at is not None:  # the study was removed, and begun again under its name
                self._forget(journal, known, {*known.sizes})
            known.at, whole = at, whole or known.at is not None
        looked, changed = known.open, now.st_mtime_ns
        if whole:
            _define(known, journal)
        if whole or changed != known.changed:
            numbers = journal.numbers()
            self._forget(journal, known, known.sizes.keys() - {*numbers})
            looked = {*numbers} if whole else known.open | {each for each in numbers if each not in known.sizes}
            known.changed = changed if time.time() - changed / 1e9 > SETTLED else -1
        trials = [journal.trial(number) for number in sorted(looked)]
        return [each for each in trials if each.log_size() != known.sizes.get(each.number, -1)]

    def _forget(self, journal: Journal, known: _Known, trials: set[int]) -> None:
        """Delete what was read of removed trials: a new search of the study's name has others of their numbers."""
        if not trials:
            return
        numbers, study = sorted(trials), journal.folder.name
        with self._database.write() as connection:
            for table in (TABLE, tables.events):
                for start in range(0, len(numbers), BATCH):
                    part = table.c.trial.in_(numbers[start : start + BATCH])
                    connection.execute(sa.delete(table).where(table.c.study == study, part))
        for number in numbers:
            del known.sizes[number]
        known.open -= trials

    def _take(self, connection: Connection, known: _Known, trial: TrialFolder) -> int:
        study, number = trial.study, trial.number
        if known.base is None:  # of a search that had not written its definition yet
            _define(known, family.journal(study, self._home))
        mine = sa.and_(TABLE.c.study == study, TABLE.c.trial == number)
        begun = connection.execute(sa.select(TABLE.c.bytes).where(mine)).scalar()
        content = trial.log.read_bytes() if trial.log.exists() else b""
        size = len(content)
        start = begun if begun is not None and begun <= size else 0
        new = content[start : content.rfind(b"\n") + 1]
        log = log_lines.parse(content)
        made: list[dict[str, Any]] = []
        if begun is None:
            made.append(_event(study, number, "created", _created(trial)))
        for record in (log if start == 0 else log_lines.parse(new)).lines if new else ():
            if record is not None:  # a damaged line is named where the trial is shown
                kind = str(record["kind"])
                data = {name: value for name, value in record.items() if name != "kind" and name not in LARGE}
                made.append(_event(study, number, kind, data))
        if made:
            connection.execute(sa.insert(tables.events), made)
        to = {"bytes": start + len(new), **_shown(trial, known, log)}
        if begun is None:
            connection.execute(sa.insert(TABLE).values(study=study, trial=number, **to))
        else:
            connection.execute(sa.update(TABLE).where(mine).values(to))
        known.sizes[number] = size
        (known.open.add if to["state"] in {None, "running"} else known.open.discard)(number)
        return len(made)


def _define(known: _Known, journal: Journal) -> None:
    try:
        stored = journal.definition() or {}
    except StudyError:  # damaged; named where the study is shown
        stored = {}
    known.base, known.followed = base_of(stored), str(stored.get("followed") or stored.get("metric") or "")


def _shown(trial: TrialFolder, known: _Known, log: log_lines.Log) -> dict[str, Any]:
    """Describe a trial for the pages; nothing of a damaged one."""
    try:
        read = Trial.of(trial, known.base, log)
        row = read.row
    except StudyError:
        return {"state": None, "value": None, "seconds": None, "row": None, "curve": None}
    values = [epoch.metrics.get(known.followed or read.metric.name) for epoch in read.history.epochs]
    value = row.value if row.value is not None and math.isfinite(row.value) else None
    return {
        "state": row.state, "value": value, "seconds": row.seconds, "row": row.record().to_json(),
        "curve": to_json([each for each in values if each is not None and math.isfinite(each)]),
    }  # fmt: skip


def _created(trial: TrialFolder) -> dict[str, Any]:
    try:
        about = trial.about()
    except StudyError:
        return {}
    return {name: about.get(name) for name in CREATED}


def _event(study: str, trial: int, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "time": float(data.get("time") or time.time()), "kind": kind[:16], "run": None, "study": study,
        "trial": trial, "data": to_json(data),
    }  # fmt: skip


def progressed_since(database: Database, studies: list[str], since: float) -> bool:
    """Tell whether a trial of these studies has paused, or ended complete or pruned, since a moment."""
    table = tables.events
    chosen = sa.select(table.c.data).where(
        table.c.study.in_(studies), table.c.kind.in_(("ended", "paused")), table.c.time >= since
    )  # fmt: skip
    with database.read() as connection:
        return any('"state": "failed"' not in row.data for row in connection.execute(chosen))


def last_line(database: Database, studies: list[str]) -> float:
    """Give the time of the newest line of the logs of some studies, in seconds since 1970; 0 without any."""
    table = tables.events
    mine = table.c.study.in_(studies), table.c.kind != "created"  # which is told when it is read
    with database.read() as connection:
        return float(connection.execute(sa.select(sa.func.max(table.c.time)).where(*mine)).scalar() or 0.0)
