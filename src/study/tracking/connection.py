"""Connections to MLflow: a client of a server or database, with time limits and with errors as one line.

Uses only `MlflowClient` with an explicit URI: no active run, no tracking URI of the process, no other global state.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import sqlalchemy
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from study.errors import PlaceError
from study.record import locks
from study.settings import sqlite_file, sqlite_url
from study.tracking.mirror import Refused

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

CONNECT_SECONDS = 5
REFUSALS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE"}
BUSY = {"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "ABORTED", "UNAUTHENTICATED", "PERMISSION_DENIED"}
DEFAULTS = {  # unless the user has set them; few retries, since the mirror itself retries later
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def connect(uri: str, server: str, artifacts: Path) -> MlflowClient:
    """Connect to the server or the database; make a missing SQLite file.

    Args:
        uri: MLflow's tracking URI.
        server: name of the server or database in messages: the URI without its password.
        artifacts: folder for the artifacts of new experiments, if the URI is a database's.

    Raises:
        PlaceError: it cannot be reached or used; says why.

    """
    _configure(uri, server)
    with errors_in_one_line(server):
        if is_server(uri):
            _require_answer(uri)
        else:
            _open_database(uri, artifacts)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


@contextlib.contextmanager
def errors_in_one_line(server: str) -> Generator[None]:
    """Turn exceptions of MLflow and its database into errors of one line."""
    try:
        yield
    except MlflowException as error:
        kind = Refused if error.error_code in REFUSALS else PlaceError
        raise kind(first_line(error), where=f"MLflow at {server}", fix=_fix(error)) from error
    except (OSError, SQLAlchemyError, ImportError) as error:
        raise PlaceError(first_line(error), where=f"MLflow at {server}") from error
    except (ValueError, TypeError, ArithmeticError) as error:  # what cannot be written, such as an endless number
        raise Refused(first_line(error), where=f"MLflow at {server}") from error


def _configure(uri: str, server: str) -> None:
    """Set short time limits and silence MLflow's logs; reject a plain folder as URI."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are raised, and `study` reports them
    if not is_server(uri) and ("://" not in uri or uri.startswith("file:")):
        fix = "Use a database, such as sqlite:///mlflow.db; `mlflow migrate-filestore` moves old runs there."
        raise PlaceError("MLflow no longer writes to a plain folder", where=server, fix=fix)


def is_server(uri: str) -> bool:
    """Tell a server's URI from a database's."""
    return uri.startswith(("http:", "https:", "databricks"))


def _require_answer(uri: str) -> None:
    """Check within seconds that a server answers; MLflow would try much longer. Behind a proxy, leave it to MLflow."""
    parts = urlsplit(uri)
    if not parts.hostname or getproxies():
        return
    if parts.scheme == "https":
        socket.create_connection((parts.hostname, parts.port or 443), CONNECT_SECONDS).close()
        return
    connection = HTTPConnection(parts.hostname, parts.port, timeout=CONNECT_SECONDS)
    with contextlib.closing(connection), contextlib.suppress(HTTPException):  # a server other than MLflow fails later
        connection.request("GET", f"{parts.path.rstrip('/')}/health")
        connection.getresponse()


def _open_database(uri: str, artifacts: Path) -> None:
    """Connect once with a time limit, since MLflow would retry for minutes; make a missing SQLite file."""
    if file := sqlite_file(uri):
        _make_sqlite(file, artifacts)
    limit = {"connect_timeout": CONNECT_SECONDS} if uri.startswith("postgresql") else {}
    sqlalchemy.create_engine(uri, poolclass=NullPool, connect_args=limit).connect().close()


def _make_sqlite(file: Path, artifacts: Path) -> None:
    """Make MLflow's tables in a temporary file and rename it: a kill during its migrations would leave a broken one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with locks.locked(file.with_name(f"{file.name}.lock")):
        if file.exists():
            return
        temporary = file.with_name(f".{file.name}.making")
        for left_behind in file.parent.glob(f"{temporary.name}*"):  # by a kill, with SQLite's journal
            left_behind.unlink()
        store = SqlAlchemyStore(sqlite_url(temporary), artifacts.as_uri())
        store.delete_experiment(SqlAlchemyStore.DEFAULT_EXPERIMENT_ID)  # MLflow makes an empty one named "Default"
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # stored in the file; readers do not block the writer
        store.engine.dispose()
        temporary.rename(file)


def is_refusal(error: Exception) -> bool:
    """Tell whether an error may be due to the data; a server that is away or busy takes the same data later."""
    if isinstance(error, MlflowException):
        return error.error_code not in BUSY
    return isinstance(error, ValueError | TypeError | ArithmeticError)


def first_line(error: Exception) -> str:
    """Say in one line what an error of MLflow or its database means."""
    text = str(error).strip() or type(error).__name__
    for sign, meaning in (
        ("Connection refused", "nothing answers there"),
        ("timed out", "it does not answer in time"),
        ("Name or service not known", "there is no such host"),
    ):
        if sign in text:
            return meaning
    return re.sub(r"^\([\w.]+\) ", "", text.splitlines()[0])[:300]


def _fix(error: MlflowException) -> str:
    if "out-of-date database schema" in str(error):
        return "Back it up, then run `mlflow db upgrade` with its URI."
    return ""


def pages(search: Any, wanted: str | None) -> list[Any]:
    """Collect all pages of an MLflow search, which returns some hundreds of results at a time."""
    found: list[Any] = []
    token = None
    while True:
        page = search(wanted, page_token=token)
        found += page
        if not (token := page.token):
            return found
