"""`study serve`: sets everything up, prints where it is and the first admin's link, and serves until a signal."""

from __future__ import annotations

import logging
import os
import signal
import socket
from contextlib import ExitStack, closing, contextmanager
from ipaddress import IPv6Address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import uvicorn

from study.errors import PlaceError
from study.formatting import plural
from study.options import Options
from study.record import atomic_files
from study.service import app, commands, dashboards, people, store
from study.service import machines as trained_on
from study.service.conductor import Conductor
from study.service.hub import Hub
from study.service.notifications import Notifier
from study.service.run_as import Places, User, hide, require_able
from study.service.sign_on import SignOn
from study.service.web import Service
from study.settings import sqlite_url, studies_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from study.service.notifications import Sender
    from study.settings import Settings

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what is listened on is said by whoever starts it
log = logging.getLogger("study.service")


def default_url(places: Settings) -> str:
    """URL of the service's database if none is given."""
    return sqlite_url(places.home / "service.db")


def serve(
    places: Settings,
    say: Callable[[str], None],
    *,
    url: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8765,
    slots: int | None = None,
    where: Options | None = None,
    names: Sequence[str] = (),
    public: str = "",
    behind_proxy: bool = False,
    proxy_address: str = "127.0.0.1",
    tells: Mapping[str, Callable[[str], Sender]] | None = None,
    sign_on: SignOn | None = None,
    run_as: str = "",
    invited: str = "",
) -> None:
    """Serve until SIGINT or SIGTERM; from the main thread only.

    Args:
        places: where results are kept.
        say: prints a line for the person who started it.
        url: of the service's database; SQLite in the home folder if None.
        host: address to listen on.
        port: to listen on; 0 takes a free one.
        slots: trials at a time; one a GPU, or a core, if None, or as many as a cluster has room for.
        where: the executor and what a trial takes of a cluster; None trains on this machine.
        names: further host names by which people reach it.
        public: address under which people reach it, for links.
        behind_proxy: whether a proxy tells the clients' addresses and whether they use TLS.
        proxy_address: of that proxy, or its network; several are separated by commas.
        tells: ways in which others are told when a run ends or is paused; each makes its sender for our address.
        sign_on: how people are known without a password; by none if None.
        run_as: name of the user of the system as whom commands run; empty for the server's own.
        invited: name of a person for whom a link is printed that sets a new password; empty for nobody.

    Raises:
        InputError: the address cannot be used, another server serves this home or this database, or commands cannot
            run as that user.
        PlaceError: the database or the home folder cannot be used.

    """
    sign_on = sign_on or SignOn()
    sign_on.check()
    places = Places.of(places, User.named(run_as)) if run_as else places
    machines = trained_on.of(where or Options(), places, slots)
    with _listening(host, port) as listener, machines, _alone(places), _opened(url, places) as stored:
        port = listener.getsockname()[1]
        address = public or f"http://{'localhost' if host in {*LOOPBACK, *EVERYWHERE} else _as_sent(host)}:{port}"
        hub = Hub(stored)
        conductor = Conductor(stored, places, machines)
        given = Service(stored, places, conductor, hub, address, dashboards.dashboards_of(places), sign_on)
        config = uvicorn.Config(
            app.make(given, _hosts(host, names, public), header=sign_on.header), log_config=None, access_log=False,
            server_header=False, proxy_headers=behind_proxy, forwarded_allow_ips=proxy_address,
            timeout_graceful_shutdown=2,
        )  # fmt: skip
        notifiers = [Notifier(stored, way, send(address)) for way, send in (tells or {}).items()]
        stored.tells = frozenset(each.way for each in notifiers)
        conductor.start()
        for notifier in notifiers:
            notifier.start()
        try:
            room = f"{plural(machines.slots, 'trial')} at a time" if machines.slots else "runs wait for a node"
            say(f"study serves at {address}, {room}. Ctrl-C stops it.")
            _invite(stored, address, invited, say)
            _Server(config, hub).run(sockets=[listener])
        finally:
            with ExitStack() as ending:  # from the last line to the first, whatever one of them raises
                for notifier in notifiers:
                    ending.callback(notifier.stop)
                for program in (each.program for each in given.dashboards.values() if each.program):
                    ending.callback(program.stop)
                ending.callback(conductor.stop)


def _invite(stored: store.Database, address: str, invited: str, say: Callable[[str], None]) -> None:
    """Print the link that makes the first admin, while there is nobody; or a link for the person who is named."""
    with stored.read() as connection:
        is_first = not people.anybody(connection)
    if is_first:
        say(f"Make the first admin, once, within three days: {address}/invitation/{people.invite(stored, 'serve')}")
    elif invited:
        link = f"{address}/invitation/{people.invite(stored, 'serve', invited)}"
        say(f"{invited} sets a new password, once, within three days: {link}")


@contextmanager
def _opened(url: str | None, places: Settings) -> Generator[store.Database]:
    """Open the service's database and be its one server; it is not for the user that commands run as."""
    with closing(store.opened(url or default_url(places))) as stored, store.served(stored):
        if commands.user_of(places) is not None:
            hide(stored.url)
        yield stored


def _hosts(host: str, names: Sequence[str], public: str) -> set[str]:
    """List the names by which the server may be addressed."""
    known = {*names, *([] if host in EVERYWHERE else [host]), urlsplit(public).hostname or ""}
    return {*LOOPBACK, *(_as_sent(each) for each in known if each)}


def _as_sent(host: str) -> str:
    """Write a host as clients send it: in small letters, and an address of IPv6 short and in brackets."""
    try:
        return f"[{IPv6Address(host.strip('[]'))}]"
    except ValueError:
        return host.lower()


def _prepare(places: Settings) -> None:
    """Make the home folder, and give the user as whom commands run what they write into."""
    places.home.mkdir(parents=True, exist_ok=True)
    if (user := commands.user_of(places)) is None or not isinstance(places, Places):
        if os.geteuid() == 0:
            log.warning("commands run as root, as the server does: --run-as gives them a user of their own")
        return
    places.prepare()
    require_able(user, commands.environment(places), (places.home, studies_folder(places.home), places.artifacts))


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
def _alone(places: Settings) -> Generator[None]:
    """Make the home folder, and be its one server until the block ends, or this process does."""
    with ExitStack() as held:
        try:
            _prepare(places)
            held.enter_context(store.alone(places.home / "service.lock", str(places.home)))
        except OSError as error:
            raise atomic_files.cannot_write(places.home, error) from error
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
