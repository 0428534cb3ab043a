"""Optuna's database: opened by URL, held by one coordinator a study; a folder as Optuna's trial."""

from __future__ import annotations

import fcntl
import json
import math
import os
import socket
import time
import zlib
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import optuna
import sqlalchemy
import sqlalchemy.event
from optuna.distributions import json_to_distribution
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from study import environment
from study.errors import PlaceError, StudyLocked

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from study.record.trial import Trial

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
CONNECT_SECONDS = 10
ATTRIBUTES = sqlalchemy.table(
    "trial_user_attributes", *(sqlalchemy.column(name) for name in ("trial_id", "key", "value_json"))
)
DATABASE_ERRORS = (SQLAlchemyError, optuna.exceptions.StorageInternalError)


def connect(url: str) -> RDBStorage:
    """Open Optuna's database, making it and its tables if need be; SQLite in WAL mode.

    Raises:
        PlaceError: it does not answer, cannot be written, or is not a database; the URL without its password.

    """
    try:
        engine = sqlalchemy.make_url(_with_driver(url))
        if engine.get_backend_name() == "sqlite":
            return _connect_sqlite(url, engine.database)
        seconds = _timeouts(engine.get_backend_name())
        return RDBStorage(_with_driver(url), engine_kwargs={"connect_args": seconds, "pool_pre_ping": True})
    except (*DATABASE_ERRORS, OSError, ImportError, ValueError, RuntimeError) as error:
        raise PlaceError(
            f"Optuna's storage cannot be used: {first_line(error)}",
            where=hide_password(url),
            fix="Check --storage (or OPTUNA_STORAGE), and that the server runs.",
        ) from error


@contextmanager
def opened(url: str) -> Generator[RDBStorage]:
    """Open Optuna's database for a block, as `connect`; its connections are closed at the end."""
    storage = connect(url)
    try:
        yield storage
    finally:
        storage.engine.dispose()


def _connect_sqlite(url: str, file: str | None) -> RDBStorage:
    options: dict[str, Any] = {"connect_args": {"timeout": 60}}
    if not file or file == ":memory:":
        return RDBStorage(url, engine_kwargs=options)
    folder = os.path.dirname(file) or "."  # noqa: PTH120 - a URL's part, not yet a path
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - as above
    with open(f"{file}.lock", "w") as lock:  # noqa: PTH123 - two first uses at once would break the new tables
        fcntl.flock(lock, fcntl.LOCK_EX)
        plain = sqlalchemy.create_engine(url, connect_args={"timeout": 60})
        with plain.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # stays with the file
        plain.dispose()
        storage = RDBStorage(url, engine_kwargs=options)
    sqlalchemy.event.listen(storage.engine, "connect", _faster_commits)
    storage.engine.dispose()  # connections made before the listener
    return storage


def _timeouts(backend: str) -> dict[str, int]:
    match backend:
        case "postgresql":
            return {"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": 1000 * CONNECT_SECONDS}
        case "mysql":
            return {"connect_timeout": CONNECT_SECONDS}
        case _:
            return {}


def _faster_commits(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")  # WAL: a power cut may lose the last commits, which folders hold


def _with_driver(url: str) -> str:
    """The driver that is installed, where the URL names none."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url


def hide_password(url: str) -> str:
    """Spell a URL without its password; what is no URL as it is."""
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url


def check(url: str) -> str:
    """Open the database and say in a few words what it is and holds, for `study doctor`.

    Raises:
        PlaceError: as `connect`.

    """
    with opened(url) as storage:
        studies = len(storage.get_all_studies())
        version = storage.engine.dialect.server_version_info
        dotted = ".".join(map(str, version)) if version else ""
        return f"{storage.engine.dialect.name} {dotted}, {studies} {'study' if studies == 1 else 'studies'}"


@contextmanager
def held(study: str, folder: Path, storage: RDBStorage) -> Generator[None]:
    """Be the one coordinator of the study until the block ends, or this process does.

    A file lock in the study's folder keeps out this machine's processes; on PostgreSQL an advisory lock keeps out
    other machines'.

    Raises:
        StudyLocked: another process is; says which, where and since when.

    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise _locked(study, file.read()) from None
        file.truncate(0)
        me = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time(), "command": environment.command()}
        file.write(json.dumps(me))
        file.flush()
        try:
            with _held_in_database(study, storage, json.dumps(me)):
                yield
        finally:
            file.truncate(0)  # a process that lives on runs it no more


@contextmanager
def _held_in_database(study: str, storage: RDBStorage, me: str) -> Generator[None]:
    if storage.engine.dialect.name != "postgresql":
        yield
        return
    key = zlib.crc32(f"study:{study}".encode())
    autocommit = storage.engine.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        connection.detach()  # not back to the pool: the lock ends with the connection, however this process ends
        if not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({key})").scalar():
            holder = ""
            with suppress(KeyError):  # its holder is about to make the study
                holder = storage.get_study_user_attrs(storage.get_study_id_from_name(study)).get("coordinator", "")
            raise _locked(study, holder)
        with suppress(KeyError):  # the study is about to be made
            storage.set_study_user_attr(storage.get_study_id_from_name(study), "coordinator", me)
        yield


def _locked(study: str, holder: str) -> StudyLocked:
    try:
        who = json.loads(holder)
        since = datetime.fromtimestamp(who["since"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        text = f"process {who['pid']} on {who['host']} runs it since {since} ({who['command']})"
    except (ValueError, KeyError, TypeError):
        text = "another process runs it"
    return StudyLocked(
        text, where=study, fix="Wait for it, stop it with Ctrl-C, or use --name for a study of your own."
    )


def study_id(storage: RDBStorage, name: str, direction: str) -> int:
    """Find the study in the database, or make it."""
    try:
        return storage.get_study_id_from_name(name)
    except KeyError:
        wanted = StudyDirection.MAXIMIZE if direction == "maximize" else StudyDirection.MINIMIZE
        return storage.create_new_study([wanted], name)


def count_trials(storage: RDBStorage, study: int) -> int:
    """Count a study's trials; Optuna's own way reads them all."""
    with storage.engine.connect() as connection:
        question = sqlalchemy.text("SELECT COUNT(*) FROM trials WHERE study_id = :study")
        return connection.execute(question, {"study": study}).scalar_one()


def not_running(storage: RDBStorage, study: int) -> set[int]:
    """Give the ids of a study's trials that wait or have ended; reading the trials themselves costs far more."""
    with storage.engine.connect() as connection:
        question = sqlalchemy.text("SELECT trial_id FROM trials WHERE study_id = :study AND state <> 'RUNNING'")
        return set(connection.execute(question, {"study": study}).scalars())


def claim(storage: RDBStorage, trial_id: int, uid: str) -> bool:
    """Make a waiting trial a running one with a uid, in one transaction; False if it does not wait any more.

    Optuna's own way takes two transactions, between which a kill would leave a trial that nobody runs.
    """
    now = sqlalchemy.bindparam("now", datetime.now(UTC).replace(tzinfo=None), sqlalchemy.DateTime)  # as Optuna does
    take = "UPDATE trials SET state = 'RUNNING', datetime_start = :now WHERE trial_id = :id AND state = 'WAITING'"
    with storage.engine.begin() as connection:
        if not connection.execute(sqlalchemy.text(take).bindparams(now), {"id": trial_id}).rowcount:
            return False
        connection.execute(
            _attributes_of(trial_id, "uid", "variant", "overrides")
        )  # of a trial that was enqueued again
        connection.execute(ATTRIBUTES.insert().values(trial_id=trial_id, key="uid", value_json=json.dumps(uid)))
    return True


def release(storage: RDBStorage, trial_id: int) -> None:
    """Let a claimed trial wait again, in one transaction."""
    back = "UPDATE trials SET state = 'WAITING', datetime_start = NULL WHERE trial_id = :id AND state = 'RUNNING'"
    with storage.engine.begin() as connection:
        if connection.execute(sqlalchemy.text(back), {"id": trial_id}).rowcount:
            connection.execute(_attributes_of(trial_id, "uid"))


def _attributes_of(trial_id: int, *keys: str) -> sqlalchemy.Delete:
    return ATTRIBUTES.delete().where(ATTRIBUTES.c.trial_id == trial_id, ATTRIBUTES.c.key.in_(keys))


def count_by_study(storage: RDBStorage) -> dict[str, int]:
    """Count the trials of every study in the database."""
    return {each.study_name: count_trials(storage, each._study_id) for each in storage.get_all_studies()}  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - Optuna has no other name for it


def forget(storage: RDBStorage, name: str) -> None:
    """Delete a study and its trials from the database, if it is there."""
    with suppress(KeyError):
        storage.delete_study(storage.get_study_id_from_name(name))


def end(storage: Any, trial_id: int, state: str, value: float | None, reason: str) -> None:
    """Tell a storage how a trial ended."""
    if reason:
        storage.set_trial_user_attr(trial_id, "reason", reason)
    storage.set_trial_state_values(trial_id, STATES[state], None if value is None or state == "failed" else [value])


def frozen(read: Trial) -> FrozenTrial:
    """Make Optuna's trial from one that was read from its folder."""
    about, history, ended = read.about, read.history, read.history.ended
    followed = about.get("followed") or about["metric"]
    more: dict[str, Any] = {"reason": ended.reason} if ended and ended.reason else {}
    more |= {} if history.audited is None else {"audited": history.audited}
    trial = optuna.trial.create_trial(
        state=STATES[ended.state] if ended else TrialState.RUNNING,
        value=ended.value if ended and ended.state != "failed" else None,
        params=about["params"],
        distributions={name: json_to_distribution(text) for name, text in about["distributions"].items()},
        intermediate_values={
            epoch.number: epoch.metrics[followed] for epoch in history.epochs if math.isfinite(epoch.metrics[followed])
        },
        user_attrs={**attributes(about), **more},
    )
    trial.datetime_start = datetime.fromtimestamp(about["created"])  # noqa: DTZ006 - Optuna keeps local time
    if ended:
        trial.datetime_complete = datetime.fromtimestamp(ended.time)  # noqa: DTZ006 - as above
    return trial


def attributes(about: Mapping[str, Any]) -> dict[str, Any]:
    """User attributes by which people know the trial in Optuna's dashboard."""
    return {name: about[name] for name in ("uid", "variant", "overrides") if about[name] is not None}


def placeholder() -> FrozenTrial:
    """Make a failed trial that keeps a number whose folder is not there."""
    return optuna.trial.create_trial(state=TrialState.FAIL, user_attrs={"reason": "its folder was deleted"})


def first_line(error: BaseException) -> str:
    """Give the database's own words for an error, without SQLAlchemy's around them."""
    cause = error.__cause__ or error
    original = getattr(cause, "orig", None) or getattr(error, "orig", None) or cause
    return str(original).strip().split("\n")[0] or type(original).__name__
