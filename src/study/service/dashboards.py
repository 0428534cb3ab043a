"""Optuna dashboard and MLflow beside the service: programs of their own that begin when somebody asks for them.

Each listens on a socket in a folder that only the service's user can open, so that nobody reaches it but through the
service's login. A program that has died is started again by the next request.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2

from study import scratch
from study.formatting import without_password
from study.service import commands

if TYPE_CHECKING:
    from study.settings import Settings

PREFIX = "/mlflow"  # below which MLflow serves
AGAIN = 5.0  # seconds from one start of a program that dies to the next
GRACE = 3.0  # seconds between SIGTERM and SIGKILL
TIMEOUT = 120.0  # seconds for an answer: MLflow's searches of many runs are slow


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A server whose pages are shown behind our login.

    Args:
        name: for people.
        client: asks it.
        program: runs it; None for a server elsewhere.

    """

    name: str
    client: httpx2.AsyncClient
    program: Program | None = None

    def trouble(self) -> str:
        """Say why it cannot be asked yet; empty if it can. It is started if it does not run."""
        return self.program.trouble() if self.program else ""


class Program:
    """A program that is started when it is asked for, and ends with the service.

    Args:
        name: for people.
        kind: optuna or mlflow, as `study.service.dashboard_process` knows it.
        health: path that it answers when it is ready.
        places: where results are.

    """

    def __init__(self, name: str, kind: str, health: str, places: Settings) -> None:  # noqa: D107 - see the class
        self._name, self._kind, self._health, self._places = name, kind, health, places
        self._folder = scratch.folder("ui")  # the path of a socket has to be short
        if user := commands.user_of(places):
            os.chown(self._folder, user.uid, user.gid)
        self.socket = self._folder / kind
        self.log = places.home / "service" / f"{kind}.log"
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._begun, self._well, self._over = 0.0, False, False

    def trouble(self) -> str:
        """Say why it does not answer yet; empty if it does. Starts it if it does not run."""
        with self._lock:
            ended = self._process is not None and self._process.poll() is not None
            if self._over or (ended and time.monotonic() - self._begun < AGAIN):
                return f"{self._name} ended: {self._last_line()}"
            if self._process is None or ended:
                self._start()
            if not self._well:
                self._well = self._answers()
            return "" if self._well else f"{self._name} is starting"

    def stop(self) -> None:
        """End it with all of its processes."""
        with self._lock:
            self._over = True
            if self._process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(GRACE)
                with suppress(ProcessLookupError, PermissionError):  # PermissionError: only zombies are left
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                assert self._process.stdin
                self._process.stdin.close()
            scratch.remove(self._folder)

    def _start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "study.service.dashboard_process", self._kind, str(self.socket)],
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
                **commands.started(self._places),
            )  # fmt: skip
        self._begun, self._well = time.monotonic(), False

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(self.socket)), timeout=2) as client:
            try:
                return client.get(f"http://localhost{self._health}").status_code < 400
            except httpx2.TransportError:
                return False

    def _last_line(self) -> str:
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines()]
        return without_password(next((line for line in reversed(lines) if line), "it said nothing"))


def dashboards_of(places: Settings) -> dict[str, Dashboard]:
    """Give a service's dashboards by their kind: Optuna dashboard, and MLflow on its database or under `/mlflow`."""
    found = {"optuna": _launched("Optuna dashboard", "optuna", "/dashboard", places)}
    remote = urlsplit(places.tracking_uri)
    if remote.scheme not in {"http", "https"}:
        found["mlflow"] = _launched("MLflow", "mlflow", f"{PREFIX}/health", places)
    elif remote.path.rstrip("/") == PREFIX:
        address = places.tracking_uri.rstrip("/").removesuffix(PREFIX)
        found["mlflow"] = Dashboard("MLflow", httpx2.AsyncClient(base_url=address, timeout=TIMEOUT, trust_env=False))
    return found


def _launched(name: str, kind: str, health: str, places: Settings) -> Dashboard:
    program = Program(name, kind, health, places)
    transport = httpx2.AsyncHTTPTransport(uds=str(program.socket))
    return Dashboard(
        name, httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=TIMEOUT), program
    )
