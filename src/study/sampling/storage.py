"""Optuna's database: opened by URL, held by one coordinator a study; a folder as Optuna's trial."""

from __future__ import annotations

import fcntl
import json
import math
import os
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import sqlalchemy
import sqlalchemy.event
from optuna.distributions import json_to_distribution
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.pool import NullPool, StaticPool

from study import environment, waiting
from study.errors import DefinitionChanged, PlaceError
from study.formatting import without_password
from study.record import locks, owner
from study.record.atomic_files import cannot_write
from study.record.journal import LOCK
from study.sampling import lease
from study.waiting import first_line

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from study.record.journal import TrialFolder
    from study.record.trial import Trial

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
LOCK_SECONDS = 60  # that SQLite waits for another program's transaction
ATTRIBUTES = sqlalchemy.table(
    "trial_user_attributes", *(sqlalchemy.column(name) for name in ("trial_id", "key", "value_json"))
)
DATABASE_ERRORS = (SQLAlchemyError, optuna.exceptions.StorageInternalError)
ERRORS = (*DATABASE_ERRORS, ValueError, TypeError, ArithmeticError)  # the last three: what a driver cannot write


def connect(url: str) -> RDBStorage:
    """Open Optuna's database, making it and its tables if need be; SQLite in WAL mode.

    Raises:
        PlaceError: it does not answer, cannot be written, or is not a database; the URL without its password.

    """
    return waiting.answer(f"Optuna's storage {without_password(url)}", lambda: _connect(url))


def _connect(url: str) -> RDBStorage:
    try:
        engine = sqlalchemy.make_url(_with_driver(url))
        if engine.get_backend_name() == "sqlite":
            return _connect_sqlite(url, engine.database)
        limits = lease.connect_args(engine.get_backend_name(), LOCK_SECONDS)
        return RDBStorage(_with_driver(url), engine_kwargs={"connect_args": limits, "pool_pre_ping": True})
    except (*DATABASE_ERRORS, OSError, ImportError, ValueError, RuntimeError, AssertionError) as error:
        raise PlaceError(
            f"Optuna's storage cannot be used: {first_line(error)}",
            where=without_password(url),
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
    options: dict[str, Any] = {"connect_args": lease.connect_args("sqlite", LOCK_SECONDS)}
    if not file or file == ":memory:":
        return RDBStorage(url, engine_kwargs={**options, "poolclass": StaticPool})  # one connection for all threads
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    with locks.locked(Path(f"{file}.lock")):  # two first uses at once would break the new tables
        plain = sqlalchemy.create_engine(url, connect_args={"timeout": 1}, poolclass=NullPool)
        with plain.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # stays with the file
        storage = RDBStorage(url, engine_kwargs=options)
    sqlalchemy.event.listen(storage.engine, "connect", _faster_commits)
    storage.engine.dispose()  # connections made before the listener
    return storage


def _faster_commits(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")  # WAL: a power cut may lose the last commits, which folders hold


def _with_driver(url: str) -> str:
    """The driver that is installed, where the URL names none."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
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
def held(study: str, folder: Path, storage: RDBStorage) -> Generator[lease.Lease]:
    """Be the one coordinator of the study until the block ends, or this process does.

    A file lock in the study's folder keeps out this machine's processes, a lease in the database those of other
    machines and folders: see `study.sampling.lease`.

    Raises:
        StudyLocked: another process is; says which, where and since when.
        PlaceError: the disk is full or the folder cannot be written.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+")
    except OSError as error:  # as of another person's folder
        raise cannot_write(folder / LOCK, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise lease.locked(study, lease.described(file.read())) from None
        me = owner.this_process(environment.command())
        try:
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), json.dumps(me).encode())
        except OSError as error:
            raise cannot_write(folder / LOCK, error) from error
        try:
            with lease.leased(storage.engine, study, me) as mine:
                yield mine
        finally:
            with suppress(OSError):
                os.ftruncate(file.fileno(), 0)  # a process that lives on runs it no more


def study_id(storage: RDBStorage, name: str, direction: str) -> int:
    """Find the study in the database, or make it.

    Raises:
        DefinitionChanged: it is there with another direction, or with several.

    """
    wanted = StudyDirection.MAXIMIZE if direction == "maximize" else StudyDirection.MINIMIZE
    try:
        found = storage.get_study_id_from_name(name)
    except KeyError:
        return storage.create_new_study([wanted], name)
    if (directions := storage.get_study_directions(found)) != [wanted]:
        said = " and ".join(each.name.lower() for each in directions)
        what = f"Optuna's database has a study of this name with the direction {said}, and this one is to {direction}"
        raise DefinitionChanged(what, where=name, fix="Give it another name: `--name NEW`, or `name=`.")
    return found


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
    now = sqlalchemy.bindparam("now", datetime.now(), sqlalchemy.DateTime)  # noqa: DTZ005 - Optuna keeps local time
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


def require_refusal(error: Exception) -> None:
    """Raise one of the `ERRORS` again, unless it means that the database does not take what it was given.

    A lock, a lost connection, a full disk or a race with another program is no refusal: the same may be taken later.
    """
    cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
    if isinstance(cause, SQLAlchemyError):
        is_refusal = isinstance(cause, DataError) or (
            isinstance(cause, StatementError) and not isinstance(cause, DBAPIError)
        )
    else:
        is_refusal = isinstance(cause, ValueError | TypeError | ArithmeticError)
    if not is_refusal:
        raise error


def end(storage: Any, trial_id: int, state: str, value: float | None, reason: str) -> None:
    """Tell a storage how a trial ended."""
    if reason:
        storage.set_trial_user_attr(trial_id, "reason", reason)
    storage.set_trial_state_values(trial_id, STATES[state], None if value is None or state == "failed" else [value])


def frozen(read: Trial) -> FrozenTrial:
    """Make Optuna's trial from one that was read from its folder."""
    about, history, ended = read.about, read.history, read.history.ended
    followed, more = about.get("followed") or about["metric"], dict[str, Any]()
    state, value = (STATES[ended.state], ended.value) if ended else (TrialState.RUNNING, None)
    if ended and ended.reason:
        more["reason"] = ended.reason
    if value is not None and math.isnan(value):  # of a test of one's own; stored, it would bar Optuna from the study
        value, state, more["reason"] = None, TrialState.FAIL, "its value is nan"
    if history.audited is not None:
        more["audited"] = history.audited
    trial = optuna.trial.create_trial(
        state=state,
        value=None if state == TrialState.FAIL else value,
        params=about["params"],
        distributions={name: json_to_distribution(text) for name, text in about["distributions"].items()},
        intermediate_values={
            epoch.number: epoch.metrics[followed] for epoch in history.epochs if math.isfinite(epoch.metrics[followed])
        },
        user_attrs={**attributes(about), **more},
    )
    trial.datetime_start = datetime.fromtimestamp(about["created"])  # noqa: DTZ006 - Optuna keeps local time
    if ended:
        last = max(about["created"], ended.time)  # the clock may have been set back
        trial.datetime_complete = datetime.fromtimestamp(last)  # noqa: DTZ006 - as above
    return trial


def begun(folder: TrialFolder) -> FrozenTrial:
    """Build Optuna's trial of a folder by its uid alone, to which the rest is added."""
    about = folder.about()
    trial = optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={"uid": about["uid"]})
    trial.datetime_start = datetime.fromtimestamp(about["created"])  # noqa: DTZ006 - Optuna keeps local time
    return trial


def attributes(about: Mapping[str, Any]) -> dict[str, Any]:
    """Give the user attributes by which people know the trial in Optuna's dashboard.

    They include each knob that a variant or `--set` sets and that is no parameter of the search.
    """
    knobs = {name: value for name, value in about["overrides"].items() if name not in about["params"]}
    return {**knobs, **{name: about[name] for name in ("uid", "variant", "overrides") if about[name] is not None}}


def placeholder() -> FrozenTrial:
    """Make a failed trial that keeps a number whose folder is not there."""
    return optuna.trial.create_trial(state=TrialState.FAIL, user_attrs={"reason": "its folder was deleted"})
