"""The service's database: one writer at a time, migrations by a command, SQLite or PostgreSQL.

A write transaction holds the database's write lock from its start: `BEGIN IMMEDIATE` on SQLite, an advisory lock on
PostgreSQL. So a claim sees the quotas as they are, and events are committed in the order of their ids.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from study.errors import InputError, PlaceError
from study.record import atomic_files
from study.sampling import lease
from study.service import tables
from study.settings import sqlite_file
from study.waiting import first_line

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection, Engine

PATIENCE = 30.0  # seconds that SQLite waits for a lock
LOCK, SERVES = 815, 816  # numbers of PostgreSQL's advisory locks: of the one who writes, and of the one server
WRITES, TELLS = "study_writes", "study_tells"
MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """An engine with two kinds of transactions.

    Args:
        url: SQLAlchemy's.

    """

    def __init__(self, url: str) -> None:  # noqa: D107 - see the class
        self.url = url
        self.engine = _engine(url)
        # On PostgreSQL each statement would see what was committed before it; on SQLite a transaction sees one state.
        repeatable = self.engine.dialect.name == "postgresql"
        self._reads: dict[str, Any] = {"isolation_level": "REPEATABLE READ"} if repeatable else {}
        self.tells: frozenset[str] = frozenset()  # the ways in which others are told of runs
        self.state = object()  # another one after each write
        self._watching: sqlite3.Connection | None = None
        self._serving: Connection | None = None  # PostgreSQL's session that holds the lock of the one server

    @contextmanager
    def read(self) -> Generator[Connection]:
        """Give a connection whose transaction sees one state of the database."""
        with self.engine.connect().execution_options(**self._reads) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, drops: bool = True) -> Generator[Connection]:
        """Give a connection that holds the write lock and commits at the end of the block, unless it raises.

        Args:
            drops: whether answers that were given before are dropped, so that the next request sees what is written.

        """
        with (
            self.engine.connect().execution_options(**{WRITES: True, TELLS: self.tells}) as connection,
            connection.begin(),
        ):
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            yield connection
        if drops:
            self.drop()

    def drop(self) -> None:
        """Have `response_cache` forget what was answered before."""
        self.state = object()

    def stamp(self) -> int | None:
        """Give a number that every commit of any process changes; None where the database has none, as PostgreSQL."""
        file = sqlite_file(self.url)
        if file is None:
            return None
        try:
            if self._watching is None:
                self._watching = sqlite3.connect(file, timeout=0, check_same_thread=False, isolation_level=None)
            return int(self._watching.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:  # whoever asks the database next says so
            return None

    def serve(self) -> None:
        """Be the one server of a PostgreSQL database, again if the session that had its lock was lost.

        Raises:
            InputError: another one serves it.
            SQLAlchemyError: the database is away.

        """
        if self.engine.dialect.name != "postgresql":
            return
        if self._serving is not None:
            try:
                self._serving.execute(sa.text("SELECT 1"))
                self._serving.commit()
            except SQLAlchemyError:
                self.leave()
            else:
                return
        with ExitStack() as held:
            session = held.enter_context(self.engine.connect())
            session.detach()  # from the pool: the lock ends with the session, and that as it is closed
            for name, value in lease.KEEPALIVES.items():  # a server whose machine has gone keeps the lock no longer
                session.execute(sa.text(f"SET tcp_{name} = {value}"))
            free = session.execute(sa.text(f"SELECT pg_try_advisory_lock({SERVES})")).scalar()
            session.commit()
            if not free:
                raise served_by_another(_where(self))
            held.pop_all()
            self._serving = session

    def leave(self) -> None:
        """Serve the database no longer."""
        if self._serving is not None:
            with suppress(SQLAlchemyError):
                self._serving.close()
            self._serving = None

    def close(self) -> None:
        """Close all connections."""
        self.leave()
        self.engine.dispose()
        if self._watching is not None:
            self._watching.close()


def _engine(url: str) -> Engine:
    if not url.startswith(("sqlite:", "postgresql:", "postgresql+psycopg:")):
        what = f"the service's database is SQLite or PostgreSQL, not {url.partition(':')[0]}"
        raise PlaceError(what, where="--database", fix="Write it as postgresql+psycopg://USER:PASSWORD@HOST/DATABASE.")
    if url.startswith("postgresql:"):
        url = url.replace("postgresql:", "postgresql+psycopg:", 1)
    if not url.startswith("sqlite:"):
        limits = lease.connect_args("postgresql", PATIENCE)
        return sa.create_engine(url, connect_args=limits, pool_pre_ping=True, pool_size=20, max_overflow=20)
    engine = sa.create_engine(url, connect_args={"timeout": PATIENCE, "check_same_thread": False}, pool_size=20)
    event.listen(engine, "connect", _settle)
    event.listen(engine, "begin", _begin)
    return engine


def _settle(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def opened(url: str) -> Database:
    """Open the service's database; a new one gets its tables, an older one is refused.

    Raises:
        PlaceError: it cannot be used, or its tables are those of another version.

    """
    database = Database(url)
    try:
        found, newest = version(database), newest_version()
        if found is None:
            _upgrade(database)
        elif found != newest:
            fix = f"Stop the service and run `study upgrade`, which makes a copy first (version {found} to {newest})."
            raise PlaceError("the tables are those of another version of study", where=_where(database), fix=fix)
    except SQLAlchemyError as error:
        fix = "Check --database (or STUDY_DATABASE)."
        raise PlaceError(f"cannot be used: {first_line(error)}", where=_where(database), fix=fix) from error
    return database


@contextmanager
def served(database: Database) -> Generator[None]:
    """Be the one server of a database until the block ends, or this process does.

    Raises:
        InputError: another one serves it.

    """
    name = database.engine.url.database or ""
    is_file = database.engine.dialect.name == "sqlite" and not name.startswith((":memory:", "file:")) and name
    with alone(Path(f"{Path(name).resolve()}.lock"), _where(database)) if is_file else nullcontext():
        database.serve()
        try:
            yield
        finally:
            database.leave()


@contextmanager
def alone(file: Path, what: str) -> Generator[None]:
    """Hold a lock file, which nobody else can open, until the block ends or this process does.

    Args:
        file: that is locked; made if it is not there.
        what: it stands for, in the error.

    Raises:
        InputError: another server holds it.

    """
    lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with closing(os.fdopen(lock)):
        os.fchmod(lock, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise served_by_another(what) from None
        yield


def served_by_another(what: str) -> InputError:
    """Make the error of a second server for one home folder or database."""
    return InputError("another `study serve` serves it", where=what, fix="Stop that one first.")


def upgrade(url: str, backups: Path) -> tuple[str | None, str, Path | None]:
    """Bring the tables to the newest version.

    Args:
        url: of the database.
        backups: folder that gets a copy of a SQLite database first.

    Returns:
        The version before, the version now, and the copy; None for PostgreSQL, of which `pg_dump` makes one.

    Raises:
        PlaceError: the database cannot be used, or the copy cannot be written.

    """
    database = Database(url)
    try:
        before, copy = version(database), None
        if before != newest_version():
            file = sqlite_file(url)
            if before is not None and file is not None:
                copy = backups / f"service-{before}-{time.strftime('%Y%m%d-%H%M%S')}.db"
                copy_sqlite(file, copy)
                copy.chmod(0o600)  # it has people's password hashes
            _upgrade(database)
        return before, newest_version(), copy
    except SQLAlchemyError as error:
        what = f"cannot be used: {first_line(error)}"
        raise PlaceError(what, where=_where(database), fix="Check --database (or STUDY_DATABASE).") from error
    except OSError as error:
        raise atomic_files.cannot_write(backups, error) from error
    finally:
        database.close()


def copy_sqlite(file: Path, copy: Path) -> None:
    """Copy a SQLite database that others may be writing: one state of it, whole."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def version(database: Database) -> str | None:
    """Give the version of the tables; None for a database without them."""
    with database.read() as connection:
        return MigrationContext.configure(connection, opts={"version_table": "service_version"}).get_current_revision()


def newest_version() -> str:
    """Give the version of the tables that this program uses."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def append_audit(connection: Connection, person: str, action: str, subject: str, detail: str = "") -> None:
    """Add a line to the audit log, in the transaction of what it tells of."""
    row = {"time": time.time(), "person": person, "action": action, "subject": subject[:255], "detail": detail[:2000]}
    connection.execute(sa.insert(tables.audit).values(row))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _upgrade(database: Database) -> None:
    with database.write() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _where(database: Database) -> str:
    return f"the service's database {database.engine.url}"  # SQLAlchemy writes it without the password
