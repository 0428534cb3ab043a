"""Load on `study serve` beside two searches: the time of the pages, and how much slower the searches become.

`uv run --group test python benchmarks/serve.py` takes four minutes; nothing else may run meanwhile. It starts a server
in an empty folder, with runs and events of a busy year in its database, and queues two searches of one worker each: a
study that ships, under two names. Then windows without and with load take turns; under load clients follow all events
and pages are asked for at a rate, from this process. `--quick` is a short one, whose figures say nothing.

A search's rate is that of its epochs between the first and the last one of a window, by their own times. Server and
load use the same cores as the searches, which lose what these take; `--apart` gives them a core of their own.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from study import Client, load
from study.formatting import to_json
from study.service import people, store, tables
from study.study_files import available

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

PASSWORD = "correct horse battery"  # noqa: S105 - of a database that is deleted again
PATHS = (
    "/", "/queue", "/studies", "/studies/load_a", "/studies/load_a/trials/0", "/machines", "/runs/{run}",
    "/api/v1/runs?limit=50", "/api/v1/queue", "/api/v1/studies/load_a", "/readyz",
)  # fmt: skip
NAMES = ("load_a", "load_b")
PATIENCE = 180.0  # seconds until the searches train
SETTLE = 1.5  # seconds between windows


def fill(url: str, runs: int, epochs: int) -> str:
    """Fill a new database with ended runs and their events; give an admin's token."""
    made = store.opened(url)
    people.accept(made, people.invite(made, "serve"), "ann", PASSWORD)
    now = time.time()
    with made.write() as connection:
        ended = {"person": "ann", "question": "run", "status": "done", "submitted": now, "ended": now}
        rows = [
            ended
            | {"id": f"{number:08x}", "key": str(number), "study": f"s{number % 50}"}
            | {"asked": to_json({"study": f"s{number % 50}", "file": None})}
            for number in range(runs)
        ]
        connection.execute(sa.insert(tables.runs), rows)
        data = to_json({"number": 1, "metrics": {"val_accuracy": 0.5}, "seconds": 1.0})
        for start in range(0, epochs, 50_000):
            many = [
                {"time": now, "kind": "epoch", "study": f"s{n % 50}", "trial": n % 1000, "data": data}
                for n in range(start, min(start + 50_000, epochs))
            ]
            connection.execute(sa.insert(tables.events), many)
    _, token = people.make_token(made, "ann", "benchmark")
    made.close()
    return token


@dataclass
class Server:
    """The server that is measured.

    Args:
        port: that it listens on.
        token: of an admin.
        pid: of its process.
        database: of its tables.
        searches: names of their studies.
        run: id of the first search.

    """

    port: int
    token: str
    pid: int
    database: store.Database
    searches: Sequence[str]
    run: str = ""

    def ask(self, path: str) -> float:
        """Ask once; give the seconds until the whole answer."""
        since = time.perf_counter()
        connection = http.client.HTTPConnection("localhost", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "text/html"}
        connection.request("GET", path.format(run=self.run), headers=headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status == 200, (path, answer.status)
        return time.perf_counter() - since

    def epochs(self, first: int = 0) -> dict[str, list[float]]:
        """Give the times of the searches' epochs, by study, from a number of a trial on."""
        table = tables.events
        chosen = sa.select(table.c.study, table.c.time).where(table.c.study.in_(NAMES), table.c.kind == "epoch")
        with self.database.read() as connection:
            rows = connection.execute(chosen.where(table.c.trial >= first)).all()
        return {name: sorted(row.time for row in rows if row.study == name) for name in self.searches}

    def memory(self) -> float:
        """Give the most memory that the server's process has had, in MB."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1]) / 1024


@contextmanager
def serving(runs: int, epochs: int, searches: int) -> Generator[Server]:
    """Start a server on a filled database in an empty folder; end it, and its searches, afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "mlruns")
        home.mkdir()
        url = f"sqlite:///{home}/service.db"
        token = fill(url, runs, epochs)
        command = [sys.executable, "-m", "study", "serve", "--port", "0", "--home", str(home), "--slots", "9"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
            assert process.stdout
            found = re.search(r"localhost:(\d+)", process.stdout.readline())
            assert found
            server = Server(int(found[1]), token, process.pid, store.opened(url), NAMES[:searches])
            try:
                yield server
            finally:
                process.terminate()
                process.wait()
                server.database.close()


def search(server: Server, study: str, fixed: dict[str, Any]) -> None:
    """Queue the searches, one worker each, and wait until all are past the first variants, which may repeat others."""
    client = Client(f"http://localhost:{server.port}", server.token)
    text = available()[study].read_text()
    for name in server.searches:
        file = {"name": name, "content": text.replace(f'name="{study}"', f'name="{name}"')}
        more: dict[str, Any] = {"file": file, "trials": 100_000, "workers": 1, "pruner": "none", "fixed": fixed}
        run = client.submit(name, sampler="random", seed=1, **more)
        server.run = server.run or run.id
    deadline = time.monotonic() + PATIENCE
    first = min(5, len(load(study).variants))
    while not all(server.epochs(first).values()):
        assert time.monotonic() < deadline, [each.reason for each in client.queue()]
        assert all(each.status in {"queued", "running"} for each in client.queue()), client.queue()
        time.sleep(0.2)


class Followers:
    """Clients that follow all events from the newest one on; one thread reads for all of them."""

    def __init__(self, server: Server, clients: int) -> None:
        """Connect them, a hundred a second."""
        self._selector, self._over = selectors.DefaultSelector(), False
        with server.database.read() as connection:
            newest = connection.execute(sa.select(sa.func.max(tables.events.c.id))).scalar()
        asked = (
            f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
            f"Last-Event-ID: {newest}\r\n\r\n"
        )
        self.got = [0] * clients  # events
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        for number in range(clients):
            made = socket.create_connection(("localhost", server.port))
            made.sendall(asked.encode())
            self._selector.register(made, selectors.EVENT_READ, number)
            time.sleep(0.01)

    def _read(self) -> None:
        while not self._over:
            for key, _ in self._selector.select(0.2):
                content = key.fileobj.recv(1 << 16)  # pyright: ignore[reportAttributeAccessIssue] - a socket
                assert content, "the server has let a client go"
                self.got[key.data] += content.count(b"event: epoch")

    def close(self) -> None:
        """Let the server go."""
        self._over = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # pyright: ignore[reportAttributeAccessIssue]


@dataclass
class Window:
    """A time in which the searches train, with load or without.

    Args:
        since: in seconds since 1970.
        until: the same.
        server: cores that the server's process used.
        load: cores that this process used.
        times: seconds of each answer, by path.

    """

    since: float
    until: float = 0.0
    server: float = 0.0
    load: float = 0.0
    times: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    def rate(self, epochs: dict[str, list[float]]) -> float:
        """Epochs a second of all searches, between the first and the last one in this time."""
        total = 0.0
        for times in epochs.values():
            mine = [each for each in times if self.since <= each <= self.until]
            assert len(mine) > 2, f"{len(mine)} epochs in a window: make it longer"
            total += (len(mine) - 1) / (mine[-1] - mine[0])
        return total


def window(server: Server, seconds: float, rate: float, clients: int) -> Window:
    """Let the searches train for a time; with load, unless the rate is 0."""
    followers = Followers(server, clients) if rate else None
    time.sleep(SETTLE)
    cpu, mine, began = _cpu(server.pid), time.process_time(), time.perf_counter()
    made = Window(time.time())

    with ThreadPoolExecutor(64) as pool:
        asked = []
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, began + number / rate - time.perf_counter()))
            asked.append(pool.submit(lambda path: (path, server.ask(path)), PATHS[number % len(PATHS)]))
        time.sleep(max(0.0, began + seconds - time.perf_counter()))
        made.times = [each.result() for each in asked]
    taken, made.until = time.perf_counter() - began, time.time()
    made.server, made.load = (_cpu(server.pid) - cpu) / taken, (time.process_time() - mine) / taken
    if followers is not None:
        followers.close()
        assert min(followers.got) > 0, "a client has got no event"
    return made


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def set_apart(server: Server) -> None:
    """Give the server and the load the first core, the searches all others: a machine with a core to spare."""
    import psutil  # it comes with the group test

    first, *others = sorted(os.sched_getaffinity(0))
    process = psutil.Process(server.pid)
    searches = [(each, others) for each in process.children(recursive=True)]
    for each, where in [(process, [first]), (psutil.Process(), [first]), *searches]:
        for thread in each.threads():
            os.sched_setaffinity(thread.id, where)


def percentile(values: Sequence[float], share: float) -> float:
    """Give a percentile in milliseconds."""
    return round(1000 * sorted(values)[min(len(values) - 1, int(share * len(values)))], 1)


def measure(server: Server, rounds: int, seconds: float, rate: float, clients: int) -> dict[str, Any]:
    """Ask each page beside the searches alone, then let windows without and with load take turns."""
    alone = {path: percentile([server.ask(path) for _ in range(5)], 0.5) for path in PATHS}
    pairs: list[tuple[Window, Window]] = []
    for number in range(rounds):
        order = (0.0, rate) if number % 2 == 0 else (rate, 0.0)
        first, second = (window(server, seconds, each, clients) for each in order)
        pairs.append((first, second) if number % 2 == 0 else (second, first))
    time.sleep(3)  # the last epochs become events
    epochs = server.epochs()
    rates = [(without.rate(epochs), loaded.rate(epochs)) for without, loaded in pairs]
    slower = [round(100 * (1 - loaded / without), 1) for without, loaded in rates]
    times = [each for _, loaded in pairs for each in loaded.times]
    return {
        "alone_ms": alone, "requests": len(times),
        "p50_ms": percentile([each for _, each in times], 0.5), "p99_ms": percentile([each for _, each in times], 0.99),
        "p99_ms_by_path": {path: percentile([each for where, each in times if where == path], 0.99) for path in PATHS},
        "epochs_a_second": {
            "without": round(statistics.median(each for each, _ in rates), 3),
            "with_load": round(statistics.median(each for _, each in rates), 3),
        },
        "slower_percent": {"median": statistics.median(slower), "least": min(slower), "most": max(slower), "n": rounds},
        "cores_used": {
            "server_without": round(statistics.median(each.server for each, _ in pairs), 3),
            "server_with_load": round(statistics.median(each.server for _, each in pairs), 3),
            "load_itself": round(statistics.median(each.load for _, each in pairs), 3),
        },
        "server_memory_mb": round(server.memory()),
    }  # fmt: skip


def row(given: argparse.Namespace, found: dict[str, Any]) -> str:
    """Write the row of the sizing table in docs/operations.md."""
    slower, cores = found["slower_percent"], found["cores_used"]
    return (
        f"| {given.searches} | {given.clients} | {given.rate:g} | {given.runs:,}, {given.epochs:,} | "
        f"{found['p50_ms']:g} | {found['p99_ms']:g} | {cores['server_with_load']:.2f} + {cores['load_itself']:.2f} | "
        f"{found['server_memory_mb']} | {slower['median']:g} % ({slower['least']:g} to {slower['most']:g}) | "
        f"{found['requests']}, {slower['n']} | {found['machine']} |"
    )


def main() -> None:
    """Start, fill, search, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200, help="that follow all events")
    parser.add_argument("--rate", type=float, default=50, help="requests a second")
    parser.add_argument("--searches", type=int, choices=(1, 2), default=2, help="of one worker each")
    parser.add_argument("--rounds", type=int, default=5, help="of a window without load and one with it")
    parser.add_argument("--seconds", type=float, default=18, help="of a window")
    parser.add_argument("--runs", type=int, default=10_000, help="in the database before")
    parser.add_argument("--epochs", type=int, default=1_000_000, help="events of epochs in the database before")
    parser.add_argument("--study", default="ann_optimizers", help="that ships")
    parser.add_argument("--fixed", type=json.loads, default={"optimizer": "sgd", "batch_size": 64}, help="knobs, JSON")
    parser.add_argument("--apart", action="store_true", help="server and load on a core of their own")
    parser.add_argument("--quick", action="store_true", help="two short windows, a small database")
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.seconds, given.runs, given.epochs = 1, 4, 200, 10_000
    with serving(given.runs, given.epochs, given.searches) as server:
        search(server, given.study, given.fixed)
        if given.apart:
            set_apart(server)
        found = measure(server, given.rounds, given.seconds, given.rate, given.clients)
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    found["machine"] = f"{names[0] if names else 'unknown CPU'}, {os.cpu_count()} cores"
    print(json.dumps({**vars(given), **found}, indent=2))
    print(row(given, found))


if __name__ == "__main__":
    main()
