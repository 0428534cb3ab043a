"""`study serve`: sets everything up, prints where it is and the first admin's link, and serves until a signal."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from study.errors import InputError, PlaceError
from study.service import app, people, store
from study.service.conductor import Conductor
from study.service.hub import Hub
from study.service.web import Service
from study.service.webhook import Webhook
from study.settings import sqlite_url

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from study.settings import Settings

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
GPUS = Path("/proc/driver/nvidia/gpus")
log = logging.getLogger("study")


def default_url(places: Settings) -> str:
    """URL of the service's database if none is given."""
    return sqlite_url(places.home / "service.db")


def default_slots() -> int:
    """Count what trains at a time: the GPUs of this machine, else its cores."""
    return len(list(GPUS.iterdir())) if GPUS.is_dir() else len(os.sched_getaffinity(0))


def serve(
    places: Settings,
    say: Callable[[str], None],
    *,
    url: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8765,
    slots: int | None = None,
    names: Sequence[str] = (),
    public: str = "",
    behind_proxy: bool = False,
    webhook: str = "",
    secret: str = "",
) -> None:
    """Serve until SIGINT or SIGTERM; from the main thread only.

    Args:
        places: where results are kept.
        say: prints a line for the person who started it.
        url: of the service's database; SQLite in the home folder if None.
        host: address to listen on.
        port: to listen on; 0 takes a free one.
        slots: trials at a time on this machine; one a GPU, or a core, if None.
        names: further host names by which people reach it.
        public: address under which people reach it, for links.
        behind_proxy: whether a proxy on this machine tells the clients' addresses and whether they use TLS.

        webhook: address that is told when a run ends or is paused; empty for none.
        secret: signs what it is told.

    Raises:
        InputError: the address cannot be used, or another server serves this home.
        PlaceError: the database cannot be used.

    """
    places.home.mkdir(parents=True, exist_ok=True)
    with _alone(places.home), _listening(host, port) as listener:
        port = listener.getsockname()[1]
        stored = store.opened(url or default_url(places))
        address = public or f"http://{'localhost' if host in {*LOOPBACK, '0.0.0.0', '::'} else host}:{port}"  # noqa: S104
        hub = Hub(stored)
        conductor = Conductor(stored, places, slots or default_slots())
        given = Service(stored, places, conductor, hub, address)
        hosts = {*LOOPBACK, *names, *([] if host in {"0.0.0.0", "::"} else [host])}  # noqa: S104
        hosts |= {public.partition("://")[2].partition("/")[0].rpartition(":")[0] or public.partition("://")[2]}
        config = uvicorn.Config(
            app.make(given, hosts - {""}), log_config=None, access_log=False, server_header=False,
            proxy_headers=behind_proxy, forwarded_allow_ips="127.0.0.1", timeout_graceful_shutdown=2,
        )  # fmt: skip
        stored.tells = bool(webhook)
        teller = Webhook(stored, webhook, secret) if webhook else None
        conductor.start()
        if teller:
            teller.start()
        try:
            say(f"study serves at {address}, {conductor.slots} trials at a time. Ctrl-C stops it.")
            with stored.read() as connection:
                first = not people.anybody(connection)
            if first:
                link = f"{address}/invitation/{people.invite(stored, 'serve')}"
                say(f"Make the first admin, once, within three days: {link}")
            _Server(config, hub).run(sockets=[listener])
        finally:
            conductor.stop()
            if teller:
                teller.stop()
            stored.close()


class _Server(uvicorn.Server):
    """Lets go of those who follow events, as soon as a signal comes."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Handle signals ourselves: uvicorn would raise them again at its end, and the queue would not be stopped."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        self._hub.close()
        await super().shutdown(sockets)


@contextmanager
def _alone(home: Path) -> Generator[None]:
    """Be the one server of a home folder until the block ends, or this process does."""
    with (home / "service.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("another `study serve` serves it", where=str(home), fix="Stop that one first.") from None
        yield


@contextmanager
def _listening(host: str, port: int) -> Generator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(2048)  # who comes early waits
        except (OSError, OverflowError) as error:
            where, what = f"{host}:{port}", f"cannot be used: {error}"
            raise PlaceError(what, where=where, fix="Choose another --host or --port.") from error
        yield listener
