"""Reaching MLflow: a client of a server or database with time limits, its troubles as one line for a person.

Only `MlflowClient` with an explicit URI is used: no active run, no tracking URI of the process, nothing ambient.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
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
from study.tracking.mirror import Refused

if TYPE_CHECKING:
    from collections.abc import Generator

CONNECT_SECONDS = 5
REFUSALS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE"}
OURS = {  # a server that does not answer is tried again by us, later; what a person has set comes first
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def connect(uri: str, place: str, artifacts: Path) -> MlflowClient:
    """Reach the server or open the database; a SQLite file is made.

    Args:
        uri: MLflow's tracking URI.
        place: what to call it in messages: the URI without its password.
        artifacts: folder of the artifacts of new experiments, where the URI is a database's.

    Raises:
        PlaceError: it cannot be reached or used; says why.

    """
    _settle(uri, place)
    with errors_in_one_line(place):
        if is_server(uri):
            _require_answer(uri)
        else:
            _open_database(uri, artifacts)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


@contextlib.contextmanager
def errors_in_one_line(place: str) -> Generator[None]:
    """Turn what MLflow and its database raise into one line for a person."""
    try:
        yield
    except MlflowException as error:
        kind = Refused if error.error_code in REFUSALS else PlaceError
        raise kind(_first_line(error), where=f"MLflow at {place}", fix=_cure(error)) from error
    except (OSError, SQLAlchemyError, ImportError) as error:
        raise PlaceError(_first_line(error), where=f"MLflow at {place}") from error


def _settle(uri: str, place: str) -> None:
    """Make MLflow quick to give up and quiet, and refuse what it can no longer do."""
    for name, value in OURS.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is raised, and said by us
    if not is_server(uri) and ("://" not in uri or uri.startswith("file:")):
        fix = "Use a database, such as sqlite:///mlflow.db; `mlflow migrate-filestore` moves old runs there."
        raise PlaceError("MLflow no longer writes to a plain folder", where=place, fix=fix)


def is_server(uri: str) -> bool:
    """Tell a server's URI from a database's."""
    return uri.startswith(("http:", "https:", "databricks"))


def _require_answer(uri: str) -> None:
    """Check within seconds that a server answers, because MLflow would try much longer; a proxy is left to MLflow."""
    parts = urlsplit(uri)
    if not parts.hostname or getproxies():
        return
    if parts.scheme == "https":
        socket.create_connection((parts.hostname, parts.port or 443), CONNECT_SECONDS).close()
        return
    connection = HTTPConnection(parts.hostname, parts.port, timeout=CONNECT_SECONDS)
    with contextlib.closing(connection), contextlib.suppress(HTTPException):  # what is no MLflow shows itself later
        connection.request("GET", f"{parts.path.rstrip('/')}/health")
        connection.getresponse()


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite URI; None where SQLite itself is to make sense of the rest of it."""
    return Path(uri.removeprefix("sqlite:///")) if re.fullmatch(r"sqlite:///(?!file:|:memory:)[^?]+", uri) else None


def _open_database(uri: str, artifacts: Path) -> None:
    """Connect once, with a time limit, because MLflow would go on trying for minutes; make a missing SQLite file."""
    if file := sqlite_file(uri):
        _make_sqlite(file, artifacts)
    limit = {"connect_timeout": CONNECT_SECONDS} if uri.startswith("postgresql") else {}
    sqlalchemy.create_engine(uri, poolclass=NullPool, connect_args=limit).connect().close()


def _make_sqlite(file: Path, artifacts: Path) -> None:
    """Make MLflow's tables aside and rename, because its migrations of some seconds cannot be resumed after a kill."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f"{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if file.exists():
            return
        making = file.with_name(f".{file.name}.making")
        for left_behind in file.parent.glob(f"{making.name}*"):  # by a kill, with SQLite's journal
            left_behind.unlink()
        store = SqlAlchemyStore(f"sqlite:///{making}", artifacts.as_uri())
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # stays with the file: readers do not stop the writer
        store.engine.dispose()
        making.rename(file)


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    for sign, meaning in (
        ("Connection refused", "nothing answers there"),
        ("timed out", "it does not answer in time"),
        ("Name or service not known", "there is no such host"),
    ):
        if sign in text:
            return meaning
    return re.sub(r"^\([\w.]+\) ", "", text.splitlines()[0])[:300]


def _cure(error: MlflowException) -> str:
    if "out-of-date database schema" in str(error):
        return "Back it up, then run `mlflow db upgrade` with its URI."
    return ""


def pages(search: Any, wanted: str | None) -> list[Any]:
    """Collect all pages of a search of MLflow's, which gives some hundreds of results at a time."""
    found: list[Any] = []
    token = None
    while True:
        page = search(wanted, page_token=token)
        found += page
        if not (token := page.token):
            return found
