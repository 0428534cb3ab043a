"""`study ui`: Optuna dashboard and MLflow's server on this machine alone, started together and ended together."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from study import tracking
from study.errors import InputError, PlaceError, StudyError
from study.sampling import storage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from study.settings import Settings

HOST = "127.0.0.1"
START_SECONDS = 120.0  # until both must answer
GRACE = 5.0  # seconds from asking a server to end until it is killed
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs as a process group of its own.

    Args:
        name: for messages.
        port: on the loopback address.
        health: path that it answers once it is ready.
        process: leader of the group.
        log: everything that it has written.

    """

    name: str
    port: int
    health: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://{HOST}:{self.port}"

    def answers(self) -> bool:
        """Ask it once."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=2)
        try:
            connection.request("GET", self.health)
            return connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def end(self) -> None:
        """End the whole group, by a kill if asking does not help."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # a group of zombies alone is not permitted
            os.killpg(self.process.pid, signal.SIGKILL)

    def last_words(self) -> str:
        """The last line of the log that says something."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "it wrote nothing")


def serve(
    settings: Settings,
    on_ready: Callable[[str, str], None],
    port_optuna: int | None = None,
    port_mlflow: int | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM; from the main thread only.

    Args:
        settings: the databases to show; an http(s) tracking URI is shown as it is.
        on_ready: is called once with both addresses, Optuna dashboard's first.
        port_optuna: a free one if not given.
        port_mlflow: a free one if not given.

    Raises:
        InputError: a port is taken.
        PlaceError: a database cannot be used.
        StudyError: a server did not start or died; says which and its last line.

    """
    happened: SimpleQueue[Server | None] = SimpleQueue()  # a server that died, or None for a signal
    with _signals(happened), tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        servers = [running.enter_context(_dashboard(settings, Path(folder), port_optuna))]
        remote = settings.tracking_uri.startswith(("http:", "https:"))
        if not remote:
            servers.append(running.enter_context(_mlflow(settings, Path(folder), port_mlflow)))
        for server in servers:
            threading.Thread(target=_watch, args=(server, happened), daemon=True).start()
        if not _wait_until_ready(servers, happened):
            return
        on_ready(servers[0].address, settings.tracking_uri if remote else servers[1].address)
        if died := happened.get():
            raise _death(died)


@contextlib.contextmanager
def _dashboard(settings: Settings, folder: Path, port: int | None) -> Generator[Server]:
    """Start Optuna dashboard; the storage goes by a file, because others can read a command line."""
    storage.connect(settings.storage).engine.dispose()  # the dashboard itself makes no tables
    port = _free(port)
    config = folder / "dashboard.toml"
    config.write_text(
        f"[optuna_dashboard]\nstorage = {json.dumps(settings.storage)}\nhost = '{HOST}'\nport = {port}\n"
        "server = 'wsgiref'\nquiet = true\n"
    )
    command = [_script("optuna-dashboard"), "--from-config", str(config)]
    with _started("Optuna dashboard", command, {}, folder / "dashboard.log", port, "/dashboard") as server:
        yield server


@contextlib.contextmanager
def _mlflow(settings: Settings, folder: Path, port: int | None) -> Generator[Server]:
    """Start MLflow's server; its job execution is off, which nothing here needs and which costs 2 GB of memory."""
    tracking.prepare(settings)
    port = _free(port)
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--allowed-hosts", f"localhost:{port},{HOST}:{port}"]
    command += ["--artifacts-destination", settings.artifacts.as_uri()]
    environment = {
        "MLFLOW_BACKEND_STORE_URI": settings.tracking_uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with _started("MLflow", command, environment, folder / "mlflow.log", port, "/health") as server:
        yield server


@contextlib.contextmanager
def _started(
    name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, port: int, health: str
) -> Generator[Server]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own two programs
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(name, port, health, process, log)
    try:
        yield server
    finally:
        server.end()


def _watch(server: Server, happened: SimpleQueue[Server | None]) -> None:
    server.process.wait()
    happened.put(server)


def _wait_until_ready(servers: Sequence[Server], happened: SimpleQueue[Server | None]) -> bool:
    """Wait until all answer; False when a signal came first."""
    deadline = time.monotonic() + START_SECONDS
    while waiting := [server for server in servers if not server.answers()]:
        if time.monotonic() > deadline:
            raise StudyError(f"{waiting[0].name} did not start: {waiting[0].last_words()}")
        with contextlib.suppress(Empty):
            if died := happened.get(timeout=0.1):
                raise _death(died)
            return False
    return True


def _death(server: Server) -> StudyError:
    return StudyError(f"{server.name} ended with exit code {server.process.returncode}: {server.last_words()}")


@contextlib.contextmanager
def _signals(happened: SimpleQueue[Server | None]) -> Generator[None]:
    """Turn signals into events; the servers live in sessions of their own and would outlive us."""
    before = {number: signal.signal(number, lambda *_: happened.put(None)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free(port: int | None) -> int:
    """Ask the system for a free port, or whether the one asked for is.

    Raises:
        InputError: it is taken or not allowed.

    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port or 0))
        except (OSError, OverflowError) as error:
            raise InputError(f"port {port} cannot be used: {error}", fix="Choose another one.") from error
        return probe.getsockname()[1]


def _script(name: str) -> str:
    """Find a program that was installed with us."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise PlaceError(f"{name} is not installed", fix=f"Install it: `uv pip install {name}`.")
    return found
