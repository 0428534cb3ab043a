"""The connection to a Ray cluster: what Ray must be told before its import, and its errors as one line."""

from __future__ import annotations

import importlib.metadata
import os
import re
import signal
import socket
import tempfile
import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study import scratch
from study.errors import InputError, PlaceError, sentences
from study.executors.server import cores
from study.formatting import plural

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

SETTINGS = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else each worker of `uv run study` runs uv again, with the working folder
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # an actor without a GPU sees none; set, it says nothing about it
}
PATIENCE = 5.0  # seconds in which an address must answer
RAYS_OWN = re.compile(rb"\[[-\d]+ [\d:,]+ [A-Z] \d+ \d+\] \w+\.(cc|h):.*\n?")  # a line that Ray's C++ writes to stderr
NO_RAY = "Is Ray started there (`ray start --head`), and is this its port?"
SAME = ("python", "torch", "ray", "study")  # whose versions must be equal on all nodes
for _name, _value in SETTINGS.items():
    os.environ.setdefault(_name, _value)

import ray  # noqa: E402 - after its settings
from ray._raylet import GcsClient  # noqa: E402 # pyright: ignore - made by Cython
from ray.exceptions import (  # noqa: E402
    ActorDiedError,
    AuthenticationError,
    GetTimeoutError,
    RayActorError,
    RayError,
    RayTaskError,
    RpcError,
)

__all__ = ["ActorDiedError", "GetTimeoutError", "RayActorError", "RayError", "RayTaskError", "ray"]


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection to Ray, which `close` ends unless it was there before.

    Args:
        is_ours: whether it was made here.
        folder: of the Ray that was started here; None if it runs elsewhere.

    """

    is_ours: bool
    folder: Path | None

    def close(self) -> None:
        """Disconnect; a Ray that was started here ends, too."""
        if self.is_ours:
            with _own_signals():
                ray.shutdown()
        if self.folder is not None:
            scratch.remove(self.folder)


def connect(address: str) -> Connection:
    """Connect to a cluster, or start Ray on this machine if there is no address.

    Raises:
        PlaceError: nothing answers there, another token or other versions.
        InputError: no address.

    """
    if ray.is_initialized():
        return Connection(is_ours=False, folder=None)
    ray._private.worker.print_to_stdstream = _say_nothing  # noqa: SLF001 # pyright: ignore - writes to our stdout
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "study"}
    folder = None
    if address:
        _require_answer(address)
    else:
        folder = scratch.folder("ray")
        quiet |= {"num_cpus": cores(), "include_dashboard": False, "_temp_dir": str(folder)}
    made = Connection(is_ours=True, folder=folder)
    with ExitStack() as undo:
        undo.callback(made.close)  # Ray keeps half a connection
        try:
            if address:
                _require_entry(address)
            with _own_signals():
                ray.init(address or "local", **quiet)
        except AuthenticationError as error:
            fix = "Give this machine the token of the cluster: `study cluster token --help`."
            raise PlaceError("the cluster refuses our token", where=address, fix=fix) from error
        except (ConnectionError, RuntimeError, ValueError, RayError) as error:
            raise _refusal(address, error) from error
        undo.pop_all()
    return made


def require_same(theirs: Mapping[str, str], host: str) -> None:
    """Check that a node has the versions of this process.

    Raises:
        PlaceError: names both versions of the first difference.

    """
    ours = versions()
    for name in SAME:
        if theirs[name] != ours[name]:
            what = f"node {host} has {name} {theirs[name]}, and here is {name} {ours[name]}"
            raise PlaceError(what, fix="Install equal versions on all nodes.")


def versions() -> dict[str, str]:
    """Give the versions here that must be equal on all nodes."""
    from study import environment  # noqa: PLC0415 - only where a cluster is used

    return {**environment.versions(), "ray": importlib.metadata.version("ray")}


def alive() -> dict[str, dict[str, Any]]:
    """Give the nodes that are there, by id, with what Ray knows of them."""
    return {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}


def overview(address: str) -> str:
    """Say in one line which nodes a cluster has, and how much of each is used.

    Raises:
        InputError: as for `connect`.

    """
    with closing(connect(address)):
        nodes = [(node["NodeManagerHostname"], used) for node, used in usage()]
    each = [f"{host} ({used})" for host, used in sorted(nodes) if used]
    return f"{address}: {plural(len(each), 'node')} that can train: {', '.join(each)}"


def usage() -> list[tuple[dict[str, Any], str]]:
    """Give the nodes that are there, each with how much of it is used, for people; "" where nothing trains."""
    state: Any = ray._private.state  # noqa: SLF001 # pyright: ignore - else its dashboard tells
    free: dict[str, dict[str, float]] = state.available_resources_per_node()
    return [(node, _used(node["Resources"], free.get(name, {}))) for name, node in alive().items()]


def gpus_of_trial(asked: float | None) -> float:
    """Give the GPUs that a trial takes: as asked, else one where a node has any."""
    if asked is not None:
        return asked
    return 1.0 if any(node["Resources"].get("GPU") for node in alive().values()) else 0.0


def _used(there: Mapping[str, float], free: Mapping[str, float]) -> str:
    names = [name for name in ("CPU", "GPU") if there.get(name)]
    return ", ".join(
        f"{there[name] - free.get(name, 0.0):g} of {plural(int(there[name]), name)} used" for name in names
    )


def room(node: Mapping[str, Any], cpus: float, gpus: float) -> int:
    """Count the jobs that fit on a node at the same time."""
    there = node["Resources"]
    fits = int(there.get("CPU", 0) / cpus + 1e-9)
    if gpus:
        devices = int(there.get("GPU", 0))
        fits = min(fits, devices * int(1 / gpus + 1e-9) if gpus < 1 else int(devices / gpus + 1e-9))
    return fits


def _require_answer(address: str) -> None:
    """Knock at HOST:PORT: Ray itself tries for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()) or "/" in host:
        raise InputError(f"not an address of a cluster: {address!r}", fix="Write it as auto or HOST:PORT.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise PlaceError(f"no cluster answers: {error}", where=address, fix=NO_RAY) from error


def _require_entry(address: str) -> None:
    """Ask the cluster for its id: `ray.init` asks twenty times before it says that a token is wrong."""
    find: Any = ray._private.services.canonicalize_bootstrap_address  # noqa: SLF001 # pyright: ignore - for `auto`
    with _quiet():
        GcsClient(address=find(address))


@contextmanager
def _quiet() -> Generator[None]:
    """Leave out what Ray's C++ writes to stderr before it has a log file; what others write comes at the end."""
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            if left := RAYS_OWN.sub(b"", held.read()):
                os.write(2, left)


def _refusal(address: str, error: Exception) -> PlaceError:
    text = " ".join(str(error).split())
    if "Version mismatch" in text:
        return PlaceError(
            text.removeprefix("RuntimeError: "), where=address, fix="Install equal versions on all nodes."
        )
    if address == "auto":
        fix = "Start one with `ray start --head`, or leave --address out to start Ray for this search alone."
        return PlaceError("no Ray cluster runs on this machine", where="--address auto", fix=fix)
    if isinstance(error, RpcError):
        return PlaceError("what answers there is no Ray cluster", where=address, fix=NO_RAY)
    return PlaceError(sentences(f"Ray cannot be used: {text}"[:300]), where=address)


@contextmanager
def _own_signals() -> Generator[None]:
    """Keep our handlers of signals: Ray replaces that of SIGTERM."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say_nothing(*_arguments: object, **_more: object) -> None:
    """Take what Ray would print of nodes and workers that have died: the search says it itself."""
