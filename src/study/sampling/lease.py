"""One coordinator a study, whatever machines and folders there are: a lease with a fencing number in Optuna's database.

The lease is a row of the table `study_leases`, which is ours; Optuna neither reads it nor changes it in an upgrade. The
row names the holder, the time of its last renewal and the fencing number, which is new whenever somebody takes the
study. The same statements serve SQLite, PostgreSQL and MySQL.

- The holder renews every `RENEW` seconds, in a thread with connections of its own, so that neither a training nor a
  long transaction delays it.
- Every transaction that the holder commits first looks at the fencing number, with a lock on the row. If somebody has
  taken the study, nothing is committed and `LeaseLost` is raised: two coordinators never both write.
- A holder that cannot renew keeps the study until somebody takes it: a database that was frozen for an hour costs
  nobody a search. An expired lease is a permission for others, not a limit for its holder.
- A study is taken at once if it was released, or if its holder was a process of this machine that has ended. Else the
  lease must have expired, and must not be renewed while the taker watches for `GRACE` seconds. So a holder keeps the
  study where the database has just come back for both of them.
- All times are the database's own, so that clocks of machines may differ. If that clock is set forward, `GRACE`
  protects the holder; if it is set back, the taker watches for the whole of `LEASE`, by its own clock.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy
import sqlalchemy.event
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from study import waiting
from study.errors import PlaceError, StudyError, StudyLocked
from study.record import owner

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from sqlalchemy import Connection, Engine

RENEW = 5.0  # seconds between two renewals
GRACE = 12.0  # seconds that a taker watches at least; more than two renewals
LEASE = 60.0  # seconds after the last renewal from which others may take the study
CONNECT_SECONDS = 10
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}  # of PostgreSQL, in seconds
RELEASE = 1.0  # seconds that the end of a command waits at most for the release; its process is then gone
LEASES = sqlalchemy.Table(
    "study_leases",
    sqlalchemy.MetaData(),
    sqlalchemy.Column("study", sqlalchemy.String(512), primary_key=True),
    sqlalchemy.Column("fence", sqlalchemy.BigInteger, nullable=False),
    sqlalchemy.Column("renewed", sqlalchemy.BigInteger, nullable=False),  # milliseconds since 1970; 0 if it is free
    sqlalchemy.Column("holder", sqlalchemy.Text, nullable=False),
)
NOW = {  # milliseconds since 1970 by the database's clock, also within a transaction that has taken long
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
    "mysql": "CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)",
    "mariadb": "CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)",
}
HELD: set[int] = set()  # fencing numbers of this process: what it has given up is free at once, released or not
_holding = threading.Lock()  # between the end of a lease and its becoming one of HELD
log = logging.getLogger("study")


class LeaseLost(StudyError):
    """Another process has taken the study; nothing more is written to the database."""


class _Row(NamedTuple):
    """The lease as it was read; `age` is the time since the last renewal in seconds, below 0 if the clock was set."""

    fence: int
    renewed: int
    holder: Mapping[str, Any]
    age: float


class Lease:
    """The lease of one study, held by this process."""

    def __init__(self, engine: Engine, study: str, me: Mapping[str, Any]) -> None:
        """Name the study; nothing is read.

        Args:
            engine: of Optuna's database.
            study: the study's name.
            me: this process, as `study.record.owner.this_process` describes it.

        """
        self._study, self._me = study, json.dumps(me)
        own = connect_args(engine.dialect.name, RENEW)
        self._own = sqlalchemy.create_engine(engine.url, poolclass=NullPool, connect_args=own)
        self._fence = self.looks = 0
        self._renewed = time.monotonic()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease of {study}", daemon=True)
        self.lost = ""  # who has taken the study
        self.trouble = ""  # why the last renewal failed
        self.is_sealed = False

    def silent(self) -> float:
        """Give the seconds since the last renewal."""
        return time.monotonic() - self._renewed

    def require(self) -> None:
        """Check that nobody has taken the study, as far as is known.

        Raises:
            LeaseLost: somebody has.

        """
        if self.lost:
            raise self.loss()

    def loss(self) -> LeaseLost:
        """Make the error that says who has taken the study."""
        return LeaseLost(self.lost, where=self._study, fix="Everything is saved; the same command goes on later.")

    def take(self) -> None:
        """Take the study; waits for a lease whose holder is silent.

        Raises:
            StudyLocked: its holder is alive.

        """
        with self._own.begin() as connection:
            LEASES.create(connection, checkfirst=True)
        watched, seen, said = time.monotonic(), None, False
        while not self._ending.is_set():
            row = self._read()
            self.looks += 1
            if row is None or not row.renewed or self._is_given_up(row):
                if self._taken(row):
                    return
                continue
            if seen is not None and row[:2] != seen[:2]:
                raise locked(self._study, row.holder)
            if seen is None and -1 < row.age < GRACE:
                raise locked(self._study, row.holder, f"heard from {max(row.age, 0):.0f} s ago", LEASE - row.age)
            seen, watching = row, time.monotonic() - watched
            left = LEASE - watching if row.age < 0 else max(LEASE - row.age, GRACE - watching)
            if left <= 0 and self._taken(row):
                return
            if not said:
                said = True
                log.warning("%s: %s; not heard from for %.0f s, so this waits %.0f s in case it is still there",
                            self._study, _who(row.holder), max(row.age, 0), max(left, 0))  # fmt: skip
            time.sleep(0.2)

    def renew(self) -> None:
        """Say that the holder is alive; raises SQLAlchemyError if the database is away, `LeaseLost` as `require`."""
        with self._own.begin() as connection:
            mine = (LEASES.c.study == self._study, LEASES.c.fence == self._fence)
            if connection.execute(LEASES.update().where(*mine).values(renewed=self._now())).rowcount == 0:
                self._lose_or_enter(connection)
        self._renewed, self.trouble = time.monotonic(), ""
        self.require()

    def start(self) -> None:
        """Start the thread that renews the lease."""
        self._thread.start()

    def _keep(self) -> None:
        while not self._ending.wait(RENEW) and not self.lost:
            try:
                self.renew()
            except SQLAlchemyError as error:
                self.trouble = waiting.first_line(error)
            except LeaseLost:
                return
        self._release()

    def guard(self, connection: Connection) -> None:
        """Look at the fencing number at the end of a transaction; its row stays locked until the commit.

        Raises:
            LeaseLost: another process has taken the study.

        """
        mine = sqlalchemy.select(LEASES.c.fence, LEASES.c.holder).where(LEASES.c.study == self._study)
        found = connection.execute(mine.with_for_update(read=True)).one_or_none()
        if found is not None and found.fence != self._fence:
            self._lose(found.holder)
        self.require()

    def seal(self) -> None:
        """Let no transaction commit any more, such as one of a thread that hangs in a frozen database."""
        self.is_sealed = True
        self.lost = self.lost or "the search has ended"

    def release(self) -> None:
        """Give the study back; a database that is away keeps the lease, which then expires."""
        with _holding:
            self._ending.set()
            HELD.discard(self._fence)
        if self._thread.is_alive():
            self._thread.join(RELEASE)

    def _release(self) -> None:
        mine = (LEASES.c.study == self._study, LEASES.c.fence == self._fence)
        try:
            with self._own.begin() as connection:
                connection.execute(LEASES.update().where(*mine).values(renewed=0, holder=""))
        except SQLAlchemyError as error:
            log.debug("%s: the lease was not released: %s", self._study, waiting.first_line(error))

    def _read(self) -> _Row | None:
        columns = LEASES.c.fence, LEASES.c.renewed, LEASES.c.holder, self._now()
        with self._own.begin() as connection:
            row = connection.execute(sqlalchemy.select(*columns).where(LEASES.c.study == self._study)).one_or_none()
        return None if row is None else _Row(row[0], row[1], described(row[2]), (row[3] - row[1]) / 1000)

    def _is_given_up(self, row: _Row) -> bool:
        """Tell whether the holder has ended, or is this process and has ended its search."""
        is_ours = row.fence not in HELD and owner.is_this(row.holder)
        return is_ours or owner.is_dead(row.holder)

    def _taken(self, row: _Row | None) -> bool:
        """Take the study if the lease is still as it was read."""
        try:
            with self._own.begin() as connection:
                now = connection.execute(sqlalchemy.select(self._now())).scalar_one()
                fence = max(now, row.fence + 1 if row else 1)
                values = {"fence": fence, "renewed": now, "holder": self._me}
                if row is None:
                    connection.execute(LEASES.insert().values(study=self._study, **values))
                else:
                    same = (LEASES.c.study == self._study, LEASES.c.fence == row.fence, LEASES.c.renewed == row.renewed)
                    if connection.execute(LEASES.update().where(*same).values(**values)).rowcount == 0:
                        return False
        except IntegrityError:  # another process was faster
            return False
        self._fence, self._renewed = fence, time.monotonic()
        with _holding:
            if not self._ending.is_set():
                HELD.add(fence)
        if self._ending.is_set():  # the database answers so late that nobody waits for the lease any more
            self._release()
        return True

    def _lose_or_enter(self, connection: Connection) -> None:
        """Note who has taken the study; where the row is gone, as with a restored database, enter it again."""
        row = connection.execute(sqlalchemy.select(LEASES.c.holder).where(LEASES.c.study == self._study)).one_or_none()
        if row is not None:
            self._lose(row.holder)
            return
        values = {"fence": self._fence, "renewed": self._now(), "holder": self._me}
        connection.execute(LEASES.insert().values(study=self._study, **values))

    def _lose(self, holder: str) -> None:
        self.lost = f"another process has taken the study: {_who(described(holder))}"

    def _now(self) -> sqlalchemy.ColumnElement[int]:
        """Give the database's time in milliseconds since 1970; of an unknown database this machine's."""
        clock = NOW.get(self._own.dialect.name, str(round(1000 * time.time())))
        return sqlalchemy.literal_column(clock, sqlalchemy.BigInteger)


@contextmanager
def leased(engine: Engine, study: str, me: Mapping[str, Any]) -> Generator[Lease]:
    """Hold the lease of a study until the block ends; in it, no transaction of the engine commits without the lease.

    Args:
        engine: of Optuna's database.
        study: the study's name.
        me: this process.

    Raises:
        StudyLocked: another process runs the study; says which, where and since when.
        PlaceError: the database cannot be written, or does not answer.

    """
    lease = Lease(engine, study, me)
    where = f"Optuna's storage {engine.url}"  # SQLAlchemy writes it without the password
    try:
        waiting.answer(where, lease.take, lambda: lease.looks)
        lease.start()
        sqlalchemy.event.listen(engine, "commit", lease.guard)
        yield lease
    except SQLAlchemyError as error:
        what = f"cannot be used: {waiting.first_line(error)}"
        raise PlaceError(what, where=where, fix="Check --storage (or OPTUNA_STORAGE).") from error
    finally:
        if not lease.is_sealed and sqlalchemy.event.contains(engine, "commit", lease.guard):
            sqlalchemy.event.remove(engine, "commit", lease.guard)
        lease.release()


def connect_args(backend: str, patience: float) -> dict[str, Any]:
    """Give a driver's time limits, in seconds: of SQLite for a lock, of a server for a connection and a lost one."""
    match backend:
        case "sqlite":
            return {"timeout": patience}
        case "postgresql":
            return {"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": 1000 * CONNECT_SECONDS, **KEEPALIVES}
        case "mysql":
            return {"connect_timeout": CONNECT_SECONDS}
        case _:
            return {}


def locked(study: str, holder: Mapping[str, Any], heard: str = "", free_in: float = 0.0) -> StudyLocked:
    """Make the error that names who runs the study, where and since when.

    Args:
        study: the study's name.
        holder: the process; empty if unknown.
        heard: when it was heard from, for a lease.
        free_in: seconds after which a lease expires if its holder has ended; 0 for a lock that ends with its holder.

    """
    fix = "Wait for it, stop it with Ctrl-C, or use --name for a study of your own."
    if free_in:
        fix += f" If it has ended, the study is free in {free_in:.0f} s."
    return StudyLocked(f"{_who(holder)}{f', {heard}' if heard else ''}", where=study, fix=fix)


def _who(holder: Mapping[str, Any]) -> str:
    try:
        return owner.describe(holder)
    except (KeyError, TypeError):
        return "another process runs it"


def described(text: str) -> Mapping[str, Any]:
    """Read the description of a process; empty if it is none."""
    try:
        holder = json.loads(text)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}
