"""`study ui`: start and stop Optuna dashboard and MLflow's server together, reachable from this machine only."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from study import tracking
from study.errors import InputError, PlaceError, StudyError
from study.sampling import storage
from study.stopping import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from study.settings import Settings

HOST = "127.0.0.1"
POLL = 0.1  # seconds between requests to a server that does not answer yet
GRACE = 5.0  # seconds between SIGTERM and SIGKILL


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs in its own process group.

    Args:
        name: for messages.
        port: on the loopback address.
        health: path of the URL that it answers when it is ready.
        process: leader of the group.
        log: file with its output.
        page_of: gives the page to open from the URL of the server, once it answers.

    """

    name: str
    port: int
    health: str
    process: subprocess.Popen[bytes]
    log: Path
    page_of: Callable[[str], str] = str

    @property
    def address(self) -> str:
        """URL for a browser."""
        return f"http://{HOST}:{self.port}"

    def page(self) -> str:
        """URL of the page to open."""
        return self.page_of(self.address)

    def answers(self) -> bool:
        """Tell whether it answers one request."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=2)
        try:
            connection.request("GET", self.health)
            return connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def end(self) -> None:
        """Stop the whole group with SIGTERM, then with SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: only zombies are left
            os.killpg(self.process.pid, signal.SIGKILL)

    def last_line(self) -> str:
        """Read the last line of the log that is not empty."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "no output")


Event = tuple[Server, bool] | None  # a server that answers, or has ended; None for a signal


def serve(
    settings: Settings,
    on_ready: Callable[[str, str], None],
    on_trouble: Callable[[str], None],
    port_optuna: int | None = None,
    port_mlflow: int | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM, or until no server is left; from the main thread only.

    Args:
        settings: the databases to show; for an http(s) tracking URI no MLflow server is started.
        on_ready: called with the name and the URL of each as soon as it answers.
        on_trouble: called with the reason for which one of them could not start or has ended, while the other goes on.
        port_optuna: a free port if None.
        port_mlflow: a free port if None.

    Raises:
        InputError: a port is in use.
        PlaceError: no database can be used.
        StudyError: the last server did not start or died; gives its name and its last line.

    """
    events: SimpleQueue[Event] = SimpleQueue()
    remote = settings.tracking_uri.startswith(("http:", "https:"))
    with _signals(events), tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        left: list[Server] = []
        troubles: list[StudyError] = []
        starts = [_dashboard(settings, Path(folder), port_optuna)]
        for start in starts if remote else [*starts, _mlflow(settings, Path(folder), port_mlflow)]:
            try:
                left.append(running.enter_context(start))
            except PlaceError as error:
                troubles.append(error)
        for server in left:
            threading.Thread(target=_watch, args=(server, events), daemon=True).start()
        if remote:
            on_ready("MLflow", settings.tracking_uri)
        while left:
            while troubles:
                on_trouble(str(troubles.pop(0)))
            if (event := events.get()) is None:
                return
            server, answers = event
            if answers:
                on_ready(server.name, server.page())
            else:
                left.remove(server)
                troubles.append(_death(server))
        raise troubles[-1]


@contextlib.contextmanager
def _dashboard(settings: Settings, folder: Path, port: int | None) -> Generator[Server]:
    """Start Optuna dashboard; a file passes the storage's URL, because other users can read a command line."""
    storage.connect(settings.storage).engine.dispose()  # creates the tables; the dashboard does not
    port = _free(port)
    config = folder / "dashboard.toml"
    config.write_text(
        f"[optuna_dashboard]\nstorage = {json.dumps(settings.storage)}\nhost = '{HOST}'\nport = {port}\n"
        "server = 'wsgiref'\nquiet = true\n"
    )
    command = [_script("optuna-dashboard"), "--from-config", str(config)]
    with _started("Optuna dashboard", command, os.environ, folder / "dashboard.log", port, "/dashboard") as server:
        yield server


@contextlib.contextmanager
def _mlflow(settings: Settings, folder: Path, port: int | None) -> Generator[Server]:
    """Start MLflow's server."""
    tracking.prepare(settings)
    port = _free(port)
    options = ("--host", HOST, "--port", str(port), "--allowed-hosts", f"localhost:{port},{HOST}:{port}")
    command, environment = tracking.server(settings, *options)
    with _started("MLflow", command, environment, folder / "mlflow.log", port, "/health") as server:
        yield replace(server, page_of=tracking.runs_table)


@contextlib.contextmanager
def _started(
    name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, port: int, health: str
) -> Generator[Server]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own two programs
            command,
            env=environment,
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


def _watch(server: Server, events: SimpleQueue[Event]) -> None:
    """Tell once that a server answers, and once that it has ended, however long either takes."""
    told = False
    while server.process.poll() is None:
        if not told and server.answers():
            events.put((server, True))
            told = True
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(None if told else POLL)
    events.put((server, False))


def _death(server: Server) -> StudyError:
    return StudyError(f"{server.name} ended with exit code {server.process.returncode}: {server.last_line()}")


@contextlib.contextmanager
def _signals(events: SimpleQueue[Event]) -> Generator[None]:
    """Turn signals into events. The servers run in their own sessions and would otherwise outlive this process."""
    before = {number: signal.signal(number, lambda *_: events.put(None)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free(port: int | None) -> int:
    """Find a free port, or check that the given one is free.

    Raises:
        InputError: the port is in use or not allowed.

    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port or 0))
        except (OSError, OverflowError) as error:
            raise InputError(f"port {port} cannot be used: {error}", fix="Choose another one.") from error
        return probe.getsockname()[1]


def _script(name: str) -> str:
    """Find a program that was installed together with `study`."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise PlaceError(f"{name} is not installed", fix=f"Install it: `uv pip install {name}`.")
    return found
