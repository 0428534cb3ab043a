"""The queue: one table, in which runs are accepted, claimed, ended, and moved by people's wishes.

A run is accepted in one transaction with its idempotency key, so that a repeated submit is the same run. Each claim has
a token; what is written with the token of an older claim is not written. A claim does not expire: it ends with its
attempt, or the next server takes it over as it starts. The server keeps no state of a trial: the command that a run
is goes on where it was stopped, so that an attempt may be ended at any time and begun again.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from study.formatting import moment, to_json
from study.schemas.service import LIVE, Asked, Run
from study.service import notifications, quotas, tables
from study.service.errors import Conflict, Forbidden
from study.service.scheduling import Claim, share
from study.service.store import TELLS, append_audit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection

    from study.schemas.service import Submitted
    from study.service.people import Person
    from study.service.quotas import Allowance
    from study.service.store import Database

FAILURES = 5  # in a row, after which a run is paused
NO_NODE = "waits for a node of the cluster with room for a trial"
BACKOFF = 2.0  # seconds after the first failure, doubled with each
RUNS = tables.runs
Row = dict[str, Any]


def submit(database: Database, person: Person, wanted: Submitted) -> tuple[Run, bool]:
    """Accept a run; with the idempotency key of an earlier one it is that run.

    Returns:
        The run, and whether it is new.

    Raises:
        Conflict: the key is that of a run that was asked for something else.
        Forbidden: a priority above 0 of somebody who is no admin.

    """
    if wanted.priority > 0 and not person.may("admin"):
        raise Forbidden("only an admin gives a priority above 0", fix="Leave it at 0.")
    asked = to_json(Asked(**{name: getattr(wanted, name) for name in Asked.model_fields}).plain())
    row: Row = {
        "id": secrets.token_hex(4), "key": wanted.key or secrets.token_hex(16), "person": person.name,
        "question": wanted.question, "study": wanted.file.name if wanted.file else wanted.study, "asked": asked,
        "wanted_slots": wanted.workers, "priority": wanted.priority, "status": "queued", "submitted": time.time(),
    }  # fmt: skip
    with database.write() as connection:
        chosen = sa.select(RUNS).where(RUNS.c.person == person.name, RUNS.c.key == row["key"])
        if (before := connection.execute(chosen).mappings().first()) is not None:
            if before["asked"] != asked:
                raise Conflict("this idempotency key is that of another run", fix="Choose another key.")
            return described(dict(before)), False
        connection.execute(sa.insert(RUNS).values(row))
        append_audit(connection, person.name, "submit", row["id"], f"{wanted.question} {row['study']}")
        made = _tell(connection, row["id"])
    return described(made), True


def get(database: Database, identity: str) -> Run | None:
    """Give a run; None if there is none."""
    with database.read() as connection:
        row = _row(connection, identity)
    return described(row) if row else None


def listed(
    database: Database, *, statuses: Collection[str] = (), before: int | None = None, limit: int = 50,
    study: str | None = None,
) -> tuple[list[Run], int | None]:  # fmt: skip
    """List runs, the newest first.

    Args:
        database: of the service.
        statuses: only those of one of them; of any if empty.
        before: the number after which the last list ended.
        limit: how many at most.
        study: only those that asked for it.

    Returns:
        The runs, and `before` of the next list; None at the end.

    """
    chosen = sa.select(RUNS).order_by(RUNS.c.number.desc()).limit(limit + 1)
    if statuses:
        chosen = chosen.where(RUNS.c.status.in_(statuses))
    if before is not None:
        chosen = chosen.where(RUNS.c.number < before)
    if study is not None:
        chosen = chosen.where(RUNS.c.study == study)
    with database.read() as connection:
        rows = [dict(row) for row in connection.execute(chosen).mappings()]
    more = rows[limit - 1]["number"] if len(rows) > limit else None
    return [described(row) for row in rows[:limit]], more


def ended(database: Database, limit: int) -> list[Run]:
    """List the runs that ended last, the latest first."""
    latest = sa.select(RUNS.c.number).where(RUNS.c.ended.is_not(None)).order_by(RUNS.c.ended.desc()).limit(limit)
    chosen = sa.select(RUNS).where(RUNS.c.number.in_(latest)).order_by(RUNS.c.ended.desc())
    with database.read() as connection:
        return [described(dict(row)) for row in connection.execute(chosen).mappings()]


def waiting(database: Database) -> list[Run]:
    """List the runs that wait or run, in the order in which they get slots."""
    order = (RUNS.c.priority.desc(), RUNS.c.number)
    with database.read() as connection:
        rows = connection.execute(sa.select(RUNS).where(RUNS.c.status.in_(("queued", "running"))).order_by(*order))
        return [described(dict(row)) for row in rows.mappings()]


def wish(database: Database, person: Person, identity: str, verb: str, priority: int = 0) -> Run | None:
    """Stop, resume, cancel or reorder a run, one's own or, as an admin, anybody's; None if there is none.

    Raises:
        Forbidden: it is somebody else's, or a priority above 0 of somebody who is no admin.
        Conflict: it has ended.

    """
    with database.write() as connection:
        row = _row(connection, identity)
        if row is None:
            return None
        if row["person"] != person.name and not person.may("admin"):
            raise Forbidden(f"run {identity} is {row['person']}'s", fix="Ask them or an admin.")
        if verb == "priority" and priority > 0 and not person.may("admin"):
            raise Forbidden("only an admin gives a priority above 0", fix="Give 0 or less.")
        if row["status"] not in LIVE and not (verb == "resume" and row["status"] in {"failed", "cancelled"}):
            raise Conflict(f"run {identity} has ended: {row['status']}")
        if to := _wished(row, verb, person.name, priority):
            append_audit(connection, person.name, verb, identity, str(priority) if verb == "priority" else "")
            connection.execute(sa.update(RUNS).where(RUNS.c.id == identity).values(to))
            row = _tell(connection, identity, row["status"])
    return described(row)


def _wished(row: Row, verb: str, by: str, priority: int) -> Row:
    """Say what changes of a run; empty if it is so already."""
    runs = row["status"] == "running"
    match verb:
        case "priority":
            return {"priority": priority}
        case "stop" if runs:
            return {"wish": "stop", "reason": f"stops after the current epochs, as {by} wished"}
        case "stop" if row["status"] == "queued":
            return {"status": "paused", "reason": f"stopped by {by}"}
        case "cancel" if runs:
            return {"wish": "cancel", "reason": f"cancelled by {by}"}
        case "cancel":
            return {"status": "cancelled", "reason": f"cancelled by {by}", "ended": time.time()}
        case "resume" if not runs:
            return {"status": "queued", "reason": "", "failures": 0, "not_before": 0.0, "ended": None}
        case "resume" if row["wish"] == "stop":
            return {"wish": "yield", "reason": ""}
        case _:
            return {}


def claim(database: Database, slots: int) -> tuple[list[Row], list[str]]:
    """Give free slots to waiting runs, and find runs that must give some up.

    Args:
        database: of the service.
        slots: of the machine.

    Returns:
        The rows of the runs that were claimed, with their new token and the trials that a quota allows, and the ids of
        those that are to yield.

    """
    with database.read() as connection:  # without the write lock as long as nobody waits
        if not connection.execute(sa.select(sa.exists().where(RUNS.c.status == "queued"))).scalar():
            return [], []
    now, claimed = time.time(), dict[str, int | None]()
    with database.write(drops=False) as connection:
        chosen = sa.select(RUNS).where(RUNS.c.status.in_(("queued", "running"))).order_by(RUNS.c.number)
        rows = [dict(row) for row in connection.execute(chosen).mappings()]
        may = quotas.read(connection, [row for row in rows if row["status"] == "running"], now)
        able = [row for row in rows if row["status"] == "running" or not _is_hindered(connection, row, rows, may, now)]
        given = share(slots, [claim_of(row, may) for row in able], may.slots)
        free = slots - sum(row["slots"] for row in rows if row["status"] == "running")
        starved = False
        for row in sorted((row for row in able if row["status"] == "queued"), key=lambda one: -one["priority"]):
            grant = min(given.get(row["id"], 0), free)
            if grant > 0 and may.hindrance(row["person"], row["reserved"]):  # of what one before it has reserved
                _because(connection, row, may.hindrance(row["person"], row["reserved"]))
            elif grant > 0:
                free -= grant
                allowed = claimed[row["id"]] = may.granted(row["person"], row["question"], row["reserved"])
                row["reserved"] = row["reserved"] if row["question"] == "run" else allowed
                may = quotas.taken(may, row["person"], row["reserved"] or 0)
                _start(connection, row, grant, now)
            else:
                starved |= given.get(row["id"], 0) > 0
                quota = "" if given.get(row["id"], 0) else may.full(row["person"])
                _because(connection, row, f"waits: {quota}" if quota else "waits for a slot" if slots else NO_NODE)
        running = [row for row in rows if row["status"] == "running"]
        late = [row for row in running if not row["wish"] and given.get(row["id"], 0) < row["slots"]]
        for row in late if starved else ():
            connection.execute(sa.update(RUNS).where(RUNS.c.id == row["id"]).values(wish="yield"))
        took = [{**(_row(connection, each) or {}), "allowance": allowed} for each, allowed in claimed.items()]
    if took:
        database.drop()
    return took, [row["id"] for row in late] if starved else []


def claim_of(row: Row, may: Allowance) -> Claim:
    """Say what a run has and wants of the slots."""
    group = may.group.get(row["person"], "")
    return Claim(row["id"], row["person"], row["priority"], row["wanted_slots"], row["slots"], group)


def hindrance(connection: Connection, row: Row, rows: list[Row], may: Allowance) -> str:
    """Say why a waiting run cannot start whatever is free; empty if it can, or will within seconds.

    Args:
        connection: to the database.
        row: of the run; what it has to reserve of a quota is written into it.
        rows: of all runs that wait or run.
        may: what each person may still use.

    """
    base = row["study"].partition("@")[0]
    for other in rows:
        before = other["status"] == "running" or other["number"] < row["number"]
        if before and other is not row and other["study"].partition("@")[0] == base:
            return f"waits for run {other['id']} of the same study"
    row["reserved"] = quotas.needed(connection, row)
    return may.hindrance(row["person"], row["reserved"])


def _is_hindered(connection: Connection, row: Row, rows: list[Row], may: Allowance, now: float) -> bool:
    """Tell whether a waiting run cannot start now whatever is free, and store why."""
    if why := hindrance(connection, row, rows, may):
        _because(connection, row, why)
    return bool(why) or row["not_before"] > now


def _because(connection: Connection, row: Row, reason: str) -> None:
    if row["reason"] != reason:
        connection.execute(sa.update(RUNS).where(RUNS.c.id == row["id"]).values(reason=reason))
        _tell(connection, row["id"])


def _start(connection: Connection, row: Row, slots: int, now: float) -> None:
    to = {
        "status": "running", "slots": slots, "reason": "", "wish": "", "attempt": row["attempt"] + 1, "started": now,
        "lease_token": secrets.token_hex(16), "process": None, "ended": None, "reserved": row["reserved"],
    }  # fmt: skip
    connection.execute(sa.update(RUNS).where(RUNS.c.id == row["id"]).values(to))
    _tell(connection, row["id"])


def wishes(database: Database, tokens: Mapping[str, str]) -> dict[str, str]:
    """Give the wish of each run whose claim, given by its token, is still ours."""
    chosen = sa.select(RUNS.c.id, RUNS.c.wish, RUNS.c.lease_token).where(RUNS.c.status == "running")
    with database.read() as connection:
        return {row.id: row.wish for row in connection.execute(chosen) if tokens.get(row.id) == row.lease_token}


def note(database: Database, identity: str, token: str, **to: Any) -> None:
    """Write what is known of a running run, if it is still ours."""
    with database.write() as connection:
        connection.execute(sa.update(RUNS).where(RUNS.c.id == identity, RUNS.c.lease_token == token).values(to))


def left_running(database: Database) -> list[Row]:
    """Take over the runs that an ended server has left running: each gets a new token. Its children may live."""
    with database.write() as connection:
        rows = connection.execute(sa.select(RUNS).where(RUNS.c.status == "running")).mappings().all()
        for row in rows:
            to = {"lease_token": secrets.token_hex(16)}
            connection.execute(sa.update(RUNS).where(RUNS.c.id == row["id"]).values(to))
        return [_row(connection, row["id"]) or {} for row in rows]


def end(
    database: Database, identity: str, token: str, to: Row, device: str = "cpu", until: float | None = None
) -> Row | None:
    """Write how an attempt ended, and its use of a device.

    `until` is when it ended, in seconds since 1970; now if None. Gives the row; None if the claim is another's by now.

    """
    with database.write() as connection:
        row = _row(connection, identity)
        if row is None or row["lease_token"] != token or row["status"] != "running":
            return None
        seconds = quotas.use(connection, row, until or time.time(), device)
        written = {"lease_token": None, "process": None, "wish": "", "slots": 0, "reserved": None, **to}
        written |= {"slot_seconds": row["slot_seconds"] + seconds}
        written |= {"ended": time.time()} if to["status"] in {"done", "failed", "cancelled"} else {}
        connection.execute(sa.update(RUNS).where(RUNS.c.id == identity).values(written))
        return _tell(connection, identity)


def _row(connection: Connection, identity: str) -> Row | None:
    row = connection.execute(sa.select(RUNS).where(RUNS.c.id == identity)).mappings().first()
    return dict(row) if row else None


def _tell(connection: Connection, identity: str, before: str = "") -> Row:
    """Write the event of a run's new state, in the same transaction; give its row.

    Others are told of it unless its status was the same `before`.

    """
    row = _row(connection, identity)
    assert row is not None
    data = {name: row[name] for name in ("status", "reason", "question", "study", "person", "attempt", "priority")}
    event = {"time": time.time(), "kind": "run", "run": identity, "data": to_json(data)}
    connection.execute(sa.insert(tables.events).values(event))
    if row["status"] != before:
        notifications.note(connection, row, connection.get_execution_options().get(TELLS, ()))
    return row


def described(row: Row) -> Run:
    """Describe a run in plain values."""
    asked = json.loads(row["asked"])
    asked["file"] = {"name": asked["file"]["name"]} if asked["file"] else None
    copied = ("id", "person", "question", "study", "status", "reason", "priority", "slots", "attempt", "failures")
    return Run(
        **{name: row[name] for name in copied},
        asked={name: value for name, value in asked.items() if value not in (None, {}, [])},
        studies=json.loads(row["studies"]),
        submitted=moment(row["submitted"]),
        started=moment(row["started"]),
        ended=moment(row["ended"]),
        slot_hours=round(row["slot_seconds"] / 3600, 4),
        answer=json.loads(row["answer"]) if row["answer"] else None,
    )
