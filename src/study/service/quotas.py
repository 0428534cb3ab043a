"""Quotas of people and of groups: slots at a time, and slot-hours and finished trials of a calendar month (UTC).

A holder of quotas is a person, or a group as `@NAME`. A running run counts with the hours that it has used so far, and
with the trials that it may still finish, so that no quota is overdrawn by runs that were begun together.
"""

from __future__ import annotations

import calendar
import json
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from study.options import TRIALS
from study.service import tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

Row = dict[str, Any]
RUNS, EVENTS, CURSORS, USAGE = tables.runs, tables.events, tables.cursors, tables.usage
FINISHED = ("complete", "pruned")
PART = 100  # trials that an attempt may finish of a question whose trainings only its command can count
MAXIMA = ("max_slots", "max_hours", "max_trials")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What each holder of quotas may still use; a holder without a quota is not in it.

    Args:
        group: of a person, as `@NAME`.
        slots: at a time.
        hours: that are left of this month; not above 0 if they are used up.
        trials: that are left of this month and not reserved.

    """

    group: Mapping[str, str]
    slots: Mapping[str, int]
    hours: Mapping[str, float]
    trials: Mapping[str, int]

    def holders(self, person: str) -> tuple[str, ...]:
        """Name a person and their group."""
        return _both(person, self.group)

    def hindrance(self, person: str, trials: int) -> str:
        """Say why a run of a person that finishes so many trials has to wait; empty if it does not."""
        for holder in self.holders(person):
            if self.hours.get(holder, 1.0) <= 0:
                return f"waits: {holder} has used up the hours of this month"
            if (left := self.trials.get(holder, trials)) < trials:
                needs = f"needs {trials} of this month's trials" if trials > 1 else "needs one of this month's trials"
                return f"waits: it {needs}, and {holder} has {max(0, left)} left"
        return ""

    def granted(self, person: str, question: str, trials: int) -> int | None:
        """Count the trials that an attempt may finish: of `run` all, else a part of what is left. None: any number."""
        left = [self.trials[each] for each in self.holders(person) if each in self.trials]
        if not left:
            return None
        return max(1, trials) if question == "run" else max(1, min(PART, *left))

    def full(self, person: str) -> str:
        """Say which quota of slots a person's runs are kept within; empty without one."""
        known = [f"{each}'s quota is {self.slots[each]} slots" for each in self.holders(person) if each in self.slots]
        return " and ".join(known)


def taken(may: Allowance, person: str, trials: int) -> Allowance:
    """Take trials that a run has reserved off what is left."""
    mine = may.holders(person)
    return replace(may, trials={each: left - trials * (each in mine) for each, left in may.trials.items()})


def read(connection: Connection, running: Sequence[Row], now: float) -> Allowance:
    """Read what each holder may still use.

    Args:
        connection: to the database.
        running: rows of the runs that run.
        now: in seconds since 1970.

    """
    people: list[Row] = [dict(row) for row in connection.execute(sa.select(tables.people)).mappings()]
    group: dict[str, str] = {row["name"]: f"@{row['team']}" for row in people if row["team"]}
    groups: list[Row] = [
        {**row, "name": f"@{row['name']}"} for row in connection.execute(sa.select(tables.groups)).mappings()
    ]
    seconds: dict[str, float] = defaultdict(float)
    trials: dict[str, int] = defaultdict(int)
    for row in connection.execute(sa.select(USAGE).where(USAGE.c.month == month(now))):
        for holder in _both(row.person or "", group):
            seconds[holder] += row.slot_seconds
            trials[holder] += row.trials
    for row in running:
        for holder in _both(row["person"], group):
            seconds[holder] += (now - max(row["started"] or now, beginning(now))) * row["slots"]
            trials[holder] += row["reserved"] or 0
    known = [*people, *groups]
    return Allowance(
        group,
        {row["name"]: row["max_slots"] for row in known if row["max_slots"] is not None},
        {row["name"]: row["max_hours"] - seconds[row["name"]] / 3600 for row in known if row["max_hours"] is not None},
        {row["name"]: row["max_trials"] - trials[row["name"]] for row in known if row["max_trials"] is not None},
    )


def _both(person: str, group: Mapping[str, str]) -> tuple[str, ...]:
    return (person, group[person]) if person in group else (person,)


def needed(connection: Connection, row: Row) -> int:
    """Count the trials that have to be left for a run to begin: of `run` all up to its number, else one."""
    if row["question"] != "run":
        return 1
    asked, studies = json.loads(row["asked"]), json.loads(row["studies"])
    study = (studies or [asked.get("name") or row["study"]])[-1]
    mine = sa.and_(CURSORS.c.study == study, CURSORS.c.state.in_(FINISHED))
    done = connection.execute(sa.select(sa.func.count()).select_from(CURSORS).where(mine)).scalar()
    least = 0 if studies else 1  # the command may give the study another name
    return max(least, (asked.get("trials") or TRIALS) - int(done or 0))


def use(connection: Connection, row: Row, until: float, device: str) -> float:
    """Count, in each month, the slot-seconds of an attempt until its end and the trials that were finished in it.

    Returns:
        Its slot-seconds.

    """
    studies, began = json.loads(row["studies"]), row["started"] or until
    mine = (EVENTS.c.study.in_(studies), EVENTS.c.kind == "ended", EVENTS.c.time >= began)
    ended = connection.execute(sa.select(EVENTS.c.time, EVENTS.c.data).where(*mine)) if studies else ()
    seconds, trials = defaultdict[str, float](float), defaultdict[str, int](int)
    for each in ended:
        trials[month(each.time)] += json.loads(each.data).get("state") in FINISHED
    while until > began:
        since = max(began, beginning(until))
        seconds[month(since)] += (until - since) * row["slots"]
        until = since
    for name in sorted({month(began), *seconds, *trials}):
        where = sa.and_(USAGE.c.person == row["person"], USAGE.c.month == name, USAGE.c.device == device)
        more = {"slot_seconds": USAGE.c.slot_seconds + seconds[name], "trials": USAGE.c.trials + trials[name]}
        if not connection.execute(sa.update(USAGE).where(where).values(more)).rowcount:
            values = {"person": row["person"], "month": name, "device": device}
            connection.execute(sa.insert(USAGE).values(**values, slot_seconds=seconds[name], trials=trials[name]))
    return sum(seconds.values())


def month(now: float) -> str:
    """Name the calendar month, such as 2026-11."""
    return time.strftime("%Y-%m", time.gmtime(now))


def beginning(until: float) -> float:
    """Give the beginning of the calendar month that has come as far as a moment, or ends with it.

    >>> beginning(1_793_491_200.0), beginning(1_793_491_201.0)  # November 2026 begins, and a second later
    (1790812800, 1793491200)

    """
    year, number, *_ = time.gmtime(until - 1e-3)
    return calendar.timegm((year, number, 1, 0, 0, 0))
